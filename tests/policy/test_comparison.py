import numpy as np
import pytest

from offramp.errors import DataError, OptionError
from offramp.policy import Outcomes, compare


def rule(gain, rows=2000, seed=0):
    """Right more often from knob to knob, and by ``gain`` more often than the rule without."""
    difficulty = np.random.default_rng(seed).random(rows)
    costs = np.repeat(np.linspace(0.2, 1, 5)[:, None], rows, axis=1)
    return Outcomes((difficulty < 0.6 + 0.3 * costs + gain).astype(float), costs)


def test_values_are_read_at_equal_cost():
    plain = rule(0)
    found = compare({"plain": plain}, [0.2, 0.5, 1.0, 0.1])
    np.testing.assert_allclose(
        [at.value.value for at in found],
        [
            plain.values[0].mean(),
            0.5 * plain.values[1].mean() + 0.5 * plain.values[2].mean(),
            plain.values[4].mean(),
            plain.values[0].mean(),
        ],
    )
    assert all(at.gain.value == at.gain.low == at.gain.high == 0 for at in found)


def test_gains_are_paired():
    found = compare({"plain": rule(0), "better": rule(0.02)}, [0.5])
    better = found[1]
    assert (better.rule, better.cost) == ("better", 0.5)
    assert better.gain.low > 0
    # Rows are shared, so the gain is known far better than either value.
    assert better.gain.high - better.gain.low < (better.value.high - better.value.low) / 2
    assert better.value.low < better.value.value < better.value.high


def test_rows_that_are_all_alike_leave_room_for_others():
    always, costs = np.ones((2, 200)), np.repeat([[0.5], [1.0]], 200, axis=1)
    same, better = compare({"one": Outcomes(always, costs), "like it": Outcomes(always, costs)}, [0.75])
    missing = 1 - 0.025 ** (1 / 200)
    assert (same.value.low, same.value.high) == (pytest.approx(1 - missing), pytest.approx(1))
    assert (same.gain.low, same.gain.high) == (0, 0)  # over itself
    assert (better.gain.low, better.gain.high) == (pytest.approx(-missing), pytest.approx(missing))


def test_intervals_cover():
    """The interval of a mean known to be 0.75 holds it in about 90 % of samples."""
    held = 0
    for seed in range(100):
        at = compare({"one": rule(0, 300, seed)}, [0.5], confidence=0.9, resamples=200, seed=seed)[0]
        held += at.value.low <= 0.75 <= at.value.high
    assert 80 <= held <= 98


def test_same_seed_same_figures():
    rules = {"plain": rule(0), "better": rule(0.02)}
    assert compare(rules, [0.5], seed=3) == compare(rules, [0.5], seed=3)


def test_knobs_may_run_either_way():
    plain = rule(0)
    turned = Outcomes(plain.values[::-1], plain.costs[::-1])
    found = compare({"plain": plain, "turned": turned}, [0.3, 0.7])
    assert all(abs(at.gain.value) < 1e-12 for at in found)


def test_refuses_what_cannot_be_compared():
    with pytest.raises(DataError, match="same rows"):
        compare({"one": rule(0, 10), "other": rule(0, 11)}, [0.5])
    with pytest.raises(DataError, match="same rows"):
        compare({}, [0.5])
    with pytest.raises(DataError, match="same rows"):
        compare({"none": rule(0, 0)}, [0.5])
    with pytest.raises(OptionError, match="costs are"):
        compare({"one": rule(0)}, [])
    with pytest.raises(OptionError, match="costs are"):
        compare({"one": rule(0)}, [0.0])
    with pytest.raises(OptionError, match="confidence is 1"):
        compare({"one": rule(0)}, [0.5], confidence=1)
    with pytest.raises(OptionError, match="resamples is 0"):
        compare({"one": rule(0)}, [0.5], resamples=0)
