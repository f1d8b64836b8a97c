"""Which way to run the model: early exit, the network cut off after one of its exits, or full depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offramp.evaluation.constant import ConstantAnswer, learned_nothing
from offramp.evaluation.intervals import least_rows
from offramp.evaluation.promises import Standing, standings
from offramp.evaluation.result import OperatingPointHere, Point
from offramp.policy import Promise, Risk

# Losses of accuracy that are tried, one after the other. Most would accept the first.
LOSSES = (0.003, 0.01)

# On fewer rows not even a setting that changes no answer can be shown to lose so little.
LEAST_ROWS = least_rows(LOSSES[-1])

# Less than this is not worth another moving part.
LEAST_SPEEDUP = 1.2

# Speeds that differ by less are the same to whoever chooses.
_TIE = 0.05


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting to use, and what it was chosen from.

    Attributes:
        point: the setting.
        loss: of accuracy, that was allowed.
        early: of the early exits that lose no more, the setting itself or else the fastest; None if there is none.
        promised: the fastest operating point with a promise that loses no more; None if there is none.
        broken: the fastest operating point that loses no more and was left out since its promise is broken on these
            rows; None if there is none.
        cut: the fastest cut network that loses no more; None if there is none.
        simpler: the fastest cut network at the largest loss of :data:`LOSSES`.
    """

    point: Point
    loss: float
    early: Point | None
    promised: Point | None
    broken: Point | None
    cut: Point | None
    simpler: Point | None


def recommend(
    full: Point,
    thresholds: Sequence[Point],
    operating_points: Sequence[OperatingPointHere],
    truncated: Sequence[Point],
    rows: int,
    constant: ConstantAnswer,
) -> Recommendation:
    """Chooses at the least loss of accuracy at which anything is worth while.

    Thresholds and operating points are compared alike, so that no early exit that loses so little is clearly faster
    than the one that is chosen. Operating points whose promise is broken on these rows do not take part, and neither
    do settings at which all rows leave at the same exit: those are cut networks by another name. Of settings that are
    as fast, the one with the strictest promise is taken.

    Of a model that has learned nothing no setting is better than full depth; see :func:`learned_nothing`.

    Args:
        rows: that everything was measured on.
        constant: the best constant answer on the same rows.
    """
    judged = list(zip(operating_points, standings(operating_points, rows), strict=True))
    broken = [here.point for here, standing in judged if standing is Standing.BROKEN and here.point.chooses]
    promises: dict[Point, Promise | None] = {point: None for point in thresholds if point.chooses}
    promises |= {
        here.point: here.promise for here, standing in judged if standing is not Standing.BROKEN and here.point.chooses
    }
    chosen, nothing = None, learned_nothing([point.accuracy for point in (full, *truncated)], constant)
    for loss in LOSSES:
        cut = fastest_within(truncated, full, loss)
        best = _best(promises, _within(list(promises), full, loss), cut)
        chosen = None if nothing else best or (cut if cut is not None and _worth_while(cut) else None)
        if chosen is not None:
            break
    return Recommendation(
        point=chosen or full,
        loss=loss,
        early=best or fastest_within(list(promises), full, loss),
        promised=fastest_within([point for point, promise in promises.items() if promise is not None], full, loss),
        broken=fastest_within(broken, full, loss),
        cut=cut,
        simpler=fastest_within(truncated, full, LOSSES[-1]),
    )


def fastest_within(points: Sequence[Point], full: Point, loss: float) -> Point | None:
    """The fastest timed point whose accuracy is at most ``loss`` (a share, not per cent) below full depth."""
    return max(_within(points, full, loss), key=lambda point: point.speedup, default=None)


def _within(points: Sequence[Point], full: Point, loss: float) -> list[Point]:
    least = full.accuracy - loss - 1e-9  # differences of accuracies are not exact in floating point
    return [point for point in points if point.accuracy >= least and not point.computed]


def _best(promises: Mapping[Point, Promise | None], within: Sequence[Point], cut: Point | None) -> Point | None:
    """Of the early exits that are worth while the strictest among those that nothing beats."""
    early = [point for point in within if _worth_while(point)]
    unbeaten = [
        point
        for point in early
        if not any(_clearly_faster(other, point) for other in early) and not (cut is not None and _beats(cut, point))
    ]
    return min(unbeaten, key=lambda point: _laxity(point, promises[point]), default=None)


def _clearly_faster(one: Point, other: Point) -> bool:
    apart = one.speedup_spread[0] > other.speedup_spread[1]
    return apart and other.speedup < (1 - _TIE) * one.speedup


def _laxity(point: Point, promise: Promise | None) -> tuple[float, ...]:
    """What sorts the strictest promise first: for all rows alike, of the least risk, that of the same answers."""
    speed = -point.speedup
    if promise is None:
        return (1, 0, 0, 0, speed)
    return (0, promise.confidence is None, promise.target, promise.risk is not Risk.DISAGREEMENT, speed)


def _worth_while(point: Point) -> bool:
    return point.speedup >= LEAST_SPEEDUP


def _beats(cut: Point, early: Point) -> bool:
    """Clearly faster, or at least as fast and at least as accurate."""
    clearly = cut.speedup_spread[0] > early.speedup_spread[1]
    return clearly or (cut.speedup >= early.speedup and cut.accuracy >= early.accuracy)
