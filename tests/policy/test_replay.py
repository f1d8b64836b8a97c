from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.problems import PROBLEMS
from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.policy import Confidence, ExitRule, Threshold, exit_shares, layers_run, replay

SINGLE = Problem.SINGLE_LABEL
problems = st.sampled_from(PROBLEMS)
logits = st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-5, 5))
)
thresholds = st.floats(0, 1.1)


@dataclass(frozen=True)
class SameTwice(ExitRule):
    """Leaves once two exits in a row agree: a rule that needs the history."""

    problem: Problem

    def decide(self, probabilities, history):
        if not len(history):
            return np.zeros(len(probabilities), dtype=bool)
        return self.problem.agree(probabilities, history[-1])

    def answer(self, probabilities, history):
        return probabilities


def one_row_at_a_time(exit_probabilities, rule):
    exits = []
    for row in range(exit_probabilities.shape[1]):
        for index in range(len(exit_probabilities)):
            here = exit_probabilities[index, row : row + 1]
            before = exit_probabilities[:index, row : row + 1]
            if index == len(exit_probabilities) - 1 or rule.decide(here, before)[0]:
                exits.append(index)
                break
    return exits


@given(logits, problems, thresholds)
def test_equals_a_loop_over_rows(logits, problem, threshold):
    probabilities = problem.probabilities(logits)
    for rule in (Threshold(threshold, Confidence(problem)), SameTwice(problem)):
        result = replay(probabilities, rule)
        expected = one_row_at_a_time(probabilities, rule)
        assert result.exits.dtype == np.int64
        assert result.exits.tolist() == expected
        assert result.probabilities.shape == probabilities.shape[1:]
        for row, index in enumerate(expected):
            np.testing.assert_array_equal(result.probabilities[row], probabilities[index, row])


@given(logits, problems, thresholds, thresholds)
def test_only_rows_at_the_last_exit_that_are_not_sure_there_are_handed_over(logits, problem, threshold, answer_from):
    probabilities = problem.probabilities(logits)
    answered = replay(probabilities, Threshold(threshold, Confidence(problem)))
    result = replay(probabilities, Threshold(threshold, Confidence(problem), answer_from))
    np.testing.assert_array_equal(result.exits, answered.exits)
    np.testing.assert_array_equal(result.probabilities, answered.probabilities)
    assert not answered.handed_over.any()
    unsure = ~(problem.confidence(probabilities[-1], len(probabilities) - 1) >= answer_from)
    np.testing.assert_array_equal(result.handed_over, unsure & (result.exits == len(probabilities) - 1))


def test_nan_is_handed_over():
    nan = np.array([[[0.5, 0.5]], [[np.nan, 1.0]]])
    assert replay(nan, Threshold(0.9, Confidence(SINGLE), 0.0)).handed_over.tolist() == [True]


@given(logits, problems, thresholds, thresholds)
def test_a_higher_threshold_never_lets_a_row_leave_earlier(logits, problem, one, other):
    probabilities = problem.probabilities(logits)
    low = replay(probabilities, Threshold(min(one, other), Confidence(problem)))
    high = replay(probabilities, Threshold(max(one, other), Confidence(problem)))
    assert np.all(low.exits <= high.exits)


@given(logits, problems)
def test_the_ends_of_the_scale(logits, problem):
    probabilities = problem.probabilities(logits)
    assert np.all(replay(probabilities, Threshold(0, Confidence(problem))).exits == 0)
    assert np.all(replay(probabilities, Threshold(1.01, Confidence(problem))).exits == len(logits) - 1)


def test_nan_goes_on_until_a_sure_exit():
    probabilities = np.array([[[np.nan, 1.0]], [[0.9, 0.1]], [[0.8, 0.2]]])
    assert replay(probabilities, Threshold(0, Confidence(SINGLE))).exits.tolist() == [1]
    assert replay(probabilities, Threshold(0.95, Confidence(SINGLE))).exits.tolist() == [2]


def test_the_rule_sees_only_rows_that_are_still_in():
    seen = []

    @dataclass(frozen=True)
    class Watched(ExitRule):
        rule: Threshold

        def decide(self, probabilities, history):
            seen.append((probabilities[:, 0].tolist(), history[:, :, 0].tolist()))
            return self.rule.decide(probabilities, history)

        def answer(self, probabilities, history):
            return self.rule.answer(probabilities, history)

    first = np.array([0.9, 0.6, 0.7])
    second = np.array([0.1, 0.95, 0.6])
    probabilities = np.array([np.stack([p, 1 - p], axis=1) for p in (first, second, second, second)])
    rule = Watched(Threshold(0.9, Confidence(SINGLE)))
    assert replay(probabilities, rule).exits.tolist() == [0, 1, 3]
    assert seen == [([0.9, 0.6, 0.7], []), ([0.95, 0.6], [[0.6, 0.7]]), ([0.6], [[0.7], [0.6]])]

    seen.clear()
    assert replay(probabilities[:, :1], rule).exits.tolist() == [0]
    assert len(seen) == 1


@pytest.mark.parametrize("shape", [(3, 2), (0, 3, 2)])
def test_not_probabilities_of_exits(shape):
    with pytest.raises(DataError, match="exits, rows, labels"):
        replay(np.zeros(shape), Threshold(0.5, Confidence(SINGLE)))


def test_layers_run_is_weighted_by_tokens():
    exits, layers = np.array([0, 1, 1]), (2, 6)
    assert layers_run(exits, layers, np.array([1, 1, 1])) == pytest.approx(14 / 3)
    assert layers_run(exits, layers, np.array([8, 1, 1])) == pytest.approx(2.8)


@pytest.mark.parametrize("tokens", [[0, 0], [1]])
def test_layers_run_needs_tokens(tokens):
    with pytest.raises(DataError, match="tokens"):
        layers_run(np.array([0, 1]), (2, 6), np.array(tokens))


def test_exit_shares():
    np.testing.assert_allclose(exit_shares(np.array([0, 2, 2, 0, 0]), 4), [0.6, 0, 0.4, 0])
    with pytest.raises(DataError, match="no rows"):
        exit_shares(np.array([], dtype=np.int64), 3)
