"""Whether what operating points promise holds on the evaluated rows."""

from collections.abc import Sequence
from enum import StrEnum

import scipy

from offramp.evaluation.result import OperatingPointHere
from offramp.policy import Risk

# A promise counts as broken where chance explains what is seen in less than this share of cases, over all points.
SIGNIFICANT = 0.05


class Standing(StrEnum):
    """How a promise stands on some rows.

    Members:
        KEPT: the risk is at most what was promised.
        CHANCE: it is above, by no more than chance explains on so few rows.
        BROKEN: it is above by more than that.
    """

    KEPT = "kept"
    CHANCE = "above, within chance"
    BROKEN = "broken"


def risk_here(here: OperatingPointHere) -> float:
    """An operating point's risk on the evaluated rows: what was promised, or else disagreement."""
    drop = here.promise is not None and here.promise.risk is Risk.ACCURACY_DROP
    return -here.point.accuracy_difference.value if drop else 1.0 - here.point.agreement


def standings(points: Sequence[OperatingPointHere], rows: int) -> list[Standing | None]:
    """How each point's promise stands, None where it has none; they are judged together.

    Args:
        points: all operating points that were evaluated.
        rows: that they were evaluated on.
    """
    promised = sum(here.promise is not None for here in points)
    return [_standing(here, rows, promised) for here in points]


def _standing(here: OperatingPointHere, rows: int, promised: int) -> Standing | None:
    if here.promise is None:
        return None
    target = here.promise.target
    if risk_here(here) <= target + 1e-9:  # differences of shares are not exact in floating point
        return Standing.KEPT
    if here.promise.risk is Risk.ACCURACY_DROP:
        broken = -here.point.accuracy_difference.high > target
    else:
        differing = round(rows * (1.0 - here.point.agreement))
        broken = scipy.stats.binomtest(differing, rows, target, alternative="greater").pvalue * promised < SIGNIFICANT
    return Standing.BROKEN if broken else Standing.CHANCE
