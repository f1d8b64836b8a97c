from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.report.scale import Scale, decimals, ratio_ticks, ticks


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4), st.integers(4, 12))
def test_ticks_are_round_even_and_inside(low, width, most):
    high = low + width
    values = ticks(low, high, most)
    assert 1 <= len(values) <= most
    assert all(low - 1e-6 * width <= value <= high + 1e-6 * width for value in values)
    steps = {round(b - a, 9) for a, b in pairwise(values)}
    assert len(steps) <= 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (87.2, 90.1, [88, 89, 90]),
        (97.02, 97.48, [97.1, 97.2, 97.3, 97.4]),
        (-1.2, 3.1, [-1, 0, 1, 2, 3]),
    ],
)
def test_known_ticks(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.8, 12, [1, 2, 5, 10]), (0.4, 1.1, [0.5, 1]), (0.9, 900, [1, 2, 5, 10, 20, 50, 100, 200, 500])],
)
def test_ticks_by_ratio(low, high, expected):
    assert ratio_ticks(low, high) == pytest.approx(expected)


def test_equal_ratios_are_equally_far_apart():
    across = Scale(1, 100, 50, 250, by_ratio=True)
    assert [across(value) for value in (1, 10, 100)] == pytest.approx([50, 150, 250])


def test_decimals_are_as_few_as_can_be():
    assert decimals([1.0, 2.0]) == 0
    assert decimals([0.5, 1.0]) == 1
    assert decimals([0.25, 1.0]) == 2
    assert decimals([1 / 3]) == 4


def test_a_scale_may_be_turned_round():
    down = Scale(0, 10, 200, 100)
    assert (down(0), down(10), down(5), down(12)) == (200, 100, 150, 80)
    assert down.holds(10)
    assert not down.holds(10.1)
