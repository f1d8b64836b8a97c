import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import log_loss

from helpers.problems import PROBLEMS
from offramp.calibration import Problem
from offramp.errors import DataError

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL
logits_of_any_shape = arrays(np.float64, array_shapes(min_dims=1, max_dims=3), elements=st.floats(-1e4, 1e4))


def test_values_are_those_of_hugging_face_configurations():
    assert Problem("single_label_classification") == SINGLE
    assert Problem("multi_label_classification") == MULTI


def test_known_probabilities():
    logits = np.log([[1.0, 3.0], [4.0, 1.0]])
    np.testing.assert_allclose(SINGLE.probabilities(logits), [[0.25, 0.75], [0.8, 0.2]])
    np.testing.assert_allclose(MULTI.probabilities(logits), [[0.5, 0.75], [0.8, 0.5]])
    np.testing.assert_allclose(SINGLE.probabilities(2 * logits, 2.0), SINGLE.probabilities(logits))


@given(logits_of_any_shape, st.sampled_from(PROBLEMS), st.floats(0.05, 20))
def test_probabilities_are_stable(logits, problem, temperature):
    probabilities = problem.probabilities(logits, temperature)
    assert probabilities.shape == logits.shape
    assert probabilities.dtype == np.float64
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    confidence = problem.confidence(probabilities, 0)
    assert confidence.shape == logits.shape[:-1]
    assert np.all((confidence >= 0) & (confidence <= 1))
    if problem is SINGLE:
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_extreme_logits_saturate(problem):
    probabilities = problem.probabilities(np.array([[1e4, -1e4, -1e4]]))
    np.testing.assert_array_equal(probabilities, [[1, 0, 0]])
    assert problem.confidence(probabilities, 0) == 1.0


@pytest.mark.parametrize("problem", PROBLEMS)
def test_float32_logits_are_computed_in_float64(problem):
    logits = np.array([[0.1, 0.7, -0.3]], dtype=np.float32)
    np.testing.assert_array_equal(problem.probabilities(logits), problem.probabilities(logits.astype(np.float64)))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_temperature_broadcasts_over_exits(problem):
    logits = np.random.default_rng(0).normal(size=(2, 5, 3))
    together = problem.probabilities(logits, np.array([0.5, 3.0])[:, None, None])
    np.testing.assert_array_equal(together[0], problem.probabilities(logits[0], 0.5))
    np.testing.assert_array_equal(together[1], problem.probabilities(logits[1], 3.0))


@given(st.integers(0, 2**16), st.sampled_from(PROBLEMS))
def test_probabilities_of_outcomes_are_confidences_of_the_predicted_ones(seed, problem):
    probabilities = problem.probabilities(np.random.default_rng(seed).normal(scale=3, size=(2, 5, 3)))
    own, others = problem.predicted(probabilities), problem.predicted(probabilities[::-1])
    np.testing.assert_array_equal(problem.probability_of(probabilities, own), problem.confidence(probabilities, 0))
    assert (problem.probability_of(probabilities, others) <= problem.confidence(probabilities, 0)).all()
    probabilities[0, 1, 2] = np.nan
    assert np.isnan(problem.probability_of(probabilities, own)).sum() == 1


def test_confidence_is_the_probability_of_the_predicted_outcome():
    probabilities = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(SINGLE.confidence(probabilities, 0), [0.7, 0.5])
    np.testing.assert_allclose(MULTI.confidence(probabilities, 0), [0.8 * 0.7 * 0.9, 0.5 * 0.75 * 0.75])


@given(arrays(np.float64, (4,), elements=st.floats(0, 1)))
def test_multi_label_confidence_is_that_of_the_most_probable_set(probabilities):
    sets = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    chances = np.where(sets == 1, probabilities, 1 - probabilities).prod(axis=1)
    assert MULTI.confidence(probabilities, 0) == pytest.approx(chances.max())


@pytest.mark.parametrize("problem", PROBLEMS)
def test_confidence_of_nan_is_nan(problem):
    assert np.isnan(problem.confidence(np.array([[0.9, np.nan, 0.1]]), 0)).all()


def test_predicted_and_right():
    probabilities = np.array([[0.2, 0.7, 0.6], [0.5, 0.3, 0.1]])
    np.testing.assert_array_equal(SINGLE.predicted(probabilities), [1, 0])
    np.testing.assert_array_equal(SINGLE.right(probabilities, np.array([1, 2])), [True, False])
    np.testing.assert_array_equal(MULTI.predicted(probabilities), [[False, True, True], [False, False, False]])
    targets = np.array([[0, 1, 0], [0, 0, 0]])
    np.testing.assert_array_equal(MULTI.right(probabilities, targets), [False, True])
    np.testing.assert_array_equal(MULTI.right(probabilities, targets.astype(np.float32)), [False, True])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_right_takes_all_exits_at_once(problem):
    rng = np.random.default_rng(1)
    probabilities = problem.probabilities(rng.normal(size=(3, 6, 2)))
    targets = rng.integers(2, size=6 if problem is SINGLE else (6, 2))
    expected = [problem.right(one, targets) for one in probabilities]
    np.testing.assert_array_equal(problem.right(probabilities, targets), expected)


