"""An alarm: several detectors that share the chance of ever raising it falsely."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.drift.evidence import ALPHA, Evidence

PROMISE_AT_RISK = "promise at risk"
"""Early answers differ from full depth more often than they may."""

TEXTS_HAVE_CHANGED = "texts have changed"
"""Texts are unlike those that the operating point was tuned on, so whatever is promised is void."""

# Of so many texts figures are shown.
RECENT = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """What a detector shows.

    Attributes:
        detector: what it looks at, such as ``longer than 95 % of the calibration texts``.
        seen: share of the last texts it looked at in which it was so; None without any.
        expected: what that was expected to be at most.
        log_evidence: natural logarithm of the evidence, now.
        log_needed: where the alarm is raised.
    """

    detector: str
    seen: float | None
    expected: float | None
    log_evidence: float
    log_needed: float

    def __str__(self) -> str:
        if self.seen is None or self.expected is None:
            return f"{self.detector}: none seen"
        return f"{self.detector}: {self.seen:.1%} of the last texts, expected at most {self.expected:.1%}"


class Alarm:
    """An alarm with several detectors; it stays raised until it is made anew.

    Args:
        detectors: what each looks at, in words.
        alpha: chance that any of them ever raises it falsely; each has an equal part.

    Attributes:
        looked: texts seen.
        raised: the number of the text that raised it, from 1; None if none has.
        cause: what was found then; None if nothing was.

    Source: the union bound; the evidence of each detector is a test of its own.
    """

    def __init__(self, detectors: Sequence[str], alpha: float = ALPHA) -> None:
        self.looked = 0
        self.raised: int | None = None
        self.cause: Figures | None = None
        self._detectors = tuple(detectors)
        self._needed = math.log(max(1, len(detectors)) / alpha)
        self._evidence = Evidence(len(detectors))
        self._seen = np.empty((0, len(detectors)), np.bool_)
        self._expected = np.empty((0, len(detectors)))

    def add(self, seen: NDArray[np.bool_], expected: NDArray[np.float64]) -> bool:
        """Takes the next texts; tells whether they raised the alarm.

        Args:
            seen: whether what a detector looks for was so, (texts, detectors).
            expected: what the chance of it was at most, (texts, detectors); NaN where it could not look.
        """
        logs = self._evidence.add(seen, expected)
        self._seen = np.concatenate([self._seen, seen])[-RECENT:]
        self._expected = np.concatenate([self._expected, expected])[-RECENT:]
        reached = np.flatnonzero((logs >= self._needed).any(axis=1))
        raises = self.raised is None and bool(len(reached))
        if raises:
            self.raised = self.looked + int(reached[0]) + 1
            self.cause = max(self.figures(), key=lambda one: one.log_evidence)
        self.looked += len(seen)
        return raises

    def figures(self) -> list[Figures]:
        """What each detector has found."""
        looks = ~np.isnan(self._expected)
        counts = looks.sum(axis=0)
        seen = (self._seen & looks).sum(axis=0)
        expected = np.nansum(self._expected, axis=0)
        return [
            Figures(
                detector,
                float(hits / rows) if rows else None,
                float(total / rows) if rows else None,
                float(log),
                self._needed,
            )
            for detector, hits, total, rows, log in zip(
                self._detectors, seen, expected, counts, self._evidence.log, strict=True
            )
        ]
