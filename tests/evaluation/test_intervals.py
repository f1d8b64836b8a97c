import numpy as np
import pytest

from offramp.evaluation.intervals import accuracy_difference


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


@pytest.mark.parametrize(("won", "lost", "value"), [(0, 0, 0.0), (5, 0, 1.0), (0, 5, -1.0)])
def test_the_ends(won, lost, value):
    found = accuracy_difference(won, lost, 5)
    assert (found.value, found.low, found.high) == (value, value, value)


def test_it_is_the_same_each_time():
    assert accuracy_difference(3, 5, 100) == accuracy_difference(3, 5, 100)
