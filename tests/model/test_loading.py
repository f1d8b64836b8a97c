import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, GPT2Config, T5Config, XLMConfig

from conftest import FAMILIES, LAYERS, tiny_model, tiny_tokenizer
from offramp.calibration import Calibration
from offramp.engine import load as load_classifier
from offramp.errors import BackboneError, InputError, ModelFolderError, OfframpError, OptionError, StorageError
from offramp.model import build, load, save

WEIGHTS, TOKENIZER, TOKENIZER_CONFIG = "model.safetensors", "tokenizer.json", "tokenizer_config.json"


def build_from(folder, **changes):
    options = {"exits": "1,2", "labels": ["no", "yes"], "problem_type": "single_label_classification", **changes}
    return build(str(folder), **options)


def encoder(folder, family, max_length=48, **changes):
    torch.manual_seed(0)
    config = FAMILIES[family]
    AutoModel.from_config(type(config)(**{**config.to_dict(), **changes})).save_pretrained(folder)
    tiny_tokenizer(max_length).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = tiny_model(pooling="pooler")
    save(model, folder)
    Calibration.neutral(model.network.config.exits).save(folder)
    return folder


@pytest.fixture
def model_folder(saved_model, tmp_path):
    return shutil.copytree(saved_model, tmp_path / "model")


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_backbone(folder, **changes):
    content = json.loads((folder / "config.json").read_text())
    change_json(folder / "config.json", backbone_config=content["backbone_config"] | changes)


def drop_tensors(folder, *parts):
    tensors = load_file(folder / WEIGHTS)
    left = {name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)}
    assert len(left) < len(tensors)
    save_file(left, folder / WEIGHTS, metadata={"format": "pt"})


def halve(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def declare_pooling(folder, content):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(content)


def assert_plain(error):
    """One line, for people: no traceback and no multi-line report of a library."""
    assert isinstance(error, OfframpError)
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)
    assert len(str(error)) < 600


