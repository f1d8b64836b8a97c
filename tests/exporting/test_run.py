import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import SHORT, tiny_model
from helpers.damage import forbid_writing
from helpers.toys import EXITS, LABELS, names, single, write_jsonl, write_model
from offramp import environment
from offramp.backends import REFERENCE, Engine
from offramp.calibration import Calibration, Problem
from offramp.data import Columns, read_texts, remember, uses_of
from offramp.data.seen import FITTING
from offramp.engine import load
from offramp.engine.exports import ExportSpeed, read_export
from offramp.errors import CheckFailed, DataError, ModelFolderError, OptionError, StorageError
from offramp.evaluation import calibrate
from offramp.exporting import export
from offramp.exporting import run as module
from offramp.folder import EXPORT
from offramp.model import save

ONNX = Engine("onnxruntime", "fp32")

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
    assert read_export(model, ONNX) == exported.export
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
    assert read_export(folder, ONNX) is not None


def test_answers_are_pytorchs(exported, model):
    ours = load(model, backend="onnxruntime", precision="fp32", threads=1)
    theirs = load(model, backend="torch")
    assert (ours.engine, theirs.engine) == (ONNX, REFERENCE)
    np.testing.assert_allclose(ours.exit_answers(TEXTS).logits, theirs.exit_answers(TEXTS).logits, atol=1e-4)
    full = ours.predict(TEXTS, threshold=2)
    np.testing.assert_allclose(full.probabilities, ours.predict_full(TEXTS).probabilities, atol=1e-4)


def test_the_fastest_here_is_taken(exported, model, monkeypatch):
    (speed,) = exported.export.speeds
    faster = speed.texts_per_second > speed.torch_texts_per_second
    assert load(model).engine.backend == ("onnxruntime" if faster else "torch")
    monkeypatch.setattr(environment, "cpu_name", lambda: "another processor")
    assert load(model).engine.backend == "torch"
    assert load(model, backend="onnxruntime").engine.backend == "onnxruntime"


def test_calibrate_reaches_exports(exported, model, tmp_path):
    before = read_export(model, ONNX)
    after = calibrate(model, write_jsonl(tmp_path / "other.jsonl", single(50, seed=9))).after
    refitted = read_export(model, ONNX)
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


BLANK = [{"text": "", "label": label} for label in "acbacacccbbb"]


FEW = pytest.mark.parametrize(
    "rows", [BLANK, single(29, seed=3), single(10, seed=3) * 20, None], ids=["blank", "29", "repeated", "none"]
)


def few(rows, folder):
    return None if rows is None else write_jsonl(folder / "few.jsonl", rows)


@pytest.fixture
def warm(tmp_path, monkeypatch):
    """A model of other temperatures than 1, all of whose exports are faster than PyTorch."""
    folder = write_model(tmp_path / "model", labels=LABELS)
    replace(Calibration.load(folder), temperatures=(1.5, 1.4, 1.3)).save(folder)
    monkeypatch.setattr(module, "_measure", lambda *_: ExportSpeed(environment.cpu_name(), 1, 100.0, 1.0))
    return folder


@FEW
def test_in_fp32_the_temperatures_of_pytorch_are_right_and_the_export_is_used(warm, tmp_path, rows):
    done = export(warm, backend="onnxruntime", data=few(rows, tmp_path), threads=1)
    assert (done.refitted, done.export.calibration, done.export.doubt) == (False, Calibration.load(warm), None)
    assert load(warm).engine.backend == "onnxruntime"


