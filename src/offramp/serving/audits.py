"""A few early answers are compared with full depth, when the server has nothing else to do."""

import logging
import random
from collections import deque

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.drift import PROMISE_AT_RISK, Audits
from offramp.serving.computing import RowAnswer
from offramp.serving.jobs import Job
from offramp.serving.operating import full_depth

logger = logging.getLogger("offramp.serving")

# Audits that may wait at once; where there is no idle time, further ones are left out, and counted.
_WAITING = 256
_RECENT = 1000


class Auditor:
    """Draws texts at random, and has them computed once more to the end.

    Args:
        problem: one label or a set of labels.
        last: index of the last exit.
        chance: that a text is drawn.
        expected: share of answers that may differ from full depth; None to learn it.

    Attributes:
        found: whether early answers differ more often than they may.
        skipped: texts that were drawn but not compared, because the server had no idle time.
        confidences: of the last texts answered.
    """

    def __init__(
        self, problem: Problem, last: int, chance: float, expected: float | None, seed: int | None = None
    ) -> None:
        self._problem = problem
        self._last = last
        self._chance = chance
        self._expected = expected
        self._random = random.Random(seed)
        self._waiting = 0
        self._full_depth = full_depth(problem)
        self.skipped = 0
        self.found = Audits(expected)
        self.confidences: deque[float] = deque(maxlen=_RECENT)

    def reset(self) -> None:
        """Forgets what was found, the alarm included."""
        self.found = Audits(self._expected)

    def sample(self, answer: RowAnswer) -> Job | None:
        """Takes an answer; gives the job that audits it, if it was given at the ordinary point and is drawn.

        A text that was handed over has no answer.
        """
        if not answer.row.in_force or answer.handed_over:
            return None
        self.confidences.append(float(self._problem.confidence(answer.probabilities, answer.exit)))
        if self._random.random() >= self._chance:
            return None
        if answer.exit == (self._last if answer.row.end is None else answer.row.end):
            self._note(False)
            return None
        if self._waiting >= _WAITING:
            self.skipped += 1
            return None
        self._waiting += 1
        early = answer.probabilities

        def done(job: Job, error: Exception | None) -> None:
            self._waiting -= 1
            if error is None:
                self._note(not self._agree(early, job.probabilities[0]))

        return answer.row.job.alone(answer.row.position, self._full_depth, done)

    def mean_confidence(self) -> float:
        """Of the last thousand texts answered at the ordinary operating point."""
        return float(np.mean(self.confidences)) if self.confidences else float("nan")

    def _agree(self, early: NDArray[np.float64], full: NDArray[np.float64]) -> bool:
        return bool(self._problem.agree(early[None], full[None])[0])

    def _note(self, differs: bool) -> None:
        if self.found.add(differs):
            logger.warning("alarm: %s: %s", PROMISE_AT_RISK, self.found)
