import numpy as np
import pytest
from hypothesis import given

from helpers.cached import cached_exits
from helpers.problems import PROBLEMS
from offramp.calibration import Problem
from offramp.errors import OptionError
from offramp.policy import Agreement, GeometricMean, Threshold, replay

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL


def test_geometric_mean_of_one_label():
    exits = np.array([[[0.8, 0.1, 0.1]], [[0.2, 0.7, 0.1]]])
    expected = np.sqrt(exits[0] * exits[1])
    expected /= expected.sum()
    found = GeometricMean(SINGLE).answer(exits[1], exits[:1])
    np.testing.assert_allclose(found, expected)
    assert GeometricMean(SINGLE).score(exits[1], exits[:1]) == pytest.approx(expected.max())


def test_geometric_mean_of_a_set_is_taken_label_by_label():
    exits = np.array([[[0.8, 0.3]], [[0.4, 0.2]]])
    yes, no = np.sqrt(exits[0] * exits[1]), np.sqrt((1 - exits[0]) * (1 - exits[1]))
    np.testing.assert_allclose(GeometricMean(MULTI).answer(exits[1], exits[:1]), yes / (yes + no))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_exits_that_are_sure_of_opposites_cancel_out(problem):
    exits = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(GeometricMean(problem).answer(exits[1], exits[:1]), [[0.5, 0.5]])


@given(cached_exits())
def test_geometric_mean_of_equals_is_each_of_them(case):
    problem, probabilities = case
    same = np.nan_to_num(probabilities[:1], nan=0.5).repeat(3, axis=0)
    if problem is SINGLE:
        same /= same.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(GeometricMean(problem).answer(same[2], same[:2]), same[0], atol=1e-12)


def test_replay_answers_with_the_ensemble_but_at_the_last_exit_with_the_model():
    first, second, third = [0.9, 0.1], [0.45, 0.55], [0.2, 0.8]
    exits = np.array([[first, first], [second, [0.1, 0.9]], [third, third]])
    taken = replay(exits, Threshold(0.7, GeometricMean(SINGLE)))
    assert taken.exits.tolist() == [0, 0]
    np.testing.assert_array_equal(taken.probabilities, exits[0])  # nothing was passed before the first exit
    exits[0] = [[0.65, 0.35], [0.65, 0.35]]
    exits[1] = [[0.9, 0.1], [0.1, 0.9]]
    taken = replay(exits, Threshold(0.79, GeometricMean(SINGLE)))
    assert taken.exits.tolist() == [1, 2]
    assert 0.79 < taken.probabilities[0, 0] < 0.9
    np.testing.assert_array_equal(taken.probabilities[1], third)


def test_agreement_adds_up_while_exits_agree_and_starts_again():
    exits = np.array([[[0.6, 0.4]], [[0.7, 0.3]], [[0.2, 0.8]], [[0.1, 0.9]]])
    criterion = Agreement(SINGLE, (1.0, 2.0, 3.0, 4.0))
    scores = [criterion.score(exits[index], exits[:index])[0] for index in range(4)]
    np.testing.assert_allclose(scores, np.array([0.6, 0.6 + 1.4, 2.4, 2.4 + 3.6]) / 10)
    assert criterion.answer(exits[3], exits[:3]) is not None
    np.testing.assert_array_equal(criterion.answer(exits[3], exits[:3]), exits[3])


@pytest.mark.parametrize("weights", [(), (1.0, 0.0), (1.0, -1.0), (float("nan"),), (float("inf"),)])
def test_agreement_needs_positive_weights(weights):
    with pytest.raises(OptionError, match="weights are"):
        Agreement(SINGLE, weights)


def test_agreement_needs_a_weight_an_exit():
    exits = np.full((3, 1, 2), 0.5)
    with pytest.raises(OptionError, match="2 weights, none for exit 2"):
        Agreement(SINGLE, (1.0, 1.0)).score(exits[2], exits[:2])
