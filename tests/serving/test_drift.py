import math

import numpy as np
import pytest
from scipy.stats import binomtest

from offramp.serving.drift import LEARNED_FROM, Drift, Evidence, share


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
    for chance, fair in ((0.1, True), (0.04, False)):
        mean = 0.0
        for outcome in range(2**10):
            evidence, probability = Evidence(0.1), 1.0
            for place in range(10):
                seen = bool(outcome >> place & 1)
                probability *= chance if seen else 1 - chance
                evidence.add(seen)
            mean += probability * math.exp(evidence.log)
        assert mean == pytest.approx(1.0) if fair else mean < 1.0


@pytest.mark.parametrize("expected", [0.01, 0.05])
def test_no_alarm_without_drift(expected):
    """Looked at after every one of 3,000 audits (300,000 texts), in 40 runs at the very rate that is allowed."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        drift = Drift(expected)
        for differs in (random.random(3000) < expected).tolist():
            drift.add(differs)
        alarms += drift.alarm
    assert alarms <= 2


def test_no_alarm_where_the_expected_share_is_learned():
    random = np.random.default_rng(1)
    for _ in range(20):
        drift = Drift(None)
        for differs in (random.random(2000) < 0.02).tolist():
            drift.add(differs)
        assert drift.expected is not None
        assert drift.expected > 0.02
        assert not drift.alarm


@pytest.mark.parametrize(("before", "after", "within"), [(0.01, 0.10, 200), (0.01, 0.3, 40), (0.05, 0.2, 160)])
def test_alarm_soon_after_a_shift(before, after, within):
    """Audits until the alarm in nine of ten runs, after 500 without drift."""
    random = np.random.default_rng(2)
    needed = []
    for _ in range(20):
        drift = Drift(before)
        for differs in (random.random(500) < before).tolist():
            drift.add(differs)
        assert not drift.alarm
        count = 0
        while not drift.alarm:
            drift.add(bool(random.random() < after))
            count += 1
        needed.append(count)
    assert np.quantile(needed, 0.9) <= within


def test_the_alarm_is_raised_once_and_stays():
    drift = Drift(0.01)
    raised = [drift.add(True) for _ in range(50)] + [drift.add(False) for _ in range(500)]
    assert sum(raised) == 1
    assert drift.alarm
    assert drift.recent().value == pytest.approx(50 / 550)


def test_while_learning_there_is_no_alarm():
    drift = Drift(None)
    assert not any(drift.add(True) for _ in range(LEARNED_FROM))
    assert drift.expected == 0.99
    assert drift.log_evidence == 0