class TestBuild:
    def test_what_it_makes(self, encoder_folder):
        model = build_from(encoder_folder, text_pair=True)
        config = model.network.config
        assert config.exits == [1, 2, LAYERS]
        assert config.labels == ("no", "yes")
        assert config.label2id == {"no": 0, "yes": 1}
        assert config.text_pair
        assert config.problem_type == "single_label_classification"
        assert not model.network.training
        assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}

    @pytest.mark.parametrize("family", FAMILIES)
    def test_the_encoder_stays_as_it_was(self, family, tmp_path):
        folder = encoder(tmp_path, family)
        backbone = build_from(folder).network.backbone
        original = AutoModel.from_pretrained(folder)
        assert backbone.config._attn_implementation == original.config._attn_implementation
        before, after = original.state_dict(), backbone.state_dict()
        assert {name for name in before.keys() - after.keys() if not name.startswith("pooler")} == set()
        assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())

    def test_half_precision_encoders_are_read_as_fp32(self, encoder_folder):
        AutoModel.from_pretrained(encoder_folder).half().save_pretrained(encoder_folder)
        network = build_from(encoder_folder).network
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}

    @pytest.mark.parametrize(
        ("family", "pooling"),
        [("bert", "pooler"), ("albert", "pooler"), ("roberta", "mean"), ("distilbert", "mean"), ("modernbert", "cls")],
    )
    def test_pooling_by_family(self, family, pooling, tmp_path):
        assert build_from(encoder(tmp_path, family)).network.config.pooling == pooling

    @pytest.mark.parametrize(
        ("content", "pooling"),
        [
            ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
            ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
            ({"pooling_mode": "mean"}, "mean"),
            ({"pooling_mode": "cls"}, "cls"),
            ({"pooling_mode": "lasttoken"}, "pooler"),  # none of ours, so BERT's own
            ({}, "pooler"),
        ],
    )
    def test_pooling_of_a_sentence_encoder(self, content, pooling, encoder_folder):
        declare_pooling(encoder_folder, json.dumps(content))
        assert build_from(encoder_folder).network.config.pooling == pooling
        assert build_from(encoder_folder, pooling="cls").network.config.pooling == "cls"

    def test_a_pooler_that_was_not_saved_is_not_made_up(self, encoder_folder):
        drop_tensors(encoder_folder, "pooler")
        assert build_from(encoder_folder).network.config.pooling == "mean"
        with pytest.raises(BackboneError, match="a bert encoder has no pooler"):
            build_from(encoder_folder, pooling="pooler")

    def test_the_real_encoder(self, minilm):
        network = build_from(minilm, exits=None).network
        assert network.config.pooling == "mean"
        assert network.config.exits == [1, 2, 4, 6]

    @pytest.mark.parametrize(
        ("family", "of_tokenizer", "asked", "limit"),
        [
            ("bert", 10**30, None, 512),
            ("bert", 48, None, 48),
            ("bert", 48, 20, 20),
            ("bert", 48, 1000, 48),
            ("bert", 10**30, 1000, 512),
            # 66 positions, but numbering starts behind the padding index, which is 0 here and 1 in the wild.
            ("roberta", 10**30, None, 65),
            ("xlm-roberta", 100, 100, 65),
            ("modernbert", 10**30, 100, 100),
        ],
    )
    def test_token_limit(self, family, of_tokenizer, asked, limit, tmp_path):
        model = build_from(encoder(tmp_path, family, max_length=of_tokenizer), max_length=asked)
        assert model.tokenizer.model_max_length == limit

    @pytest.mark.parametrize("padding", [0, 1])
    def test_the_longest_text_fits(self, padding, tmp_path):
        folder = encoder(tmp_path, "roberta", max_length=10**30, pad_token_id=padding)
        model = build_from(folder)
        assert model.tokenizer.model_max_length == 65 - padding
        ids = torch.full((1, model.tokenizer.model_max_length), 7)
        model.network(ids)
        with pytest.raises((IndexError, RuntimeError)):
            model.network(torch.full((1, model.tokenizer.model_max_length + 1), 7))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"exits": "0"}, "no exit fits after layer 0: this encoder has 4 layers, so use 1 to 4"),
            ({"exits": "2,5,7"}, "no exit fits after layer 5, 7"),
            ({"exits": "two"}, "write them as 1,2,4 or 'all'"),
            ({"pooling": "max"}, "pooling 'max' is not known"),
        ],
    )
    def test_options(self, options, message, encoder_folder):
        with pytest.raises(OptionError, match=message) as caught:
            build_from(encoder_folder, **options)
        assert_plain(caught.value)

    @pytest.mark.parametrize(
        "name", ["no/such-encoder", "no-such-encoder", "/no/such/folder", "a/b/c", "", "a b", "./x"]
    )
    def test_nothing_of_that_name(self, name):
        with pytest.raises(BackboneError, match=f"cannot load the encoder '{name}'") as caught:
            build_from(name)
        assert_plain(caught.value)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda folder: halve(folder / WEIGHTS), "cannot load the encoder"),
            (lambda folder: (folder / WEIGHTS).write_bytes(b""), "cannot load the encoder"),
            (lambda folder: (folder / WEIGHTS).write_bytes(bytes(999)), "cannot load the encoder"),
            (lambda folder: (folder / WEIGHTS).unlink(), "no file named model.safetensors"),
            (lambda folder: drop_tensors(folder, "layer.1.output.dense"), "2 missing tensors, such as encoder.layer.1"),
            (lambda folder: change_json(folder / "config.json", num_hidden_layers=6), "32 missing tensors"),
            (lambda folder: change_json(folder / "config.json", vocab_size=9), "1 tensors of another shape"),
            (lambda folder: change_json(folder / "config.json", hidden_size="wide"), "hidden_size"),
            (lambda folder: change_json(folder / "config.json", num_attention_heads=5), "not a multiple"),
            (lambda folder: change_json(folder / "config.json", dtype="float99"), "float99"),
            (lambda folder: change_json(folder / "config.json", model_type="no_such_type"), "no_such_type"),
            (lambda folder: change_json(folder / "config.json", model_type=None), "model type"),
            (lambda folder: (folder / "config.json").unlink(), "cannot load the encoder"),
            (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON"),
            (lambda folder: (folder / "config.json").write_text("[1]"), "cannot load the encoder"),
            (lambda folder: (folder / "config.json").write_text("null"), "cannot load the encoder"),
            (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe"), "cannot load the encoder"),
            (lambda folder: (folder / TOKENIZER).write_text("{"), "cannot load the encoder"),
            (lambda folder: (folder / TOKENIZER).write_text("{}"), "cannot load the encoder"),
            (lambda folder: (folder / TOKENIZER).write_text("[]"), "cannot load the encoder"),
            (lambda folder: (folder / TOKENIZER).unlink(), "tokenizer"),
            (lambda folder: (folder / TOKENIZER_CONFIG).write_text("[]"), "cannot load the encoder"),
            (lambda folder: [(folder / name).unlink() for name in (TOKENIZER, TOKENIZER_CONFIG)], "no tokenizer"),
            (lambda folder: declare_pooling(folder, "{"), "1_Pooling/config.json is damaged"),
            (lambda folder: declare_pooling(folder, "[]"), "1_Pooling/config.json is damaged"),
        ],
    )
    def test_damaged_folder(self, damage, message, encoder_folder):
        damage(encoder_folder)
        with pytest.raises(BackboneError, match=message) as caught:
            build_from(encoder_folder)
        assert_plain(caught.value)
        assert str(encoder_folder) in str(caught.value)

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            (XLMConfig(vocab_size=65, emb_dim=32, n_layers=2, n_heads=4), "xlm cannot take exits"),
            (GPT2Config(vocab_size=65, n_embd=32, n_layer=2, n_head=4), "gpt2 cannot take exits"),
            (T5Config(vocab_size=65, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4), "t5 is no text encoder"),
        ],
        ids=lambda value: getattr(value, "model_type", ""),
    )
    def test_models_that_are_no_such_encoder(self, config, message, tmp_path):
        AutoModel.from_config(config).save_pretrained(tmp_path)
        tiny_tokenizer().save_pretrained(tmp_path)
        with pytest.raises(BackboneError, match=message) as caught:
            build_from(tmp_path)
        assert_plain(caught.value)
        assert "supported are BERT, RoBERTa" in str(caught.value)

    def test_a_model_of_ours_is_no_encoder(self, model_folder):
        with pytest.raises(BackboneError, match="EarlyExitConfig") as caught:
            build_from(model_folder)
        assert_plain(caught.value)


