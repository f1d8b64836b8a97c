import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.cached import cached_exits, every_criterion
from offramp.calibration import Problem
from offramp.errors import OptionError
from offramp.policy import (
    CRITERIA,
    Agreement,
    Confidence,
    Criterion,
    Gate,
    Patience,
    PerExit,
    Threshold,
    criterion_name,
    register,
    replay,
    rule_in_words,
)
from offramp.records import Flaw, from_json, to_json

SINGLE = Problem.SINGLE_LABEL
positive = st.floats(0, exclude_min=True, allow_infinity=False)
finite = st.floats(allow_nan=False, allow_infinity=False)


def through_json(rule):
    return from_json(Threshold, json.loads(json.dumps(to_json(rule), allow_nan=False)))


@given(cached_exits(), st.floats(0, 14))
def test_the_rule_that_is_read_is_the_one_that_was_written(cached, threshold):
    problem, probabilities = cached
    for criterion in every_criterion(problem, len(probabilities)):
        rule = Threshold(threshold, criterion)
        found = through_json(rule)
        assert found == rule
        expected, again = replay(probabilities, rule), replay(probabilities, found)
        np.testing.assert_array_equal(again.exits, expected.exits)
        np.testing.assert_array_equal(again.probabilities, expected.probabilities)


@given(
    positive,
    st.lists(positive, min_size=1, max_size=4),
    st.lists(st.one_of(st.just(()), st.tuples(finite, finite, finite)), max_size=4),
    st.lists(positive, min_size=1, max_size=9),
)
def test_every_number_survives_to_the_last_bit(threshold, weights, gate, column):
    vectors = tuple((one,) for one in sorted(column))
    for criterion in (
        Agreement(SINGLE, tuple(weights)),
        Gate(SINGLE, tuple(gate), tuple(sum(row[:1]) for row in gate)),
        PerExit(PerExit(Confidence(SINGLE), vectors), vectors),
    ):
        assert through_json(Threshold(threshold, criterion)) == Threshold(threshold, criterion)


def test_names():
    assert {criterion_name(criterion) for criterion in every_criterion(SINGLE, 3)} == set(CRITERIA)
    assert to_json(Threshold(0.25, Confidence(SINGLE))) == {
        "threshold": 0.25,
        "criterion": {
            "name": "confidence",
            "problem": {"type": "single_label_classification", "thresholds": [], "curves": []},
        },
        "answer_from": None,
    }


def test_what_is_handed_over_in_words():
    gate = Gate(SINGLE, ((0.0, 0.0, 0.0),), (1.0,))
    assert rule_in_words(Threshold(0.9, Confidence(SINGLE), 0.9)) == "confidence at least 0.9, else handed over"
    assert rule_in_words(Threshold(0.9, gate, 0.8)) == (
        "chance of being right at least 0.9 (at full depth 0.8), else handed over"
    )


def test_labels_with_a_threshold_of_their_own_in_words():
    gate = Gate(SINGLE, ((0.0, 0.0, 0.0),), (1.0,), doubts=(0.0, 1.0, -1.0))
    assert through_json(Threshold(0.5, gate)) == Threshold(0.5, gate)
    said = "expected agreement with full depth at least 0.5"
    assert rule_in_words(Threshold(0.5, gate), ["a", "b", "c"]) == f"{said}, 0.7311 for 'b', 0.2689 for 'c'"
    assert rule_in_words(Threshold(0.5, gate)) == f"{said}, 0.7311 for label 1, 0.2689 for label 2"
    assert rule_in_words(Threshold(0.0, gate)) == said.replace("0.5", "0"), "where all leave, labels do not matter"


def test_in_words():
    confidence = Confidence(SINGLE)
    assert rule_in_words(Threshold(0.87654321, confidence)) == "confidence at least 0.8765"
    assert rule_in_words(Threshold(2, Patience(SINGLE))) == "patience at least 2"
    vectors = PerExit(confidence, ((0.5, 0.25), (0.98765432, 1.01)))
    assert rule_in_words(Threshold(1, vectors.vector(2))) == "confidence at least 0.9877, 1.01"
    assert rule_in_words(Threshold(2, vectors)) == "per exit at least 2"
    assert rule_in_words(Threshold(0, vectors.vector(2))) == "per exit at least 0"


