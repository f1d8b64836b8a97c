"""Whether early answers still agree with full depth, found out by running a few texts to the end."""

import math
from collections import deque

import numpy as np

from offramp.drift.evidence import ALPHA, LEAST, MOST, Evidence, Share, share
from offramp.policy import OperatingPoint, Risk

# Audits from which the expected disagreement is learned where nobody knows it.
LEARNED_FROM = 300
_RECENT = 1000


def expected_disagreement(point: OperatingPoint) -> float:
    """How often answers may differ from full depth: as promised, or else as seen when the point was tuned."""
    seen = point.seen
    for limit in (promise.limit for promise in point.promises):
        if limit.risk is Risk.DISAGREEMENT and limit.kept_at_full_depth and not limit.conditional:
            return limit.target
    return share(round(seen.disagreement * seen.rows), seen.rows, 1.0 - ALPHA).high


class Audits:
    """Watches how often an early answer differs from full depth: whether a promise is at risk.

    Args:
        expected: share of answers that may differ; None to learn it from the first audits.

    Attributes:
        expected: None while it is learned.
        raised: the number of the audit that raised the alarm, from 1; it stays until the audits are made anew.
        looked: texts compared.
    """

    def __init__(self, expected: float | None) -> None:
        self.expected: float | None = None
        self.raised: int | None = None
        self.looked = 0
        self._level = ALPHA
        self._evidence: Evidence | None = None
        self._differing = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        if expected is not None:
            self._expect(expected)

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of the evidence; the alarm is raised at :attr:`log_needed`."""
        return 0.0 if self._evidence is None else float(self._evidence.log[0])

    @property
    def log_needed(self) -> float:
        """Where the alarm is raised."""
        return -math.log(self._level)

    def __str__(self) -> str:
        found = self.recent()
        if self.expected is None or math.isnan(found.value):
            return f"{self.looked} answers compared with full depth"
        return (
            f"of the last {len(self._recent)} answers compared with full depth {found.value:.1%} differ "
            f"(95 % interval {found.low:.1%} to {found.high:.1%}), expected at most {self.expected:.1%}"
        )

    def recent(self) -> Share:
        """Share of the last thousand audited texts whose answer differed."""
        return share(sum(self._recent), len(self._recent))

    def add(self, differs: bool) -> bool:
        """Takes an audited text; tells whether it raised the alarm."""
        self.looked += 1
        self._differing += differs
        self._recent.append(differs)
        if self._evidence is None:
            if self.looked == LEARNED_FROM:
                # The bound fails with half of the chance allowed, and the test with the other half.
                self._level = ALPHA / 2
                self._expect(share(self._differing, self.looked, 1.0 - ALPHA).high)
            return False
        self._evidence.add(np.array([[differs]]), np.array([[self.expected]]))
        raises = self.raised is None and self.log_evidence >= self.log_needed
        if raises:
            self.raised = self.looked
        return raises

    def _expect(self, expected: float) -> None:
        self.expected = min(max(expected, LEAST), MOST)
        self._evidence = Evidence()