def test_agree_compares_whole_predictions():
    one, other = np.array([[0.6, 0.9]]), np.array([[0.1, 0.9]])
    assert SINGLE.agree(one, other).tolist() == [True]
    assert MULTI.agree(one, other).tolist() == [False]
    assert MULTI.agree(one, one).tolist() == [True]


def test_single_label_likelihood_against_sklearn():
    rng = np.random.default_rng(2)
    logits, targets = rng.normal(size=(50, 4)), rng.integers(4, size=50)
    expected = log_loss(targets, SINGLE.probabilities(logits, 0.7), labels=range(4))
    assert SINGLE.negative_log_likelihood(logits, targets, 0.7) == pytest.approx(expected)


def test_multi_label_likelihood_sums_over_labels():
    rng = np.random.default_rng(3)
    logits, targets = rng.normal(size=(50, 4)), rng.integers(2, size=(50, 4))
    probabilities = MULTI.probabilities(logits, 0.7)
    expected = sum(log_loss(targets[:, k], probabilities[:, k]) for k in range(4))
    assert MULTI.negative_log_likelihood(logits, targets, 0.7) == pytest.approx(expected)


@pytest.mark.parametrize(("problem", "target", "expected"), [(SINGLE, [1], 2e4), (MULTI, [[0, 1]], 2e4)])
def test_confidently_wrong_costs_a_finite_amount(problem, target, expected):
    loss = problem.negative_log_likelihood(np.array([[1e4, -1e4]]), np.array(target))
    assert loss == pytest.approx(expected)


def test_brier():
    probabilities = np.array([[0.2, 0.8], [1.0, 0.0]])
    assert SINGLE.brier(probabilities, np.array([1, 1])) == pytest.approx((0.08 + 2) / 2)
    assert MULTI.brier(probabilities, np.array([[1, 1], [1, 0]])) == pytest.approx((0.64 + 0.04) / 2)


@pytest.mark.parametrize(
    ("problem", "logits", "targets", "message"),
    [
        (SINGLE, np.zeros((0, 2)), np.zeros(0, int), "at least one"),
        (SINGLE, np.zeros(2), np.zeros(2, int), "at least one"),
        (SINGLE, np.zeros((3, 2)), np.zeros(2, int), "shape"),
        (SINGLE, np.zeros((3, 2)), np.zeros((3, 2), int), "shape"),
        (MULTI, np.zeros((3, 2)), np.zeros(3, int), "shape"),
        (SINGLE, np.array([[0.0, np.nan]]), np.array([0]), "diverged"),
        (SINGLE, np.zeros((1, 2)), np.array([2]), "0 to 1"),
        (SINGLE, np.zeros((1, 2)), np.array([-1]), "0 to 1"),
        (SINGLE, np.zeros((1, 2)), np.array([0.5]), "0 to 1"),
        (MULTI, np.zeros((1, 2)), np.array([[0, 2]]), "0 or 1"),
    ],
)
def test_check_names_what_is_wrong(problem, logits, targets, message):
    with pytest.raises(DataError, match=message):
        problem.check(logits, targets)


def test_check_takes_good_data():
    SINGLE.check(np.zeros((2, 3)), np.array([0, 2]))
    MULTI.check(np.zeros((2, 3)), np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]]))


@given(logits_of_any_shape, st.sampled_from(PROBLEMS))
def test_certainty_and_lead_are_shares(logits, problem):
    probabilities = problem.probabilities(logits)
    for measure in (problem.certainty, problem.lead):
        values = measure(probabilities)
        assert values.shape == logits.shape[:-1]
        assert np.all((values >= 0) & (values <= 1))


def test_known_certainty_and_lead():
    even, sure, half = [0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]
    np.testing.assert_allclose(SINGLE.certainty(np.array([even, sure, half])), [0, 1, 0.5])
    np.testing.assert_allclose(MULTI.certainty(np.array([[0.5, 0.5], [1, 0], [0.5, 0]])), [0, 1, 0.5])
    np.testing.assert_allclose(SINGLE.lead(np.array([[0.2, 0.5, 0.3], [1, 0, 0]])), [0.2, 1])
    np.testing.assert_allclose(MULTI.lead(np.array([[0.9, 0.4], [1, 0]])), [0.9 * 0.6 - 0.9 * 0.4, 1])
    np.testing.assert_array_equal(SINGLE.lead(np.array([[1.0]])), [1])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_certainty_and_lead_of_nan_are_nan(problem):
    probabilities = np.array([[np.nan, 0.5], [0.5, np.nan]])
    assert np.isnan(problem.certainty(probabilities)).all()
    assert np.isnan(problem.lead(probabilities)).all()
    assert np.isnan(problem.logits(probabilities)).tolist() == [[True, False], [False, True]]


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3), elements=st.floats(-30, 30)), st.sampled_from(PROBLEMS))
def test_logits_undo_probabilities(logits, problem):
    probabilities = problem.probabilities(logits)
    again = problem.probabilities(problem.logits(probabilities))
    np.testing.assert_allclose(again, probabilities, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_logits_of_saturated_probabilities_are_finite(problem):
    assert np.isfinite(problem.logits(np.array([[0.0, 1.0]]))).all()
