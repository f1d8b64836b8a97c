"""Whether early answers still agree with full depth: a test that may be looked at after every text."""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

ALPHA = 0.01
"""Chance of ever raising a false alarm, however long the server runs."""

# How many times the odds of a disagreement may have grown; the evidence is spread over all of them.
_GROWN = np.array([1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0])
# Audits from which the expected disagreement is learned where nobody knows it.
LEARNED_FROM = 300
# Whoever expects nothing at all to differ would be alarmed by the first rounding.
_LEAST = 1e-3
_RECENT = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its Clopper-Pearson interval at 95 %."""

    value: float
    low: float
    high: float


def share(count: int, rows: int, confidence: float = 0.95) -> Share:
    """Gives the share of ``count`` in ``rows``; without rows it is anything.

    Source: Clopper and Pearson, Biometrika 1934.
    """
    if not rows:
        return Share(math.nan, 0.0, 1.0)
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, rows - count + 1))
    high = 1.0 if count == rows else float(beta.ppf(1.0 - tail, count + 1, rows - count))
    return Share(count / rows, low, high)


class Evidence:
    """Evidence that a chance has become larger than expected, at some time.

    It is a bet against "at most ``expected``": of a capital of 1 a part is staked on each growth of the odds and each
    time at which it may have begun, and grows with the likelihood ratio from then on. If the chance is what it should
    be, the capital is a non-negative supermartingale, so that it ever reaches 1 / alpha with a chance of at most alpha,
    whenever one looks. Stakes on later times fall with 1 / t^2: a change that begins after t texts needs 2 log t more.

    Attributes:
        log: natural logarithm of the capital.

    Source: Ville 1939; Ramdas et al., "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical Science
    2023, §2-3 (e-processes and their mixtures); Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024 (one bet for each
    time of change, updated together).
    """

    def __init__(self, expected: float) -> None:
        odds = _GROWN * expected / (1.0 - expected)
        grown = odds / (1.0 + odds)
        self._if_seen = np.log(grown / expected)
        self._if_not = np.log((1.0 - grown) / (1.0 - expected))
        self._capital = np.full(len(_GROWN), -np.inf)
        self._looked = 0
        self.log = 0.0

    def add(self, seen: bool) -> None:
        """Takes the next observation."""
        self._looked += 1
        stake = -math.log(self._looked) - math.log(self._looked + 1) - math.log(len(_GROWN))
        self._capital = np.logaddexp(self._capital, stake) + (self._if_seen if seen else self._if_not)
        # What is not staked yet: the sum of 1 / (t (t + 1)) over the times to come.
        self.log = float(np.logaddexp(np.logaddexp.reduce(self._capital), -math.log(self._looked + 1)))


class Drift:
    """Watches how often an early answer differs from full depth.

    Args:
        expected: share of answers that may differ; None to learn it from the first audits.

    Attributes:
        expected: None while it is learned.
        alarm: the share has grown beyond doubt; stays until the monitor is made anew.
        audits: texts compared.
    """

    def __init__(self, expected: float | None) -> None:
        self.expected: float | None = None
        self.alarm = False
        self.audits = 0
        self._level = ALPHA
        self._evidence: Evidence | None = None
        self._differing = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        if expected is not None:
            self._expect(expected)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence; the alarm is raised at :attr:`log_needed`."""
        return 0.0 if self._evidence is None else self._evidence.log

    @property
    def log_needed(self) -> float:
        """Where the alarm is raised."""
        return -math.log(self._level)

    def recent(self) -> Share:
        """Share of the last thousand audited texts whose answer differed."""
        return share(sum(self._recent), len(self._recent))

    def add(self, differs: bool) -> bool:
        """Takes an audited text; tells whether it raised the alarm."""
        self.audits += 1
        self._differing += differs
        self._recent.append(differs)
        if self._evidence is None:
            if self.audits == LEARNED_FROM:
                # The bound fails with half of the chance allowed, and the test with the other half.
                self._level = ALPHA / 2
                self._expect(share(self._differing, self.audits, 1.0 - ALPHA).high)
            return False
        self._evidence.add(differs)
        raised = not self.alarm and self._evidence.log >= self.log_needed
        self.alarm |= raised
        return raised

    def _expect(self, expected: float) -> None:
        self.expected = min(max(expected, _LEAST), 0.99)
        self._evidence = Evidence(self.expected)
