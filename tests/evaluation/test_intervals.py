import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from offramp.evaluation.intervals import accuracy_difference, least_rows
from offramp.policy.bounds import exact_interval


def test_it_is_the_bootstrap_of_rows():
    won, lost, rows = 30, 60, 500
    values = np.array([1] * won + [-1] * lost + [0] * (rows - won - lost))
    random = np.random.default_rng(1)
    means = [random.choice(values, rows).mean() for _ in range(4000)]
    found = accuracy_difference(won, lost, rows)
    assert found.value == pytest.approx(values.mean())
    assert [found.low, found.high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.003)


def test_swapping_the_two_turns_it_round():
    one, other = accuracy_difference(3, 40, 400), accuracy_difference(40, 3, 400)
    assert one.value == -other.value
    assert one.low == pytest.approx(-other.high, abs=0.003)


@pytest.mark.parametrize(("rows", "most"), [(1, 0.975), (5, 0.5218), (200, 0.01828), (2000, 0.001843)])
def test_where_nothing_changed_other_rows_may(rows, most):
    found = accuracy_difference(0, 0, rows)
    assert (found.low, found.value, found.high) == (pytest.approx(-most, rel=1e-3), 0, pytest.approx(most, rel=1e-3))


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (5, 0), (0, 5), (2, 3), (1, 1)])
def test_an_interval_has_a_width_and_ends_that_are_differences(won, lost):
    found = accuracy_difference(won, lost, 5)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.5


@pytest.mark.parametrize("rows", [20, 100, 200])
def test_it_covers_the_truth(rows):
    """Over every outcome with its probability, at shares of rows won and lost from none to most."""
    shares = [0, 0.002, 0.01, 0.03, 0.1, 0.3, 0.45]
    won, lost = (counts.ravel() for counts in np.indices((rows + 1, rows + 1)))
    outcomes = np.stack([won, lost, rows - won - lost], axis=1)[won + lost <= rows]
    found = [accuracy_difference(int(one), int(other), rows) for one, other, _ in outcomes]
    low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
    for gain in shares:
        for loss in shares:
            chances = multinomial.pmf(outcomes, rows, [gain, loss, 1 - gain - loss])
            below, above = (chances[missed].sum() for missed in (low > gain - loss + 1e-12, high < gain - loss - 1e-12))
            assert below + above <= 0.05
            assert max(below, above) <= 0.025


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_a_share_is_known_exactly(count):
    expected = binomtest(count, 20).proportion_ci(0.95, method="exact")
    assert exact_interval(count, 20) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_the_least_rows_are_those_on_which_nothing_lost_is_enough(share):
    rows = least_rows(share)
    assert exact_interval(0, rows)[1] <= share < exact_interval(0, rows - 1)[1]
