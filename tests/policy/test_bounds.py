"""P-values and bounds: against MAPIE, against a plain loop, and by drawing many samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value, get_r_hat_plus
from scipy.stats import binom

from offramp.policy.bounds import betting, hoeffding_bentkus, least_count, least_rejected

targets = st.sampled_from([0.005, 0.01, 0.05, 0.2, 0.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.integers(1, 3000), targets, st.booleans())
def test_hoeffding_bentkus_equals_mapie(risks, rows, target, binary):
    # Whole counts of rows, and others a clear step away from them: MAPIE takes the ceiling of a rounded product.
    risks = np.floor(np.array(risks) * rows) / rows
    expected = compute_hoeffding_bentkus_p_value(risks, rows, target, binary)[:, 0]
    same_ceiling = np.ceil(rows * risks) == np.rint(rows * risks)
    np.testing.assert_allclose(
        hoeffding_bentkus(risks, target, rows, binary=binary)[same_ceiling],
        np.minimum(expected, 1)[same_ceiling],
        rtol=1e-7,
    )


def test_binary_tail_is_that_of_the_binomial():
    for count in range(20):
        assert hoeffding_bentkus(np.array(count / 500), 0.02, 500, binary=True) <= binom.cdf(count, 500, 0.02) + 1e-12
    assert (
        hoeffding_bentkus(np.array(0.0), 0.01, 299, binary=True)
        <= 0.05
        < hoeffding_bentkus(np.array(0.0), 0.01, 298, binary=True)
    )


def by_hand(losses, target, confidence):
    """The betting p-value, one row after the other."""
    capital, best, total, squares = 1.0, 1.0, 0.0, 0.0
    variance = 0.25
    for index, loss in enumerate(losses, 1):
        stake = min(max(1.0, 0.75 / (1 - target)), np.sqrt(2 * np.log(1 / (1 - confidence)) / (len(losses) * variance)))
        capital *= 1 - stake * (loss - target)
        best = max(best, capital)
        total += loss
        squares += (loss - (0.5 + total) / (1 + index)) ** 2
        variance = (0.25 + squares) / (1 + index)
    return 1 / best


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), targets, st.sampled_from([0.8, 0.95]))
def test_betting_equals_a_loop(losses, target, confidence):
    found = betting(np.array([losses, losses]), target, confidence)
    np.testing.assert_allclose(found, by_hand(losses, target, confidence), rtol=1e-9)


def test_betting_bound_is_never_below_that_of_mapie():
    """MAPIE runs two halves of the rows apart and multiplies their highest capitals: never less than one run has."""
    random = np.random.default_rng(0)
    grid = np.linspace(0.002, 0.998, 100)
    losses = (random.random((300, 100)) < np.linspace(0.01, 0.3, 100)).astype(float)
    _, theirs = get_r_hat_plus(losses, grid, "rcps", "wsr", 0.05, 0.25)
    ours = [least_rejected(lambda target, row=row: float(betting(row, target, 0.95)), 0.05) for row in losses.T[::20]]
    gaps = np.array(ours) - theirs[::20]
    assert (gaps > -(grid[1] - grid[0])).all()  # theirs is rounded up to their grid
    assert (gaps < 0.03).all()


@pytest.mark.parametrize(("mean", "kind"), [(0.01, "binary"), (0.05, "binary"), (0.05, "beta"), (0.5, "three")])
def test_bounds_hold_as_often_as_they_say(mean, kind):
    """Testing the true mean itself rejects in at most 5 % of samples."""
    random = np.random.default_rng(7)
    shape = (2000, 400)
    if kind == "binary":
        losses = (random.random(shape) < mean).astype(float)
    elif kind == "beta":
        losses = random.beta(0.1, 0.1 * (1 - mean) / mean, shape)
    else:
        losses = random.choice([0, 0.5, 1], p=[0.02, 0.96, 0.02], size=shape)
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(losses))
    assert (betting(losses, mean, 0.95) <= 0.05).mean() <= allowed
    binary = kind == "binary"
    assert (hoeffding_bentkus(losses.mean(axis=1), mean, 400, binary=binary) <= 0.05).mean() <= allowed


def test_betting_profits_from_rare_losses():
    """Where a sign decides and ties abound, the bound sees the small variance that Hoeffding's cannot."""
    losses = np.full(1000, 0.5)
    losses[::100] = 0.0
    losses[50::100] = 1.0
    assert betting(losses, 0.51, 0.95) < 0.05 < hoeffding_bentkus(losses.mean(), 0.51, 1000)


def test_a_bet_on_signed_losses_needs_few_rows_more_than_counting_them():
    """Rescaled, a row without any loss says half as much; for that the stake may be higher."""
    rows = least_count(lambda rows: bool(betting(np.full(rows, 0.5), 0.505, 0.95) <= 0.05))
    assert 299 < rows < 450


@given(st.floats(0.001, 0.999))
def test_least_rejected_is_the_edge(edge):
    assert edge <= least_rejected(lambda target: float(min(1.0, 0.05 * edge / target)), 0.05) <= edge + 2e-6


def test_least_rejected_at_the_ends():
    assert least_rejected(lambda target: 1.0, 0.05) == 1
    assert least_rejected(lambda target: 0.0, 0.05) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("least", [1, 2, 3, 299, 1024, 1025])
def test_least_count(least):
    assert least_count(lambda number: number >= least) == least
    assert least_count(lambda number: False, most=5000) is None
