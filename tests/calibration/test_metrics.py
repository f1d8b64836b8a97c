import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from helpers.problems import PROBLEMS
from offramp.calibration import Problem, auroc, expected_calibration_error, fit_temperature, measure_exit, reliability
from offramp.errors import DataError, OptionError

both_kinds = pytest.mark.parametrize("equal_mass", [False, True])
some_rows = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1
)


def columns(pairs):
    return np.array([first for first, _ in pairs]), np.array([second for _, second in pairs])


def test_known_calibration_error():
    confidence = np.array([0.1, 0.3, 0.9, 0.7])
    right = np.array([False, True, True, True])
    # Two bins of equal width: |0.2 - 0.5| and |0.8 - 1|, two rows each.
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx(0.25)
    assert expected_calibration_error(confidence, right, bins=2, equal_mass=True) == pytest.approx(0.25)
    # One bin: |0.5 - 0.75|.
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(0.25)


@both_kinds
@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [([1.0], [True], 0), ([1.0], [False], 1), ([0.0], [False], 0), ([0.0], [True], 1), ([0.0, 1.0], [False, True], 0)],
)
def test_confidence_of_exactly_zero_and_one_counts(confidence, right, expected, equal_mass):
    error = expected_calibration_error(np.array(confidence), np.array(right), equal_mass=equal_mass)
    assert error == expected


def test_edges_belong_to_the_bin_below():
    # 0.5 joins 0.4, not 0.6: with two bins the gaps of the lower bin cancel out.
    confidence, right = np.array([0.4, 0.5, 0.6]), np.array([False, True, True])
    assert expected_calibration_error(confidence, right, bins=2) == pytest.approx((0.1 + 0.4) / 3)


def test_one_joins_the_last_bin():
    confidence, right = np.array([0.95, 1.0]), np.array([True, False])
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx(0.475)


@both_kinds
def test_empty_bins_contribute_nothing(equal_mass):
    confidence, right = np.full(4, 0.75), np.array([True, True, True, False])
    assert expected_calibration_error(confidence, right, bins=1000, equal_mass=equal_mass) == pytest.approx(0)


def test_equal_mass_bins_hold_the_same_number_of_rows():
    confidence = np.array([0.90, 0.91, 0.92, 0.93, 0.94, 0.95])
    right = np.array([True, False, True, True, False, False])
    gaps = [abs(0.5 - 0.905), abs(1 - 0.925), abs(0 - 0.945)]
    assert expected_calibration_error(confidence, right, bins=3, equal_mass=True) == pytest.approx(np.mean(gaps))


@both_kinds
@given(some_rows, st.randoms(use_true_random=False), st.integers(1, 20))
def test_order_of_rows_does_not_matter(equal_mass, pairs, random, bins):
    shuffled = random.sample(pairs, len(pairs))
    before = expected_calibration_error(*columns(pairs), bins=bins, equal_mass=equal_mass)
    after = expected_calibration_error(*columns(shuffled), bins=bins, equal_mass=equal_mass)
    assert after == pytest.approx(before, abs=1e-12)
    assert 0 <= before <= 1 + 1e-12


@pytest.mark.parametrize(
    ("confidence", "right"),
    [([], []), ([0.5], [True, False]), ([[0.5]], [[True]]), ([1.1], [True]), ([-0.1], [True]), ([np.nan], [True])],
)
def test_unusable_rows(confidence, right):
    with pytest.raises(DataError):
        expected_calibration_error(np.array(confidence, dtype=float), np.array(right, dtype=bool))


def test_no_bins():
    with pytest.raises(OptionError, match="at least 1"):
        expected_calibration_error(np.array([0.5]), np.array([True]), bins=0)


@given(some_rows, st.integers(1, 20))
def test_reliability_bins_hold_each_row_once_and_give_the_calibration_error(pairs, bins):
    confidence, right = columns(pairs)
    found = reliability(confidence, right, bins)
    assert [one.low for one in found] == [index / bins for index in range(bins)]
    assert sum(one.rows for one in found) == len(pairs)
    assert all((one.accuracy is None) == (one.confidence is None) == (one.rows == 0) for one in found)
    filled = [one for one in found if one.rows]
    assert all(one.low <= one.confidence <= one.high + 1e-12 for one in filled)
    error = sum(one.rows * abs(one.confidence - one.accuracy) for one in filled) / len(pairs)
    assert error == pytest.approx(expected_calibration_error(confidence, right, bins), abs=1e-12)


def test_known_reliability():
    low, high = reliability(np.array([0.1, 0.5, 0.9, 1.0]), np.array([False, True, True, True]), bins=2)
    assert (low.rows, low.confidence, low.accuracy) == (2, 0.3, 0.5)
    assert (high.rows, high.confidence, high.accuracy) == (2, 0.95, 1.0)


@given(some_rows)
def test_auroc_against_sklearn(pairs):
    confidence, right = columns(pairs)
    if right.all() or not right.any():
        assert auroc(confidence, right) is None
    else:
        assert auroc(confidence, right) == pytest.approx(roc_auc_score(right, confidence))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_measure_exit(problem):
    rng = np.random.default_rng(4)
    logits = rng.normal(scale=5, size=(300, 3))
    targets = (logits + rng.normal(scale=5, size=logits.shape)).argmax(axis=1)
    if problem is Problem.MULTI_LABEL:
        targets = np.eye(3, dtype=int)[targets]
    temperature = fit_temperature(logits, targets, problem)
    measured = measure_exit(logits, targets, temperature, problem, exit=2, name="layer 6", layers=6)
    probabilities = problem.probabilities(logits, temperature)
    right = problem.right(probabilities, targets)
    assert (measured.exit, measured.layers, measured.rows) == (2, 6, 300)
    assert measured.temperature == temperature
    assert measured.accuracy == right.mean()
    assert measured.nll_after < measured.nll_before
    assert measured.nll_after == problem.negative_log_likelihood(logits, targets, temperature)
    assert measured.brier_after == problem.brier(probabilities, targets)
    assert measured.ece_after == expected_calibration_error(problem.confidence(probabilities, 0), right)
    assert measured.auroc == pytest.approx(roc_auc_score(right, problem.confidence(probabilities, 0)))


@pytest.mark.parametrize("metric", ["nll", "ece", "ece_equal_mass", "brier"])
def test_before_is_measured_at_temperature_one(metric):
    rng = np.random.default_rng(6)
    logits, targets = rng.normal(scale=5, size=(100, 3)), rng.integers(3, size=100)
    plain = measure_exit(logits, targets, 1.0, Problem.SINGLE_LABEL, exit=0, name="layer 1", layers=1)
    scaled = measure_exit(logits, targets, 4.0, Problem.SINGLE_LABEL, exit=0, name="layer 1", layers=1)
    before = getattr(plain, f"{metric}_before")
    assert getattr(plain, f"{metric}_after") == before
    assert getattr(scaled, f"{metric}_before") == before
    assert getattr(scaled, f"{metric}_after") < before
