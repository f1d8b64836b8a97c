import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from offramp.evaluation.exits import overthinking


def test_known_verdicts():
    right = np.array([[True, True, False, False], [False, True, True, False]])
    found = overthinking(right, ("words", "layer 6"), (0, 6))
    first, last = found.exits
    assert (first.both_right, first.only_here, first.only_last, first.both_wrong) == (0.25, 0.25, 0.25, 0.25)
    assert (last.both_right, last.only_here, last.only_last, last.both_wrong) == (0.5, 0, 0, 0.5)
    assert (first.exit, first.name, first.layers) == (0, "words", 0)
    assert (last.exit, last.name, last.layers) == (1, "layer 6", 6)
    assert (found.overthought, found.ceiling) == (0.25, 0.75)


@given(arrays.arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 30))))
def test_shares_hang_together(right):
    found = overthinking(right, "abcdef"[: len(right)], tuple(range(1, len(right) + 1)))
    for one, here in zip(found.exits, right, strict=True):
        assert one.both_right + one.only_here + one.only_last + one.both_wrong == pytest.approx(1)
        assert one.accuracy == pytest.approx(here.mean())
        assert one.only_here <= found.overthought + 1e-12
    assert found.ceiling == pytest.approx(found.exits[-1].accuracy + found.overthought)
