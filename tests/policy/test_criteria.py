import numpy as np
import pytest
from hypothesis import given

from helpers.cached import cached_exits, every_criterion
from offramp.calibration import Problem
from offramp.errors import OptionError
from offramp.policy import FIRST_EXIT, Certainty, Confidence, Knob, Lead, Patience, PatientCertainty, Threshold, replay

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL


def binary(*exits):
    """Probabilities (exits, rows, 2) of rows whose first label has the given ones."""
    first = np.array(exits, dtype=float)
    return np.stack([first, 1 - first], axis=-1)


def last_score(criterion, exits):
    return criterion.score(exits[-1], exits[:-1])


@given(cached_exits())
def test_the_ends_of_every_knob(case):
    problem, probabilities = case
    n_exits = len(probabilities)
    sound = ~np.isnan(probabilities).any(axis=(0, 2))
    for criterion in every_criterion(problem, n_exits):
        knob = criterion.knob(n_exits)
        fast = replay(probabilities, Threshold(FIRST_EXIT, criterion)).exits
        assert (fast[sound] == 0).all()
        full = replay(probabilities, Threshold(knob.full_depth, criterion))
        assert (full.exits == n_exits - 1).all()
        np.testing.assert_array_equal(full.probabilities, probabilities[-1])


@given(cached_exits())
def test_scores_are_not_negative_and_nan_only_for_nan(case):
    problem, probabilities = case
    for criterion in every_criterion(problem, len(probabilities)):
        for index in range(len(probabilities) - 1):
            score = criterion.score(probabilities[index], probabilities[:index])
            here = np.isnan(probabilities[index]).any(axis=-1)
            before = np.isnan(probabilities[:index]).any(axis=(0, 2))
            assert np.isnan(score[here]).all()
            assert (score[~here & ~before] >= 0).all()


@given(cached_exits())
def test_a_row_scores_the_same_in_any_company(case):
    problem, probabilities = case
    rows = probabilities.shape[1]
    for criterion in every_criterion(problem, len(probabilities)):
        for index in range(len(probabilities) - 1):
            together = criterion.score(probabilities[index], probabilities[:index])
            for row in range(rows):
                alone = probabilities[: index + 1, row : row + 1].copy()
                np.testing.assert_array_equal(criterion.score(alone[-1], alone[:-1]), together[row : row + 1])


@given(cached_exits())
def test_with_two_outcomes_certainty_and_lead_order_rows_as_confidence_does(case):
    _, probabilities = case
    top = np.nan_to_num(probabilities[0].max(axis=-1), nan=0.5)
    two = np.stack([top, 1 - top], axis=-1)
    order = np.argsort(Confidence(SINGLE).score(two, two[None][:0]), kind="stable")
    for criterion in (Certainty(SINGLE), Lead(SINGLE)):
        assert (np.diff(criterion.score(two, two[None][:0])[order]) >= -1e-12).all()


def test_certainty():
    exits = np.array([[[0.25] * 4, [1.0, 0, 0, 0], [0.5, 0.5, 0, 0]]])
    np.testing.assert_allclose(last_score(Certainty(SINGLE), exits), [0, 1, 0.5])
    np.testing.assert_allclose(last_score(Certainty(MULTI), exits[:, 1:]), [1, 0.5])


def test_a_saturated_exit_is_left():
    saturated = SINGLE.probabilities(np.array([[0.0, 5000.0, -5000.0]]))
    assert saturated[0, 2] == 0
    assert Threshold(1.0, Certainty(SINGLE)).decide(saturated, saturated[None][:0]).all()


def test_lead():
    assert last_score(Lead(SINGLE), np.array([[[0.2, 0.5, 0.3]]])) == pytest.approx(0.2)
    # The likeliest set has 0.9 * 0.6; the second flips the second label, 0.9 * 0.4.
    assert last_score(Lead(MULTI), np.array([[[0.9, 0.4]]])) == pytest.approx(0.9 * 0.6 - 0.9 * 0.4)


def test_patience_counts_repeats_up_to_here():
    exits = binary([0.9, 0.9, 0.9], [0.8, 0.2, 0.8], [0.7, 0.7, 0.1], [0.6, 0.6, 0.4])
    assert last_score(Patience(SINGLE), exits).tolist() == [3, 1, 1]
    assert replay(binary(*[[0.9]] * 6), Threshold(2, Patience(SINGLE))).exits.tolist() == [2]


def test_patient_certainty_takes_the_least_of_the_last():
    exits = binary([0.5, 1.0], [1.0, 0.5], [1.0, 1.0])
    np.testing.assert_allclose(last_score(PatientCertainty(SINGLE), exits), [1, 0])
    np.testing.assert_allclose(last_score(PatientCertainty(SINGLE, patience=1), exits), [1, 1])
    np.testing.assert_allclose(last_score(PatientCertainty(SINGLE, patience=3), exits), [0, 0])
    assert last_score(PatientCertainty(SINGLE), exits[:1]).tolist() == [0, 0]
    with pytest.raises(OptionError, match="patience is 0"):
        PatientCertainty(SINGLE, patience=0)


@pytest.mark.parametrize("size", [2, 3, 50, 200])
def test_a_grid_rises_from_end_to_end(size):
    grid = Knob(1.01).grid(size)
    assert len(grid) == size
    assert (np.diff(grid) > 0).all()
    assert (grid[0], grid[-1]) == (FIRST_EXIT, 1.01)
    assert Knob(5.0, whole=True).grid(200).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(OptionError, match="size is 1"):
        Knob(1.01).grid(1)