@FEW
def test_in_int8_an_export_with_too_few_texts_keeps_temperatures_and_is_not_used_unasked(
    warm, tmp_path, monkeypatch, rows
):
    monkeypatch.setattr(module, "_check", lambda *_: (1.0, 0.0))  # a tiny network with random weights agrees seldom
    int8 = {"backend": "onnxruntime", "precision": "int8"}
    done = export(warm, **int8, data=few(rows, tmp_path), threads=1)
    assert (done.refitted, done.export.calibration) == (False, Calibration.load(warm))
    why = "no texts were given" if rows is None else "fitting them takes 30 different texts"
    assert f"its temperatures are those of PyTorch, since {why}" in done.export.doubt
    assert load(warm).engine.backend == "torch"
    assert load(warm, **int8).calibration == Calibration.load(warm)
    enough = export(warm, **int8, data=write_jsonl(tmp_path / "more.jsonl", single(60)), threads=1)
    assert (enough.refitted, enough.export.doubt) == (True, None)
    assert load(warm).engine.precision == "int8"


def test_texts_that_the_model_makes_itself_fit_no_temperatures(warm, monkeypatch):
    monkeypatch.setattr(module, "_check", lambda *_: (1.0, 0.0))
    replace(Calibration.load(warm), against="model").save(warm)  # which unlabeled texts are fitted to
    done = export(warm, "self:5-20", backend="onnxruntime", precision="int8", threads=1)
    assert (done.refitted, done.export.rows) == (False, 300)
    assert done.export.doubt == (
        "its temperatures are those of PyTorch, since fitting them takes real texts, and the model made these itself"
    )
    assert done.export.calibration == Calibration.load(warm)
    assert load(warm).engine.backend == "torch"
    plain = export(warm, "self", backend="onnxruntime", threads=1)
    assert plain.export.doubt is None  # in fp32 the logits are the same, on any texts


def test_in_int8_texts_without_the_labels_that_temperatures_take_are_not_enough(warm, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_check", lambda *_: (1.0, 0.0))
    data = write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS])
    done = export(warm, backend="onnxruntime", precision="int8", data=data, threads=1)
    assert done.export.doubt == (
        "its temperatures are those of PyTorch, since fitting them takes labels, and the texts have none"
    )
    assert load(warm).engine.backend == "torch"


def test_an_exit_without_a_best_temperature_keeps_that_of_pytorch(tmp_path):
    folder = write_model(tmp_path / "model", labels=LABELS)
    before = replace(Calibration.load(folder), temperatures=(1.5, 1.4, 1.3))
    before.save(folder)
    texts = [row["text"] for row in single(60)]
    (last,) = zip(*load(folder, backend="torch").predict_full(texts).labels, strict=True)
    rows = [{"text": text, "label": label} for text, label in zip(texts, last, strict=True)]
    found = export(folder, backend="onnxruntime", data=write_jsonl(tmp_path / "easy.jsonl", rows), threads=1)
    assert found.export.calibration.temperatures[-1] == 1.3  # always right
    assert found.export.calibration.rows == 60


def agreeing(different, share=1.0, exits=3):
    """Logits of as many texts, and others whose labels are the same for a share of them."""
    expected = np.tile(np.array([1.0, 0.0, 0.0], np.float32), (exits, different, 1))
    found = expected.copy()
    found[:, : round((1 - share) * different)] = [0.0, 0.0, 1.0]
    return expected, found


@pytest.mark.parametrize(
    ("precision", "different", "share", "doubt"),
    [
        ("int8", 1, 1.0, "on 1 different text, which does not show that 90% of all do; that takes 29 texts"),
        ("int8", 28, 1.0, "that takes 29 texts"),
        ("int8", 29, 1.0, None),
        (
            "int8",
            40,
            0.925,
            r"92.50% of the labels agree with PyTorch on 40 different texts, .* that takes [3-9]\d\d texts",
        ),
        ("int8", 1000, 0.925, None),
        ("bf16", 98, 1.0, "97% of all do; that takes 99 texts"),
        ("bf16", 99, 1.0, None),
        ("fp32", 1, 1.0, None),
    ],
)
def test_the_gate_takes_as_many_texts_as_its_limit_needs(precision, different, share, doubt):
    agreement = module._check(load_problem(), *agreeing(different, share), precision)[0]
    found = module._doubt(agreement, precision, different)
    assert (found is None) == (doubt is None)
    assert doubt is None or re.search(doubt, found)