@dataclass(frozen=True)
class Picky(Criterion):
    """The confidence where it is about one label, and a share of it elsewhere."""

    problem: Problem
    label: int = 0
    share: float = 0.5
    strict: bool = True
    words: str = "so"

    def score(self, probabilities, history):
        factor = np.where(self.problem.predicted(probabilities) == self.label, 1.0, self.share)
        return self.problem.confidence(probabilities, len(history)) * factor


@pytest.fixture
def picky():
    register("picky", Picky)
    yield Picky(SINGLE, label=2, strict=False, words="or so")
    del CRITERIA["picky"]


def test_a_criterion_of_ones_own_is_stored_by_its_name(picky):
    rule = Threshold(0.5, picky)
    assert to_json(rule)["criterion"]["name"] == "picky"
    assert through_json(rule) == rule
    within = Threshold(1, PerExit(picky, ((0.5,), (0.7,))))
    assert through_json(within) == within
    register("picky", Picky)
    with pytest.raises(OptionError, match="the name 'lead' is taken by Lead; choose another"):
        register("lead", Picky)
    with pytest.raises(OptionError, match="Own is not a dataclass"):
        register("own", Own)


@pytest.mark.parametrize("field", [{"strict": 1}, {"words": 3}, {"share": True}, {"share": "0.5"}, {"unknown": 1}])
def test_parts_of_another_type_are_refused(picky, field):
    content = to_json(Threshold(0.5, picky))
    with pytest.raises(Flaw):
        from_json(Threshold, {**content, "criterion": {**content["criterion"], **field}})


class Own(Criterion):
    def score(self, probabilities, history):
        return probabilities.max(axis=-1)


def test_what_cannot_be_stored():
    with pytest.raises(OptionError, match="Own cannot be stored; register it under a name, or use confidence, "):
        to_json(Threshold(0.5, Own()))
    with pytest.raises(OptionError, match="the number inf cannot be stored"):
        to_json(Threshold(math.inf, Confidence(SINGLE)))


CONFIDENCE = {"name": "confidence", "problem": "single_label_classification"}


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"threshold": 0.5},
        {"threshold": -1, "criterion": CONFIDENCE},
        {"threshold": "0.5", "criterion": CONFIDENCE},
        {"threshold": True, "criterion": CONFIDENCE},
        {"threshold": math.nan, "criterion": CONFIDENCE},
        {"threshold": 10**400, "criterion": CONFIDENCE},
        {"threshold": 0.5, "criterion": "confidence"},
        {"threshold": 0.5, "criterion": {"name": "os.system"}},
        {"threshold": 0.5, "criterion": {"name": ["confidence"]}},
        {"threshold": 0.5, "criterion": {"name": "confidence"}},
        {"threshold": 0.5, "criterion": {"name": "confidence", "problem": "regression"}},
        {"threshold": 0.5, "criterion": CONFIDENCE | {"more": 1}},
        {"threshold": 0.5, "criterion": CONFIDENCE | {"name": "patient-certainty", "patience": 2.5}},
        {"threshold": 0.5, "criterion": CONFIDENCE | {"name": "agreement", "weights": 3}},
        {"threshold": 0.5, "criterion": CONFIDENCE | {"name": "agreement", "weights": [1, "2"]}},
        {"threshold": 0.5, "criterion": CONFIDENCE | {"name": "gate", "weights": [0.1], "biases": [0.1]}},
        {"threshold": 0.5, "criterion": {"name": "per-exit", "criterion": CONFIDENCE, "thresholds": [[0.9], [0.1]]}},
    ],
)
def test_what_is_no_rule_is_refused(content):
    with pytest.raises(Flaw):
        from_json(Threshold, content)
