import errno
import json
import shutil
from pathlib import Path

import pytest
import torch

from conftest import tiny_model
from helpers.damage import TOKENIZER, TOKENIZER_CONFIG, WEIGHTS, assert_plain, change_json, drop_tensors, halve
from offramp.calibration import Calibration
from offramp.engine import load as load_classifier
from offramp.errors import InputError, ModelFolderError, StorageError
from offramp.model import build, load, save


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


def change_backbone(folder, **changes):
    content = json.loads((folder / "config.json").read_text())
    change_json(folder / "config.json", backbone_config=content["backbone_config"] | changes)


class TestLoad:
    @torch.no_grad()
    def test_round_trip(self, encoder_folder, tmp_path):
        model = build(
            str(encoder_folder),
            exits=(1, 2),
            labels=["no", "yes"],
            problem_type="single_label_classification",
            max_length=20,
        )
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
            ModelFolderError, match=r"is a 'bert' model, not an offramp one; train exits on an encoder"
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

    @pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER])
    def test_what_may_not_be_read_is_not_called_damaged(self, name, model_folder, monkeypatch):
        opened = Path.open

        def forbidden(path, *arguments, **options):
            if path.name == name:
                raise PermissionError(errno.EACCES, "Permission denied")
            return opened(path, *arguments, **options)

        monkeypatch.setattr(Path, "open", forbidden)
        with pytest.raises(StorageError, match=rf"cannot read .*{name}: Permission denied; check its permissions"):
            load(model_folder)

    def test_a_folder_in_the_place_of_a_file(self, model_folder):
        (model_folder / "calibration.json").unlink()
        (model_folder / "calibration.json").mkdir()
        with pytest.raises(StorageError, match=r"cannot read .*calibration.json: Is a directory") as caught:
            load_classifier(model_folder)
        assert_plain(caught.value)
