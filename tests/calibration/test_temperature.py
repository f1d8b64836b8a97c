import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from helpers.problems import PROBLEMS
from offramp.calibration import Problem, fit_temperature, fit_temperatures
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE
from offramp.errors import DataError

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL


def sample(problem, seed=0, rows=400, labels=4, sharpness=1.0):
    """Logits whose best temperature is close to ``sharpness``: targets are drawn from the unscaled probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=(rows, labels))
    probabilities = problem.probabilities(logits)
    if problem is SINGLE:
        targets = (rng.random((rows, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=labels - 1)
    else:
        targets = (rng.random((rows, labels)) < probabilities).astype(int)
    return sharpness * logits, targets


class Logits(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier whose inputs already are its logits."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return self.classes_[x.argmax(axis=1)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sharpness", [0.2, 1.0, 5.0])
def test_equals_scikit_learn(seed, sharpness):
    logits, targets = sample(SINGLE, seed, sharpness=sharpness)
    frozen = FrozenEstimator(Logits().fit(logits, targets))
    reference = CalibratedClassifierCV(frozen, method="temperature").fit(logits, targets)
    (fitted,) = reference.calibrated_classifiers_
    assert fit_temperature(logits, targets, SINGLE) == pytest.approx(1 / fitted.calibrators[0].beta_, rel=1e-5)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 4.0])
def test_recovers_the_temperature_of_the_data(problem, sharpness):
    logits, targets = sample(problem, rows=20_000, sharpness=sharpness)
    assert fit_temperature(logits, targets, problem) == pytest.approx(sharpness, rel=0.05)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_loss_is_flat_at_the_solution(problem):
    logits, targets = sample(problem, sharpness=2.0)
    temperature, step = fit_temperature(logits, targets, problem), 1e-4
    after = problem.negative_log_likelihood(logits, targets, temperature * (1 + step))
    before = problem.negative_log_likelihood(logits, targets, temperature * (1 - step))
    least = problem.negative_log_likelihood(logits, targets, temperature)
    assert (after - before) / (2 * step) == pytest.approx(0, abs=1e-7)
    assert least < min(before, after)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_scales_with_the_logits(problem, factor):
    logits, targets = sample(problem)
    expected = factor * fit_temperature(logits, targets, problem)
    assert fit_temperature(factor * logits, targets, problem) == pytest.approx(expected, rel=1e-9)


def test_multi_label_is_one_binary_problem_per_label():
    logits, targets = sample(MULTI, sharpness=3.0)
    binary = np.stack([np.zeros(logits.size), logits.ravel()], axis=1)
    expected = fit_temperature(binary, targets.ravel(), SINGLE)
    assert fit_temperature(logits, targets, MULTI) == pytest.approx(expected, rel=1e-9)


@given(st.data(), st.sampled_from(PROBLEMS))
def test_never_worse_than_no_calibration(data, problem):
    rows, labels = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    logits = data.draw(arrays(np.float64, (rows, labels), elements=st.floats(-1e4, 1e4)))
    shape, highest = ((rows,), labels - 1) if problem is SINGLE else ((rows, labels), 1)
    targets = data.draw(arrays(np.int64, shape, elements=st.integers(0, highest)))
    temperature = fit_temperature(logits, targets, problem)
    assert LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE
    before = problem.negative_log_likelihood(logits, targets)
    assert problem.negative_log_likelihood(logits, targets, temperature) <= before * (1 + 1e-12) + 1e-15


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_all_right_gives_the_lower_limit(size):
    logits = size * np.array([[1.0, -1.0], [-2.0, 2.0]])
    assert fit_temperature(logits, np.array([0, 1]), SINGLE) == LOWEST_TEMPERATURE
    assert fit_temperature(logits, np.array([[1, 0], [0, 1]]), MULTI) == LOWEST_TEMPERATURE


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_worse_than_chance_gives_the_upper_limit(size):
    logits = size * np.array([[1.0, -1.0], [-2.0, 2.0]])
    assert fit_temperature(logits, np.array([1, 0]), SINGLE) == HIGHEST_TEMPERATURE
    assert fit_temperature(logits, np.array([[0, 1], [1, 0]]), MULTI) == HIGHEST_TEMPERATURE


def test_logits_without_preference_keep_temperature_one():
    assert fit_temperature(np.full((3, 4), 3.3), np.array([0, 1, 1]), SINGLE) == 1.0
    assert fit_temperature(np.zeros((3, 2)), np.array([[0, 1], [1, 1], [0, 0]]), MULTI) == 1.0


def test_each_exit_is_fitted_on_its_own():
    logits, targets = sample(SINGLE)
    temperatures = fit_temperatures(np.stack([logits, 2 * logits]), targets, SINGLE)
    assert temperatures.shape == (2,)
    assert temperatures[0] == fit_temperature(logits, targets, SINGLE)
    assert temperatures[1] == pytest.approx(2 * temperatures[0])


def test_no_rows():
    with pytest.raises(DataError, match="at least one"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int), SINGLE)
