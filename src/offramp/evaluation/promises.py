"""Whether the promises of operating points hold on the evaluated rows."""

from collections.abc import Sequence
from enum import StrEnum

import scipy

from offramp.evaluation.result import EvaluatedPoint
from offramp.policy import Risk

# A promise counts as broken if chance would explain the result in less than this share of cases, over all points.
SIGNIFICANT = 0.05


class Standing(StrEnum):
    """Whether a promise holds on some rows.

    Members:
        KEPT: the risk is at most what was promised.
        CHANCE: it is above that, by no more than chance explains on so few rows.
        BROKEN: it is above that by more than chance explains.
    """

    KEPT = "kept"
    CHANCE = "above, within chance"
    BROKEN = "broken"


def observed_risk(entry: EvaluatedPoint) -> float:
    """An operating point's risk on the evaluated rows: the promised one, or disagreement without a promise."""
    drop = entry.promise is not None and entry.promise.risk is Risk.ACCURACY_DROP
    return -entry.point.accuracy_difference.value if drop else 1.0 - entry.point.agreement


def standings(points: Sequence[EvaluatedPoint], rows: int) -> list[Standing | None]:
    """The standing of each point's promise, judged together; None for a point without a promise.

    Args:
        points: all operating points that were evaluated.
        rows: number of rows they were evaluated on.
    """
    promised = sum(entry.promise is not None for entry in points)
    return [_standing(entry, rows, promised) for entry in points]


def _standing(entry: EvaluatedPoint, rows: int, promised: int) -> Standing | None:
    if entry.promise is None:
        return None
    target = entry.promise.target
    if observed_risk(entry) <= target + 1e-9:  # differences of shares are not exact in floating point
        return Standing.KEPT
    if entry.promise.risk is Risk.ACCURACY_DROP:
        broken = -entry.point.accuracy_difference.high > target
    else:
        differing = round(rows * (1.0 - entry.point.agreement))
        broken = scipy.stats.binomtest(differing, rows, target, alternative="greater").pvalue * promised < SIGNIFICANT
    return Standing.BROKEN if broken else Standing.CHANCE
