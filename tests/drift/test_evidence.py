import numpy as np
import pytest
from scipy.stats import binomtest

from offramp.drift import Evidence, share
from offramp.drift.evidence import at_most


@pytest.mark.parametrize(("count", "rows"), [(0, 10), (3, 10), (10, 10), (17, 400)])
def test_interval_is_clopper_and_pearsons(count, rows):
    expected = binomtest(count, rows).proportion_ci(0.95, "exact")
    found = share(count, rows)
    assert found.value == count / rows
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_without_rows_a_share_is_anything():
    assert share(0, 0).low == 0
    assert share(0, 0).high == 1


def test_evidence_is_a_fair_bet():
    """Its mean over all that can happen stays 1 where the chance is what it should be, and falls where it is lower."""
    outcomes = (np.arange(2**10)[:, None] >> np.arange(10) & 1).astype(bool)
    evidence = Evidence(len(outcomes))
    evidence.add(outcomes.T, np.full((10, len(outcomes)), 0.1))
    for chance, fair in ((0.1, True), (0.04, False)):
        probabilities = np.where(outcomes, chance, 1 - chance).prod(axis=1)
        mean = float(probabilities @ np.exp(evidence.log))
        assert mean == pytest.approx(1.0) if fair else mean < 1.0


def test_evidence_is_the_same_text_by_text_and_all_at_once():
    """Also where chances differ from text to text, and where some of them cannot be seen."""
    random = np.random.default_rng(0)
    expected = np.where(random.random((200, 3)) < 0.2, np.nan, random.uniform(0.01, 0.4, (200, 3)))
    seen = random.random((200, 3)) < 0.5
    whole, parts = Evidence(3), Evidence(3)
    logs = whole.add(seen, expected)
    single = [parts.add(seen[row : row + 1], expected[row : row + 1])[0] for row in range(200)]
    np.testing.assert_allclose(logs, single)
    np.testing.assert_allclose(whole.log, logs[-1])
    assert parts.add(seen[:0], expected[:0]).shape == (0, 3)
    before = whole.log
    whole.add(np.ones((1, 3), bool), np.full((1, 3), np.nan))
    np.testing.assert_allclose(whole.log, before)


def test_a_bound_read_off_the_rows_themselves_holds():
    """Of 30 rows the chance to lie above the third highest is bounded, over draws of the rows, as often as it says."""
    rows = np.sort(np.random.default_rng(0).random((4000, 30)))
    broken = np.mean(1 - rows[:, -3] > at_most(2, 30, 0.05))
    assert broken <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert at_most(0, 0, 0.05) == at_most(5, 5, 0.05) == 1