def test_labels_that_agree_too_seldom_are_no_export(model):
    with pytest.raises(CheckFailed, match=r"80.00% of the labels agree over all exits"):
        module._check(load_problem(), *agreeing(100, 0.8), "int8")


def load_problem():
    return SimpleNamespace(problem=Problem.SINGLE_LABEL)


def test_an_export_of_other_weights_is_refused(exported, model, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    save(tiny_model(seed=5, labels=LABELS), other)
    Calibration.neutral(EXITS).save(other)
    (other / "onnxruntime").symlink_to(model / "onnxruntime")
    with pytest.raises(ModelFolderError, match="was exported from other weights"):
        load(other)
    assert load(other, backend="torch").engine.backend == "torch"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"schema": 6}', r"is damaged \(.* is missing\); export it again"),
        ('{"schema": 1}', "is of an older version of offramp .*; export it again"),
        ('{"schema": 9}', "is of a newer version of offramp .* export it again"),
        ("[", r"is damaged \(.*\); export it again"),
    ],
)
def test_a_damaged_export(exported, model, tmp_path, content, reason):
    kept = (exported.folder / EXPORT.name).read_text()
    (exported.folder / EXPORT.name).write_text(content)
    try:
        with pytest.raises(ModelFolderError, match=reason):
            load(model, backend="onnxruntime")
    finally:
        (exported.folder / EXPORT.name).write_text(kept)
    assert json.loads(kept)["engine"]["backend"] == "onnxruntime"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"backend": "tensorrt"}, "cannot be exported to 'tensorrt'; valid: onnxruntime, openvino"),
        ({"backend": "torch"}, "cannot be exported to 'torch'"),
        ({"backend": "onnxruntime", "precision": "bf16"}, "onnxruntime has no 'bf16'; valid: fp32, int8"),
        ({"backend": "openvino", "precision": "int8"}, "give some as `data`"),
    ],
)
def test_wrong_options(model, options, reason):
    with pytest.raises(OptionError, match=reason):
        export(model, **options)


def test_nothing_is_left_of_an_export_that_is_too_far_off(tmp_path, monkeypatch):
    # A network whose graphs are written for other tests, too.
    model = write_model(tmp_path / "model", **SHORT, pooling="mean", own_head=True)
    monkeypatch.setattr(module, "TOLERANCE", -1.0)
    with pytest.raises(CheckFailed, match="too far from PyTorch"):
        export(model, backend="openvino", threads=1)
    assert "openvino" not in names(model)


def test_rows_of_the_training_are_refused(tmp_path, dev):
    folder = write_model(tmp_path / "model", labels=LABELS)
    remember(folder, read_texts(dev, Columns()), FITTING)
    with pytest.raises(DataError, match=r"100% of the rows in .* were used to make this model \(for training\): it is"):
        export(folder, backend="onnxruntime", data=dev)
    assert "onnxruntime" not in names(folder)


def test_what_is_not_there_cannot_be_loaded(model):
    with pytest.raises(ModelFolderError, match=r"run  offramp export .* --backend openvino --precision bf16"):
        load(model, backend="openvino", precision="bf16")
    with pytest.raises(OptionError, match="backend 'tensorrt' is not known; valid: auto, torch, onnxruntime, openvino"):
        load(model, backend="tensorrt")
    with pytest.raises(OptionError, match="precision 'int8' is not one of torch's"):
        load(model, backend="torch", precision="int8")


def test_a_folder_that_may_not_be_written_is_told_before_the_data_are_read(model, monkeypatch):
    forbid_writing(monkeypatch)
    with pytest.raises(StorageError, match=r"cannot write .*model.*: Permission denied"):
        export(model, backend="onnxruntime", data="missing.csv")
