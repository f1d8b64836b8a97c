"""Answers among which some are handed over: how many are answered, and how often those are right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.policy import ExitAnswers, Interval, Replay
from offramp.policy.bounds import exact_interval

# Points of a curve: enough to draw it, few enough to keep.
_POINTS = 100
# Fewer answers say hardly anything of how often answers are wrong.
_LEAST = 20


@dataclass(frozen=True, slots=True)
class HandingOver:
    """What a rule hands over on some rows.

    Attributes:
        answered: rows that are answered.
        handed_over: rows that are not.
        accuracy: share of the answered that are right, with its 95 % interval; None if none is answered.
        full_accuracy: share of the same rows that full depth answers right; None if there is none.
        agreement: share of them that full depth answers alike; None if there is none.
    """

    answered: int
    handed_over: int
    accuracy: Interval | None
    full_accuracy: float | None
    agreement: float | None

    @property
    def coverage(self) -> float:
        """Share of the rows that are answered."""
        return self.answered / (self.answered + self.handed_over)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """How often answers are wrong if only the surest of them are given, and all other rows are handed over.

    Attributes:
        setting: that answers, in words.
        coverages: shares of the rows that are answered, rising to 1, (points,).
        errors: share of these that are wrong, (points,).
        area: mean error over all coverages; 0 if all that are right are surer than all that are wrong, and none is.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 2010 (the curve);
    Geifman, Uziel and El-Yaniv, ICLR 2019 (its area).
    """

    setting: str
    coverages: tuple[float, ...]
    errors: tuple[float, ...]
    area: float


def handing_over(answers: ExitAnswers, replayed: Replay) -> HandingOver:
    """What the replay of a rule hands over.

    Raises:
        DataError: the rows have no labels.
    """
    answered = ~replayed.handed_over
    rows, given = int(answered.sum()), replayed.probabilities
    if not rows:
        return HandingOver(0, len(answered), None, None, None)
    right, full_right, alike = (
        int(known.sum(where=answered))
        for known in (answers.right(given), answers.right(answers.full), answers.agree(given))
    )
    accuracy = Interval(right / rows, *exact_interval(right, rows))
    return HandingOver(rows, len(answered) - rows, accuracy, full_right / rows, alike / rows)


def risk_coverage(setting: str, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> RiskCoverage:
    """The curve of some answers, at least one.

    Args:
        setting: that answers, in words.
        confidence: how sure each answer is, (rows,); rows that are equally sure are answered together.
        right: whether it is right, (rows,).
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
    wrong = np.cumsum(~right[order])[ends]
    errors, coverages = wrong / (ends + 1), (ends + 1) / len(right)
    area = float(np.average(errors, weights=np.diff(ends, prepend=-1)))
    drawn = ends + 1 >= min(_LEAST, len(right))
    errors, coverages = errors[drawn], coverages[drawn]
    kept = np.unique(np.searchsorted(coverages, np.linspace(coverages[0], 1.0, _POINTS)).clip(max=len(coverages) - 1))
    return RiskCoverage(setting, tuple(coverages[kept].tolist()), tuple(errors[kept].tolist()), area)
