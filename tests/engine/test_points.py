"""When texts leave: a threshold, a rule, or an operating point of the model folder."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

import offramp
from conftest import LAYERS, WORDS, tiny_model
from helpers.cached import every_criterion
from helpers.toys import single, write_jsonl, write_model
from offramp.backends import REFERENCE, Engine
from offramp.calibration import Calibration, Problem
from offramp.engine import predict, torch_classifier
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import HiddenBuffer, HiddenState
from offramp.errors import ModelFolderError, OptionError
from offramp.folder import POINTS
from offramp.model import save
from offramp.policy import (
    Confidence,
    Lead,
    Limit,
    Method,
    OperatingPoint,
    OperatingPoints,
    Patience,
    Promise,
    Risk,
    Seen,
    Threshold,
    replay,
    save_operating_points,
)

SINGLE = Problem.SINGLE_LABEL
TEXTS = [row["text"] for row in single(40)]
RECORDED = Engine("recorded", "fp32")
SEEN = Seen("sha256:00", 100, 0.01, None, None, 2.0, 2.0, (0.5, 0.2, 0.3), "here", 1)


def point_of(classifier, name, rule, **changes):
    plain = OperatingPoint(name, REFERENCE, classifier.fingerprint, rule, (), SEEN)
    return replace(plain, **changes)


@pytest.fixture
def folder(tmp_path):
    """A model with two points; patience is the rule of one of them."""
    folder = write_model(tmp_path / "model")
    classifier = offramp.load(folder)
    points = [
        point_of(classifier, "half", Threshold(0.5, Confidence(SINGLE))),
        point_of(classifier, "patient", Threshold(1, Patience(SINGLE))),
    ]
    save_operating_points(folder, OperatingPoints(tuple(points)))
    return folder


def exits(predictions):
    return [prediction.exit_index for prediction in predictions]


def test_at_a_point_texts_leave_by_its_rule(folder):
    classifier = offramp.load(folder)
    for name, rule in (("half", Threshold(0.5, Confidence(SINGLE))), ("patient", Threshold(1, Patience(SINGLE)))):
        expected = exits(classifier.predict(TEXTS, rule=rule))
        assert len(set(expected)) > 1
        assert exits(classifier.predict(TEXTS, at=name)) == expected
        assert exits(classifier.predict_iter(TEXTS, at=name, window=9)) == expected
        assert exits(classifier.predict_iter(TEXTS, rule=rule, window=9)) == expected
        assert classifier.predict([TEXTS[0]], at=name)[0].exit_index == expected[0]
    assert exits(classifier.predict(TEXTS, at="half")) == exits(classifier.predict(TEXTS, threshold=0.5))


def test_files_are_scored_at_a_point_and_resumed_only_there(folder, tmp_path, monkeypatch):
    source, output = write_jsonl(tmp_path / "in.jsonl", [{"text": text} for text in TEXTS]), str(tmp_path / "out.jsonl")
    classifier = offramp.load(folder)
    scored = predict(folder, input=source, output=output, at="patient")
    taken = classifier.predict(TEXTS, at="patient").layers.tolist()
    assert scored.exits == {f"layer {layers}": taken.count(layers) for layers in (1, 2, 4)}

    def stopping(what, rows, total):
        if rows > 16:
            raise KeyboardInterrupt

    monkeypatch.setattr("offramp.engine.predict_file.WINDOW", 8)
    with pytest.raises(KeyboardInterrupt):
        predict(folder, input=source, output=output, at="patient", on_progress=stopping)
    with pytest.raises(OptionError, match="a run with another exit rule"):
        predict(folder, input=source, output=output, at="half", resume=True)
    # What counts is the rule, not its name.
    rule = Threshold(1, Patience(SINGLE))
    assert predict(folder, input=source, output=output, rule=rule, resume=True).rows == len(TEXTS)


@pytest.mark.parametrize("left_out", ["threshold", "at", "rule", None])
def test_only_one_of_them(folder, left_out):
    classifier = offramp.load(folder)
    given = {"threshold": 0.0, "at": "half", "rule": Threshold(0.5, Confidence(SINGLE))}
    given.pop(left_out, None)
    for method in (classifier.predict, classifier.predict_iter):
        with pytest.raises(OptionError, match="give only one of them"):
            method(TEXTS, **given)


def test_the_default_point_is_used_where_nothing_else_is_asked_for(folder):
    classifier = offramp.load(folder)
    assert exits(classifier.predict(TEXTS)) == exits(classifier.predict(TEXTS, threshold=0.9))
    save_operating_points(folder, OperatingPoints(classifier.points.points, default="patient"))
    classifier = offramp.load(folder)
    assert exits(classifier.predict(TEXTS)) == exits(classifier.predict(TEXTS, at="patient"))
    assert set(exits(classifier.predict(TEXTS, threshold=0))) == {0}
    assert set(exits(classifier.predict(TEXTS, rule=Threshold(9, Confidence(SINGLE))))) == {2}


def test_a_name_that_is_not_there(folder):
    with pytest.raises(
        OptionError,
        match=r"no operating point 'safe' for torch fp32; the model has half, patient. Name one of them, or",
    ):
        offramp.load(folder).predict(TEXTS, at="safe")
    with pytest.raises(OptionError, match="the model has none"):
        offramp.load(write_model(folder.parent / "other")).predict(TEXTS, at="safe")


def test_a_point_of_another_precision_promises_nothing_here(folder):
    classifier = offramp.load(folder, precision="bf16")
    with pytest.raises(OptionError, match="'half' was tuned for torch fp32, and the model runs in torch bf16, whose"):
        classifier.predict(TEXTS, at="half")


def test_new_temperatures_make_points_void(folder):
    Calibration((1.0, 1.0, 1.1), "", 0, ()).save(folder)
    with pytest.raises(ModelFolderError, match="'half' was tuned for other weights or temperatures than the model has"):
        offramp.load(folder).predict(TEXTS, at="half")
    assert len(offramp.load(folder).predict(TEXTS)) == len(TEXTS)


def test_new_weights_make_points_void(folder):
    save(tiny_model(seed=1), folder)
    with pytest.raises(ModelFolderError, match="was tuned for other weights"):
        offramp.load(folder).predict(TEXTS, at="half")


def test_a_file_tells_which_point_its_rows_left_by(folder, tmp_path):
    source = str(write_jsonl(tmp_path / "in.jsonl", single(5)))

    def point(name, **options):
        return predict(folder, input=source, output=tmp_path / f"{name}.jsonl", **options).point

    assert point("asked", at="half") == "half"
    assert point("threshold", threshold=0.5) is None
    assert point("rule", rule=Threshold(0.5, Confidence(SINGLE))) is None
    save_operating_points(folder, offramp.load(folder).points.with_default("patient"))
    assert point("default") == "patient"


def test_points_outlive_a_move_and_a_new_release_of_transformers(folder, monkeypatch):
    moved = folder.rename(folder.parent / "moved")
    expected = exits(offramp.load(moved).predict(TEXTS, at="half"))
    monkeypatch.setattr("transformers.configuration_utils.__version__", "99.0")
    classifier = offramp.load(moved)
    assert '"transformers_version": "99.0"' in classifier.config.to_json_string()
    assert exits(classifier.predict(TEXTS, at="half")) == expected


def test_damaged_points_are_one_clear_error(folder):
    (folder / "operating_points.json").write_text(f'{{"schema": {POINTS.schema}}}')
    with pytest.raises(ModelFolderError, match=r"operating_points.json is damaged .*run 'offramp tune'"):
        offramp.load(folder)


def test_points_of_a_multi_label_model(tmp_path):
    folder = write_model(tmp_path / "model", problem_type="multi_label_classification")
    classifier = offramp.load(folder)
    rule = Threshold(0.2, Lead(Problem.MULTI_LABEL))
    save_operating_points(folder, OperatingPoints((point_of(classifier, "lead", rule),)))
    found = offramp.load(folder).predict(TEXTS, at="lead")
    assert exits(found) == exits(classifier.predict(TEXTS, rule=rule))
    assert len(set(exits(found))) > 1


@dataclass(frozen=True)
class Recorded:
    """The stages of another backend, with the logits of one full-depth pass in place of its own.

    A text of one word each says which row it is, so that batches of any company find their logits.
    """

    logits: np.ndarray
    engine: Engine = RECORDED
    layers: tuple[int, ...] = (1, 2, LAYERS)
    length_step: int = 1

    def first(self, batch):
        import torch

        ids = torch.from_numpy(batch.input_ids[:, 1:2].astype(np.float32))
        return self.later(
            0, HiddenState(ids[:, None].expand(-1, batch.input_ids.shape[1], -1), ids[:, None]), batch.lengths
        )

    def later(self, stage, state, lengths):
        return StageOutput(state, self.logits[stage, state.history[:, 0, 0].numpy().astype(int) - 5])

    def length(self, state):
        return state.hidden.shape[1]

    def buffer(self, like, rows, length):
        return HiddenBuffer(like, rows, length)


@pytest.mark.parametrize("multi_label", [False, True])
def test_every_rule_decides_in_the_engine_as_in_replay(multi_label):
    problem = Problem.MULTI_LABEL if multi_label else SINGLE
    model = tiny_model(problem_type=problem.type)
    logits = np.random.default_rng(0).normal(scale=2, size=(3, len(WORDS), 3)).astype(np.float32)
    classifier = torch_classifier(model, Calibration((1.3, 0.7, 1.1), "", 0, ()))
    classifier.runner.cascade.last.stages, classifier = Recorded(logits), classifier.with_token_budget(20)
    probabilities = problem.probabilities(logits, np.array([1.3, 0.7, 1.1])[:, None, None])
    for criterion in every_criterion(problem, 3):
        for threshold in np.linspace(0, min(2, criterion.knob(3).full_depth), 9):
            rule = Threshold(float(threshold), criterion)
            found, expected = classifier.predict(WORDS, rule=rule), replay(probabilities, rule)
            np.testing.assert_array_equal(found.exits, expected.exits)
            np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_a_classifier_says_in_a_line_what_it_is(folder):
    exits = f"layer 1, layer 2, layer {LAYERS}"
    assert repr(offramp.load(folder)) == (
        f"<Classifier: bert, 3 labels, exits after {exits}; torch fp32; operating points half, patient>"
    )
    points = offramp.load(folder).points
    save_operating_points(folder, replace(points, default="half"))
    assert repr(offramp.load(folder)).endswith("operating points half (default), patient>")
    assert repr(offramp.load(folder).points) == "<OperatingPoints: half (default), patient>"
    assert repr(OperatingPoints()) == "<OperatingPoints: none>"


def test_a_point_says_in_a_line_what_it_promises(folder):
    (half, _) = offramp.load(folder).points.points
    assert repr(half) == "<OperatingPoint 'half': no promise, 2.0x expected; torch fp32>"
    sure = replace(
        half, promises=(Promise(Limit(Risk.DISAGREEMENT, 0.01), Method.LTT, 0.95, seen=0.004, bound=0.0093, rows=1000),)
    )
    assert repr(sure) == (
        "<OperatingPoint 'half': disagreement at most 1 % (95 % confidence), 2.0x expected; torch fp32>"
    )
