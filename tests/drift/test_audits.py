import numpy as np
import pytest

from offramp.drift import ALPHA, Audits, Evidence
from offramp.drift.audits import LEARNED_FROM


@pytest.mark.parametrize("expected", [0.01, 0.05])
def test_no_alarm_without_drift(expected):
    """Looked at after every one of 3,000 audits (300,000 texts), in 200 runs at the very rate that is allowed."""
    differs = np.random.default_rng(0).random((3000, 200)) < expected
    logs = Evidence(200).add(differs, np.full(differs.shape, expected))
    assert np.count_nonzero((logs >= -np.log(ALPHA)).any(axis=0)) <= 5
    audits = Audits(expected)
    for seen in differs[:300, 0].tolist():
        audits.add(seen)
    assert audits.log_evidence == pytest.approx(logs[299, 0])
    assert audits.log_needed == pytest.approx(-np.log(ALPHA))


def test_no_alarm_where_the_expected_share_is_learned():
    random = np.random.default_rng(1)
    for _ in range(20):
        audits = Audits(None)
        for differs in (random.random(2000) < 0.02).tolist():
            audits.add(differs)
        assert audits.expected is not None
        assert audits.expected > 0.02
        assert audits.raised is None


@pytest.mark.parametrize(("before", "after", "within"), [(0.01, 0.10, 200), (0.01, 0.3, 40), (0.05, 0.2, 160)])
def test_alarm_soon_after_a_shift(before, after, within):
    """Audits until the alarm in nine of ten runs, after 500 without drift."""
    random = np.random.default_rng(2)
    needed = []
    for _ in range(20):
        audits = Audits(before)
        for differs in (random.random(500) < before).tolist():
            audits.add(differs)
        assert audits.raised is None
        count = 0
        while audits.raised is None:
            audits.add(bool(random.random() < after))
            count += 1
        needed.append(count)
    assert np.quantile(needed, 0.9) <= within


def test_the_alarm_is_raised_once_and_stays():
    audits = Audits(0.01)
    raised = [audits.add(True) for _ in range(50)] + [audits.add(False) for _ in range(500)]
    assert sum(raised) == 1
    assert audits.raised is not None
    assert audits.recent().value == pytest.approx(50 / 550)


def test_while_learning_there_is_no_alarm():
    audits = Audits(None)
    assert not any(audits.add(True) for _ in range(LEARNED_FROM))
    assert audits.expected == 0.99
    assert audits.log_evidence == 0
