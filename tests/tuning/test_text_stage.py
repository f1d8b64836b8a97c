"""A classifier in memory is tuned as a folder is, with an exit before tokenizing, too."""

import numpy as np
import pytest

import offramp
from conftest import tiny_model
from helpers.keywords import Keywords
from helpers.toys import LABELS, quick, single, write_model
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.errors import OptionError
from offramp.policy import StageCosts, read_operating_points, replay
from offramp.tuning import check
from offramp.tuning.rows import Measured

ROWS = single(400)
TEXTS, NAMES = [row["text"] for row in ROWS], [row["label"] for row in ROWS]


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    """Words cost next to nothing, layers what they are, whatever the clock says."""
    monkeypatch.setattr(
        "offramp.tuning.run.measure",
        lambda classifier, rows, answers, seconds: Measured(StageCosts((0.01, 1.0, 1.0, 2.0), 4.0), rows=32),
    )


@pytest.fixture
def classifier():
    model = tiny_model(labels=LABELS)
    plain = torch_classifier(model, Calibration.neutral(model.network.config.exits), device="cpu")
    return plain.with_first(Keywords())


@pytest.mark.parametrize("rule", ["confidence", "per-exit", "gate"])
def test_a_text_stage_is_tuned(classifier, rule):
    tuned = offramp.tune(
        classifier, (TEXTS, NAMES), name="some", **quick(max_disagreement=0.9, threads=None, rule=rule)
    )
    check(tuned)
    (point,) = tuned.points
    assert tuned.model["folder"] is None
    assert classifier.points.points == (point,)
    found = classifier.predict(TEXTS, at="some")
    expected = replay(classifier.exit_answers(TEXTS).probabilities, point.rule)
    np.testing.assert_array_equal(found.exits, expected.exits)
    assert (found.exits == 0).any()
    # Another run keeps the point, and may make it the default.
    offramp.tune(classifier, TEXTS, **quick(threshold=2.0, threads=None, default="tuned"))
    assert [one.name for one in classifier.points.points] == ["some", "tuned"]
    assert (classifier.predict(TEXTS).exits == 3).all()


def test_a_stage_that_is_not_worth_asking_is_passed_over(classifier, monkeypatch):
    monkeypatch.setattr(
        "offramp.tuning.run.measure",
        lambda classifier, rows, answers, seconds: Measured(StageCosts((4.0, 1.0, 1.0, 2.0), 4.0), rows=32),
    )
    for target in ({"max_disagreement": 0.9}, {"speedup": 1.2}):
        (point,) = offramp.tune(classifier, TEXTS, **quick(**target, threads=None)).points
        assert not point.rule.asks(0)
        assert point.seen.speedup > 1
        assert 0 not in classifier.predict(TEXTS, at="tuned").exits


def test_new_temperatures_are_those_of_the_classifier_from_then_on(classifier):
    before = classifier.fingerprint
    tuned = offramp.tune(classifier, (TEXTS, NAMES), **quick(threshold=0.6, threads=None, split=True))
    assert classifier.fingerprint == tuned.points[0].model != before
    assert classifier.calibration.temperatures == classifier.runner.cascade.temperatures != (1.0,) * 4
    assert len(classifier.predict(TEXTS, at="tuned")) == 400
    recalibrated = offramp.calibrate(classifier, (TEXTS[:200], NAMES[1:201]))  # other labels, so other temperatures
    assert recalibrated.after == classifier.calibration != recalibrated.before
    assert [point.name for point in recalibrated.void] == ["tuned"]


def test_a_classifier_with_a_folder_is_tuned_in_both(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "offramp.tuning.run.measure",
        lambda classifier, rows, answers, seconds: Measured(StageCosts((1.0, 1.0, 2.0), 4.0), rows=32),
    )
    folder = write_model(tmp_path / "model", labels=LABELS)
    loaded = offramp.load(folder)
    (point,) = offramp.tune(loaded, TEXTS, **quick(threshold=0.6, threads=None)).points
    assert loaded.points == read_operating_points(folder)
    assert loaded.points.points == (point,)
    assert (
        loaded.predict(TEXTS, at="tuned").exits.tolist()
        == offramp.load(folder).predict(TEXTS, at="tuned").exits.tolist()
    )
    after = offramp.calibrate(loaded, (TEXTS, NAMES)).after
    assert loaded.calibration == after == offramp.load(folder).calibration
    assert loaded.fingerprint == offramp.load(folder).fingerprint


@pytest.mark.parametrize("runtime", [{"backend": "openvino"}, {"precision": "bf16"}, {"threads": 1}])
def test_options_that_would_do_nothing_are_refused(classifier, runtime):
    with pytest.raises(OptionError, match="would do nothing to a classifier in memory"):
        offramp.tune(classifier, TEXTS, **quick(threshold=0.6, **{"threads": None, **runtime}))
    assert classifier.points.points == ()


@pytest.mark.parametrize(
    "verb", [lambda model: offramp.export(model, backend="onnxruntime"), lambda model: offramp.bench(model, TEXTS)]
)
def test_what_needs_a_folder_says_so(classifier, verb):
    with pytest.raises(OptionError, match="works on a model folder, and this classifier has none"):
        verb(classifier)
