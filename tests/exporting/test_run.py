import json
from dataclasses import replace

import numpy as np
import pytest

from conftest import tiny_model
from offramp import environment
from offramp.calibration import Calibration
from offramp.data import Columns, read_texts, remember, uses_of
from offramp.data.seen import FITTING
from offramp.engine import load
from offramp.engine.exports import EXPORT, read_export
from offramp.errors import CheckFailed, DataError, ModelFolderError, OptionError
from offramp.evaluation import calibrate
from offramp.exporting import export
from offramp.exporting import run as module
from offramp.model import save
from toys import EXITS, LABELS, names, single, write_jsonl, write_model

pytestmark = pytest.mark.usefixtures("graphs_once")

TEXTS = [row["text"] for row in single(40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("export") / "model", labels=LABELS)


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("dev") / "dev.jsonl", single(60, seed=3))


@pytest.fixture(scope="module")
def exported(graphs_once, model, dev):
    return export(model, backend="onnxruntime", data=dev, threads=1)


def test_what_is_written_is_read_again(exported, model):
    assert exported.folder == model / "onnxruntime" / "fp32"
    assert read_export(model, "onnxruntime", "fp32") == exported.export
    assert exported.export.rows == 60
    assert exported.export.agreement == 1
    assert exported.export.difference <= 1e-3
    assert exported.accuracy_after == exported.accuracy_before
    assert len(exported.export.calibration.exits) == len(EXITS)


def test_an_export_is_written_where_a_link_leads(dev, tmp_path):
    folder = write_model(tmp_path / "model", labels=LABELS)
    (tmp_path / "disk").mkdir()
    (folder / "onnxruntime").mkdir()
    (folder / "onnxruntime" / "fp32").symlink_to(tmp_path / "disk" / "export")
    export(folder, backend="onnxruntime", data=dev, threads=1)
    assert (folder / "onnxruntime" / "fp32").is_symlink()
    assert names(tmp_path / "disk") == ["export"]
    assert read_export(folder, "onnxruntime", "fp32") is not None


def test_answers_are_pytorchs(exported, model):
    ours = load(model, backend="onnxruntime", precision="fp32", threads=1)
    theirs = load(model, backend="torch")
    assert (ours.stages.backend, theirs.stages.backend) == ("onnxruntime", "torch")
    np.testing.assert_allclose(ours.exit_answers(TEXTS).logits, theirs.exit_answers(TEXTS).logits, atol=1e-4)
    full = ours.predict(TEXTS, threshold=2)
    np.testing.assert_allclose(full.probabilities, ours.predict_full(TEXTS).probabilities, atol=1e-4)


def test_the_fastest_here_is_taken(exported, model, monkeypatch):
    (speed,) = exported.export.speeds
    faster = speed.texts_per_second > speed.torch_texts_per_second
    assert load(model).stages.backend == ("onnxruntime" if faster else "torch")
    monkeypatch.setattr(environment, "cpu_name", lambda: "another processor")
    assert load(model).stages.backend == "torch"
    assert load(model, backend="onnxruntime").stages.backend == "onnxruntime"


def test_calibrate_reaches_exports(exported, model, tmp_path):
    before = read_export(model, "onnxruntime", "fp32")
    after = calibrate(model, write_jsonl(tmp_path / "other.jsonl", single(50, seed=9))).after
    refitted = read_export(model, "onnxruntime", "fp32")
    assert refitted.calibration.fitted_on == after.fitted_on != before.calibration.fitted_on
    np.testing.assert_allclose(refitted.calibration.temperatures, after.temperatures, rtol=1e-2)
    before.save(exported.folder)


@pytest.mark.parametrize("against", ["model", "labels"])
def test_texts_without_labels_do(against, tmp_path):
    folder = write_model(tmp_path / "model", labels=LABELS)
    before = replace(Calibration.load(folder), against=against)
    before.save(folder)
    data = write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS])
    done = export(folder, backend="onnxruntime", data=data, threads=1)
    assert (done.export.rows, done.accuracy_before, done.accuracy_after) == (40, (), ())
    after = done.export.calibration
    assert after.against == against
    assert (after == before) == (against == "labels")  # only what was fitted without labels can be refitted so
    assert (after.temperatures[-1], after.rows) == (1.0, 0 if against == "labels" else 40)
    assert bool(uses_of(folder, read_texts(data, Columns()))) == (against == "model")


def test_an_export_of_other_weights_is_refused(exported, model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save(tiny_model(seed=5, labels=LABELS), other)
    Calibration.neutral(EXITS).save(other)
    (other / "onnxruntime").symlink_to(model / "onnxruntime")
    with pytest.raises(ModelFolderError, match="was exported from other weights"):
        load(other)
    assert load(other, backend="torch").stages.backend == "torch"


@pytest.mark.parametrize(
    ("content", "reason"), [('{"schema": 1}', "is damaged"), ('{"schema": 9}', "is damaged"), ("[", "is damaged")]
)
def test_a_damaged_export(exported, model, tmp_path, content, reason):
    kept = (exported.folder / EXPORT).read_text()
    (exported.folder / EXPORT).write_text(content)
    try:
        with pytest.raises(ModelFolderError, match=reason):
            load(model, backend="onnxruntime")
    finally:
        (exported.folder / EXPORT).write_text(kept)
    assert json.loads(kept)["backend"] == "onnxruntime"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "tensorrt"}, "cannot be exported to 'tensorrt'; valid: onnxruntime, openvino"),
        ({"backend": "torch"}, "cannot be exported to 'torch'"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "onnxruntime has no 'bf16'; valid: fp32, int8"),
        ({"backend": "openvino", "precision": "int8"}, "give some with --data"),
    ],
)
def test_wrong_options(model, options, reason):
    with pytest.raises(OptionError, match=reason):
        export(model, **options)


def test_nothing_is_left_of_an_export_that_is_too_far_off(model, monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(CheckFailed, match="too far from PyTorch"):
        export(model, backend="openvino", threads=1)
    assert not (model / "openvino" / "fp32").exists()
    assert not list((model / "openvino").iterdir())


def test_rows_of_the_training_are_refused(tmp_path, dev):
    folder = write_model(tmp_path / "model", labels=LABELS)
    remember(folder, read_texts(dev, Columns()), FITTING)
    with pytest.raises(DataError, match=r"100% of the rows in .* have served for training of this model: it is"):
        export(folder, backend="onnxruntime", data=dev)
    assert "onnxruntime" not in names(folder)


def test_what_is_not_there_cannot_be_loaded(model):
    with pytest.raises(ModelFolderError, match=r"run  offramp export .* --backend openvino --precision bf16"):
        load(model, backend="openvino", precision="bf16")
    with pytest.raises(OptionError, match="backend 'tensorrt' is not known; valid: auto, torch, onnxruntime, openvino"):
        load(model, backend="tensorrt")
    with pytest.raises(OptionError, match="precision 'int8' is not one of torch's"):
        load(model, backend="torch", precision="int8")