class TestLoad:
    @torch.no_grad()
    def test_round_trip(self, encoder_folder, tmp_path):
        model = build_from(encoder_folder, max_length=20)
        folder = tmp_path / "model"
        folder.mkdir()
        save(model, folder)
        assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}  # and no pickle
        again = load(folder)
        before, after = model.network.config.to_dict(), again.network.config.to_dict()
        assert after | {"_name_or_path": ""} == before
        assert str(encoder_folder) not in (folder / "config.json").read_text()
        assert not again.network.training
        assert again.tokenizer.model_max_length == 20
        ids = torch.tensor([[2, 7, 8, 3]])
        torch.testing.assert_close(again.network(ids).exit_logits, model.network(ids).exit_logits)
        before, after = model.network.state_dict(), again.network.state_dict()
        assert after.keys() == before.keys()
        assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
        assert again.tokenizer("w1 zzz").input_ids == model.tokenizer("w1 zzz").input_ids

    def test_half_precision_weights_are_read_as_fp32(self, model_folder):
        load(model_folder).network.half().save_pretrained(model_folder)
        assert load(model_folder).network.dtype == torch.float32

    def test_the_token_limit_never_passes_the_encoders(self, model_folder):
        change_json(model_folder / TOKENIZER_CONFIG, model_max_length=10**30)
        assert load(model_folder).tokenizer.model_max_length == 512

    def test_no_folder(self, tmp_path):
        for path in (tmp_path / "nothing", __file__):
            with pytest.raises(ModelFolderError, match="there is no folder") as caught:
                load_classifier(path)
            assert_plain(caught.value)

    def test_empty_folder(self, tmp_path):
        with pytest.raises(ModelFolderError, match=r"is not an offramp model: it has no config\.json"):
            load(tmp_path)

    def test_an_encoder_is_no_model(self, encoder_folder):
        with pytest.raises(
            ModelFolderError, match=r"is a 'bert' model, not an offramp one; train exits on it"
        ) as caught:
            load(encoder_folder)
        assert str(encoder_folder) in str(caught.value)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda folder: halve(folder / WEIGHTS), "model.safetensors is damaged"),
            (lambda folder: (folder / WEIGHTS).write_bytes(b""), "model.safetensors is damaged"),
            (lambda folder: (folder / WEIGHTS).write_bytes(bytes(999)), "model.safetensors is damaged"),
            (lambda folder: (folder / WEIGHTS).unlink(), "has no model.safetensors"),
            (lambda folder: drop_tensors(folder, "heads.1.mix"), "1 missing tensors, such as heads.1.mix"),
            (lambda folder: drop_tensors(folder, "pooler"), "2 missing tensors, such as backbone.pooler"),
            (
                lambda folder: change_json(folder / "config.json", exits=[1, 3, 4]),
                "1 tensors of another shape, such as",
            ),
            (
                lambda folder: change_json(folder / "config.json", exits=[1, 2, 3, 4]),
                "3 missing tensors, such as heads",
            ),
            (lambda folder: change_json(folder / "config.json", exits=[1, 7]), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", exits=3), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", id2label={"0": "a"}), "6 tensors of another shape"),
            (lambda folder: change_json(folder / "config.json", id2label={"0": "a", "2": "b"}), "must count from 0"),
            (lambda folder: change_json(folder / "config.json", id2label=3), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", pooling=None), "pooling None is not known"),
            (lambda folder: change_json(folder / "config.json", head_dropout="x"), "config.json is damaged"),
            (
                lambda folder: change_json(folder / "config.json", problem_type="regression"),
                "problem_type 'regression'",
            ),
            (lambda folder: change_json(folder / "config.json", dtype="x"), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", backbone_config=3), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", backbone_config={"model_type": "x"}), "config.json is"),
            (lambda folder: change_backbone(folder, num_hidden_layers=6), "missing tensors"),
            (lambda folder: change_backbone(folder, hidden_size=None), "config.json is damaged"),
            (lambda folder: change_json(folder / "config.json", model_type=None), "is a None model"),
            (lambda folder: (folder / "config.json").write_text("{"), "config.json is damaged"),
            (lambda folder: (folder / "config.json").write_text("[1]"), "it holds list, not an object"),
            (lambda folder: (folder / "config.json").write_text("null"), "it holds NoneType, not an object"),
            (lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe"), "config.json is damaged"),
            (lambda folder: (folder / TOKENIZER).unlink(), "the tokenizer in"),
            (lambda folder: (folder / TOKENIZER).write_text("{"), "the tokenizer in"),
            (lambda folder: (folder / TOKENIZER).write_text("{}"), "the tokenizer in"),
            (lambda folder: (folder / TOKENIZER_CONFIG).unlink(), "has no tokenizer_config.json"),
            (lambda folder: (folder / TOKENIZER_CONFIG).write_text("[]"), "the tokenizer in"),
            (lambda folder: (folder / "calibration.json").unlink(), "has no calibration.json"),
            (lambda folder: (folder / "calibration.json").write_text("[]"), "calibration.json is damaged"),
            (lambda folder: Calibration.neutral((1, 2)).save(folder), "holds 2 temperatures for 3 exits"),
        ],
    )
    def test_damaged_folder(self, damage, message, model_folder):
        damage(model_folder)
        with pytest.raises(ModelFolderError, match=message) as caught:
            load_classifier(model_folder)
        assert_plain(caught.value)

    @pytest.mark.parametrize("value", [None, -1, "x", []])
    def test_no_value_in_the_configuration_gives_a_traceback(self, value, model_folder):
        before = json.loads((model_folder / "config.json").read_text())
        for key in before:
            (model_folder / "config.json").write_text(json.dumps(before | {key: value}))
            try:
                load_classifier(model_folder)
            except InputError as error:
                assert_plain(error)

    def test_a_folder_in_the_place_of_a_file(self, model_folder):
        (model_folder / "calibration.json").unlink()
        (model_folder / "calibration.json").mkdir()
        with pytest.raises(StorageError, match=r"cannot read .*calibration.json: Is a directory") as caught:
            load_classifier(model_folder)
        assert_plain(caught.value)
