import numpy as np
import pytest

from helpers.problems import PROBLEMS
from offramp.calibration import Problem
from offramp.errors import OptionError
from offramp.policy import Certainty, Confidence, Lead, Patience, PerExit, Threshold

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL
PROBABILITIES = np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
NO_HISTORY = np.zeros((0, 3, 2))


def decide(threshold, probabilities=PROBABILITIES, problem=SINGLE):
    return Threshold(threshold, Confidence(problem)).decide(probabilities, NO_HISTORY).tolist()


def test_leaves_when_the_threshold_is_reached():
    assert decide(0.7) == [False, True, True]
    assert decide(0.0) == [True, True, True]
    assert decide(1.01) == decide(float("inf")) == [False, False, False]


def test_multi_label_asks_for_the_whole_set():
    # Set probabilities: 0.6 * 0.6, 0.9 * 0.9, 0.7 * 0.7.
    assert decide(0.7, problem=MULTI) == [False, True, False]
    assert decide(0.4, problem=MULTI) == [False, True, True]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_saturated_confidence_leaves_at_one_but_not_above(problem):
    saturated = problem.probabilities(np.array([[1e4, -1e4]], dtype=np.float32))
    assert decide(1.0, saturated, problem) == [True]
    assert decide(np.nextafter(1.0, 2.0), saturated, problem) == [False]


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_nan_never_leaves_early(problem, threshold):
    assert decide(threshold, np.array([[np.nan, 1.0], [1.0, np.nan], [np.nan, np.nan]]), problem) == [False] * 3


@pytest.mark.parametrize("threshold", [-0.1, float("nan"), -float("inf")])
def test_threshold_out_of_range(threshold):
    with pytest.raises(OptionError, match="threshold is"):
        Threshold(threshold, Confidence(SINGLE))
    with pytest.raises(OptionError, match="threshold is"):
        Threshold(0.5, Confidence(SINGLE), answer_from=threshold)


def test_answers_with_the_exits_own_probabilities():
    assert Threshold(0.4, Confidence(SINGLE)).answer(PROBABILITIES, NO_HISTORY) is PROBABILITIES


def test_asks_no_exit_at_which_no_row_can_leave():
    for criterion in (Confidence(SINGLE), Certainty(SINGLE), Lead(SINGLE)):
        assert Threshold(1.0, criterion).asks(0)
        assert not Threshold(1.01, criterion).asks(0)
    # Those that look back ask wherever somebody may look back to.
    assert Threshold(9, Patience(SINGLE)).asks(0)
    own = PerExit(Confidence(SINGLE), ((0.5, 0.25), (1.01, 0.5)))
    asked = [[Threshold(knob, own).asks(index) for index in range(2)] for knob in (0, 1, 1.5, 2, 3)]
    assert asked == [[True, True], [True, True], [False, True], [False, True], [False, False]]


def test_is_a_value():
    rules = [Threshold(0.9, Confidence(problem)) for problem in (SINGLE, SINGLE, MULTI)]
    assert rules[0] == rules[1]
    assert len(set(rules)) == 2
