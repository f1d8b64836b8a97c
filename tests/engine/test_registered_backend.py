"""A registered backend, which no other module knows of: exported to, loaded, tuned, calibrated and named."""

import numpy as np
import pytest

import offramp
from conftest import tiny_model
from helpers.toys import LABELS, quick, single, write_jsonl, write_model
from offramp import environment
from offramp.backends import REFERENCE, Engine
from offramp.benchmark.contenders import engines_of
from offramp.calibration import Calibration
from offramp.engine.exports import ExportSpeed, read_export
from offramp.errors import ModelFolderError, OptionError
from offramp.folder import export_folder
from offramp.model import save
from offramp.policy import read_operating_points

pytestmark = pytest.mark.usefixtures("toy_backend")

TOY = Engine("toy", "fp32")
TEXTS = [row["text"] for row in single(50)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_jsonl(tmp_path_factory.mktemp("data") / "data.jsonl", single(60, seed=3))


@pytest.fixture
def model(tmp_path, data, toy_backend):
    """A model that is exported to the toy."""
    folder = write_model(tmp_path / "model", labels=LABELS)
    done = offramp.export(folder, backend="toy", data=data, threads=1)
    assert (done.export.engine, done.folder) == (TOY, export_folder(folder, TOY))
    assert (done.export.agreement, done.export.difference) == (1.0, 0.0)
    return folder


def test_it_predicts_what_pytorch_predicts(model):
    ours, theirs = offramp.load(model, backend="toy"), offramp.load(model, backend="torch")
    assert (ours.engine, theirs.engine) == (TOY, REFERENCE)
    ours.calibration = theirs.calibration
    for predictions, expected in (
        (ours.predict(TEXTS, threshold=0.6, top_k=None), theirs.predict(TEXTS, threshold=0.6, top_k=None)),
        (ours.predict_full(TEXTS), theirs.predict_full(TEXTS)),
        (ours.predict_truncated(TEXTS, exit_index=1), theirs.predict_truncated(TEXTS, exit_index=1)),
    ):
        np.testing.assert_array_equal(predictions.exits, expected.exits)
        np.testing.assert_allclose(predictions.probabilities, expected.probabilities, atol=1e-6)


def test_it_runs_unasked_where_it_was_fastest(model):
    written = read_export(model, TOY)
    for faster, expected in ((2.0, "toy"), (0.5, "torch")):
        object.__setattr__(written, "speeds", (ExportSpeed(environment.cpu_name(), 1, 10 * faster, 10.0),))
        written.save(export_folder(model, TOY))
        assert offramp.load(model).engine.backend == expected


def test_points_are_kept_for_it_and_for_no_other(model, data, tmp_path):
    unseen = write_jsonl(tmp_path / "unseen.jsonl", single(60, seed=4))
    tuned = offramp.tune(model, unseen, **quick(threshold=0.6, name="mine", backend="toy"))
    (point,) = read_operating_points(model).points
    assert (point.engine, point) == (TOY, tuned.points[0])
    classifier = offramp.load(model, backend="toy")
    expected = classifier.predict(TEXTS, threshold=0.6).exits
    np.testing.assert_array_equal(classifier.predict(TEXTS, at="mine").exits, expected)
    with pytest.raises(OptionError, match="'mine' was tuned for toy fp32, and the model runs in torch fp32"):
        offramp.load(model, backend="torch").predict(TEXTS, at="mine")


def test_it_is_calibrated_and_benchmarked_with_the_others(model, data):
    assert TOY in engines_of(model)
    before = read_export(model, TOY).calibration
    Calibration.neutral(offramp.load(model).exits).save(model)
    fitted = offramp.calibrate(model, write_jsonl(model.parent / "new.jsonl", single(60, seed=5))).after
    assert read_export(model, TOY).calibration.temperatures == pytest.approx(fitted.temperatures)
    assert read_export(model, TOY).calibration != before


def test_messages_name_it(tmp_path):
    folder = write_model(tmp_path / "model")
    names = "auto, torch, onnxruntime, openvino, toy"
    for refused, said in (
        (
            lambda: offramp.load(folder, backend="no"),
            f"'no' is not known; valid: {names}",
        ),
        (lambda: offramp.load(folder, precision="no"), "valid: auto, fp32, bf16, int8, fp8"),
        (lambda: offramp.load(folder, backend="toy", precision="bf16"), "not one of toy's; valid: auto, fp32, fp8"),
        (lambda: offramp.export(folder, backend="torch"), "'torch'; valid: onnxruntime, openvino, toy"),
        (lambda: offramp.export(folder, backend="toy", precision="bf16"), "toy has no 'bf16'; valid: fp32, fp8"),
        (lambda: offramp.export(folder, backend="toy", precision="fp8"), "fp8 in toy takes its ranges from texts"),
    ):
        with pytest.raises(OptionError, match=said):
            refused()
    for options, said in (
        ({"backend": "toy"}, r"has no export for toy in fp32 .*run  offramp export .* --backend toy --precision fp32"),
        ({"precision": "fp8"}, "has no export for toy in fp8"),
        ({"precision": "int8"}, "has no export for onnxruntime in int8 or openvino in int8"),
    ):
        with pytest.raises(ModelFolderError, match=said):
            offramp.load(folder, **options)


def test_a_precision_of_its_own_is_doubted_until_enough_texts_agree(tmp_path, data):
    folder = write_model(tmp_path / "model", labels=LABELS)
    done = offramp.export(folder, backend="toy", precision="fp8", data=data, threads=1)
    assert (done.export.doubt, read_export(folder, Engine("toy", "fp8"))) == (None, done.export)
    few = write_jsonl(tmp_path / "few.jsonl", single(5, seed=6))
    assert (
        "that takes 29 texts"
        in offramp.export(folder, backend="toy", precision="fp8", data=few, threads=1).export.doubt
    )


def test_weights_that_changed_make_its_export_void(model):
    save(tiny_model(seed=1, labels=LABELS), model)
    with pytest.raises(ModelFolderError, match="was exported from other weights"):
        offramp.load(model, backend="toy")
