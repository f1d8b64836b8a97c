import json

import pytest
import torch
from transformers import AutoModel, GPT2Config, T5Config, XLMConfig

from conftest import FAMILIES, LAYERS, tiny_model, tiny_tokenizer
from helpers.damage import (
    TOKENIZER,
    TOKENIZER_CONFIG,
    WEIGHTS,
    assert_plain,
    change_json,
    declare_pooling,
    drop_tensors,
    halve,
)
from offramp.errors import BackboneError, OptionError
from offramp.model import adopt, build, save


def build_from(folder, **changes):
    options = {"exits": "1,2", "labels": ["no", "yes"], "problem_type": "single_label_classification", **changes}
    return build(str(folder), **options)


def encoder(folder, family, max_length=48, **changes):
    torch.manual_seed(0)
    config = FAMILIES[family]
    AutoModel.from_config(type(config)(**{**config.to_dict(), **changes})).save_pretrained(folder)
    tiny_tokenizer(max_length).save_pretrained(folder)
    return folder


def test_what_it_makes(encoder_folder):
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
def test_the_encoder_stays_as_it_was(family, tmp_path):
    folder = encoder(tmp_path, family)
    backbone = build_from(folder).network.backbone
    original = AutoModel.from_pretrained(folder)
    assert backbone.config._attn_implementation == original.config._attn_implementation
    before, after = original.state_dict(), backbone.state_dict()
    assert {name for name in before.keys() - after.keys() if not name.startswith("pooler")} == set()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())


def test_half_precision_encoders_are_read_as_fp32(encoder_folder):
    AutoModel.from_pretrained(encoder_folder).half().save_pretrained(encoder_folder)
    network = build_from(encoder_folder).network
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("bert", "pooler"), ("albert", "pooler"), ("roberta", "mean"), ("distilbert", "mean"), ("modernbert", "cls")],
)
def test_pooling_by_family(family, pooling, tmp_path):
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
def test_pooling_of_a_sentence_encoder(content, pooling, encoder_folder):
    declare_pooling(encoder_folder, json.dumps(content))
    assert build_from(encoder_folder).network.config.pooling == pooling
    assert build_from(encoder_folder, pooling="cls").network.config.pooling == "cls"


def test_a_pooler_that_was_not_saved_is_not_made_up(encoder_folder):
    drop_tensors(encoder_folder, "pooler")
    assert build_from(encoder_folder).network.config.pooling == "mean"
    with pytest.raises(BackboneError, match="a bert encoder has no pooler"):
        build_from(encoder_folder, pooling="pooler")


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_shortened_encoder_ends_where_the_whole_one_passes(family, tmp_path):
    folder = encoder(tmp_path, family)
    network = build_from(folder, exits=(1,), layers=3).network
    assert network.config.exits == [1, 3]
    ids = torch.tensor([[2, 9, 8, 7, 3]])
    whole = AutoModel.from_pretrained(folder).eval()(ids, output_hidden_states=True).hidden_states[3]
    last = network.backbone(ids, output_hidden_states=True).hidden_states[-1]
    if family == "modernbert":  # whose last state of all is given normalized
        whole = network.backbone.final_norm(whole)
    torch.testing.assert_close(last, whole)


@pytest.mark.parametrize("layers", [0, -1, 5])
def test_no_encoder_has_more_layers_than_it_has(layers, encoder_folder):
    with pytest.raises(OptionError, match=f"layers is {layers}: this encoder has 4 layers, so use 1 to 4"):
        build_from(encoder_folder, layers=layers)


def test_the_real_encoder(minilm):
    network = build_from(minilm, exits=None).network
    assert network.config.pooling == "mean"
    assert network.config.exits == [1, 2, 4, 6]


@pytest.mark.parametrize(
    ("family", "of_tokenizer", "asked", "limit"),
    [
        ("bert", 10**30, None, 512),
        ("bert", 48, None, 48),
        ("bert", 48, 20, 20),
        # 66 positions, but numbering starts behind the padding index, which is 0 here and 1 in the wild.
        ("roberta", 10**30, None, 65),
        ("xlm-roberta", 100, 65, 65),
        ("modernbert", 10**30, 100, 100),
    ],
)
def test_token_limit(family, of_tokenizer, asked, limit, tmp_path):
    model = build_from(encoder(tmp_path, family, max_length=of_tokenizer), max_length=asked)
    assert model.tokenizer.model_max_length == limit


@pytest.mark.parametrize(
    ("family", "of_tokenizer", "limit"), [("bert", 48, 48), ("bert", 10**30, 512), ("xlm-roberta", 100, 65)]
)
def test_more_tokens_than_the_encoder_takes_are_refused(family, of_tokenizer, limit, tmp_path):
    folder = encoder(tmp_path, family, max_length=of_tokenizer)
    message = f"max_length is {limit + 1}, but the encoder and its tokenizer take at most {limit} tokens"
    with pytest.raises(OptionError, match=message) as caught:
        build_from(folder, max_length=limit + 1)
    assert (caught.value.option, caught.value.value) == ("max_length", limit + 1)


@pytest.mark.parametrize(
    ("family", "asked", "limit"),
    [("bert", None, 20), ("bert", 10, 10), ("bert", 100, 100), ("bert", 512, 512), ("roberta", 65, 65)],
)
def test_what_a_model_was_trained_with_is_no_limit(family, asked, limit, tmp_path):
    save(build_from(encoder(tmp_path / "encoder", family), max_length=20), tmp_path)
    assert build_from(tmp_path, max_length=asked).tokenizer.model_max_length == limit


@pytest.mark.parametrize("padding", [0, 1])
def test_the_longest_text_fits(padding, tmp_path):
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
def test_options(options, message, encoder_folder):
    with pytest.raises(OptionError, match=message) as caught:
        build_from(encoder_folder, **options)
    assert_plain(caught.value)


@pytest.mark.parametrize("name", ["no/such-encoder", "no-such-encoder", "/no/such/folder", "a/b/c", "", "a b", "./x"])
def test_nothing_of_that_name(name):
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
def test_damaged_folder(damage, message, encoder_folder):
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
def test_models_that_are_no_such_encoder(config, message, tmp_path):
    AutoModel.from_config(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match=message) as caught:
        build_from(tmp_path)
    assert_plain(caught.value)
    assert "supported are BERT, RoBERTa" in str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_ours_hands_on_its_encoder(family, tmp_path):
    before = tiny_model(family, pooling="mean")
    save(before, tmp_path)
    after = build_from(tmp_path, exits="3", labels=["a", "b", "c"])
    assert (after.network.config.exits, after.network.config.labels) == ([3, LAYERS], ("a", "b", "c"))
    assert after.network.config.pooling == "mean"
    assert after.tokenizer.model_max_length == before.tokenizer.model_max_length
    _assert_same(after.network.backbone, before.network.backbone)
    _assert_same(build_from(tmp_path, exits=None, layers=2).network.backbone, before.network.backbone)


def test_so_does_one_that_keeps_its_own_head(classifier_folder, tmp_path):
    before = adopt(str(classifier_folder), exits="1")
    save(before, tmp_path / "model")
    _assert_same(build_from(tmp_path / "model").network.backbone, before.network.backbone)


def _assert_same(encoder, whole):
    """All tensors of an encoder stand in one that is at least as deep."""
    expected = whole.state_dict()
    assert encoder.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in encoder.state_dict().items())
