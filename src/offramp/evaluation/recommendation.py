"""Which way to run the model: early exit, the network cut off after one of its exits, or full depth."""

from collections.abc import Sequence
from dataclasses import dataclass

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
        early: the best early exit that loses no more; None if there is none.
        cut: the fastest cut network that loses no more; None if there is none.
        simpler: the fastest cut network at the largest loss of :data:`LOSSES`.
    """

    point: Point
    loss: float
    early: Point | None
    cut: Point | None
    simpler: Point | None


def recommend(
    full: Point,
    thresholds: Sequence[Point],
    operating_points: Sequence[OperatingPointHere],
    truncated: Sequence[Point],
    rows: int,
) -> Recommendation:
    """Chooses at the least loss of accuracy at which anything is worth while.

    Early exit stands for the operating points, but those whose promise is broken on these rows, or, where none loses so
    little, for the thresholds: one that is best on these rows was picked on them, an operating point was not. Of those
    that are as fast, the one with the strictest promise counts.

    Args:
        rows: that everything was measured on.
    """
    sound = [
        here
        for here, standing in zip(operating_points, standings(operating_points, rows), strict=True)
        if here.point.chooses and standing is not Standing.BROKEN
    ]
    promises = {here.point: here.promise for here in sound}
    plain: dict[Point, Promise | None] = {point: None for point in thresholds if point.chooses}
    simpler = _fastest(_within(truncated, full, LOSSES[-1]))
    for loss in LOSSES:
        early = _best(promises, full, loss) or _best(plain, full, loss)
        cut = _fastest(_within(truncated, full, loss))
        if early is not None and _worth_while(early) and not (cut is not None and _beats(cut, early)):
            return Recommendation(early, loss, early, cut, simpler)
        if cut is not None and _worth_while(cut):
            return Recommendation(cut, loss, early, cut, simpler)
    return Recommendation(full, LOSSES[-1], early, cut, simpler)


def fastest_within(points: Sequence[Point], full: Point, loss: float) -> Point | None:
    """The fastest point whose accuracy is at most ``loss`` (a share, not per cent) below full depth."""
    return _fastest(_within(points, full, loss))


def _within(points: Sequence[Point], full: Point, loss: float) -> list[Point]:
    least = full.accuracy - loss - 1e-9  # differences of accuracies are not exact in floating point
    return [point for point in points if point.accuracy >= least]


def _fastest(points: Sequence[Point]) -> Point | None:
    return max(points, key=lambda point: point.measured_speedup, default=None)


def _best(promises: dict[Point, Promise | None], full: Point, loss: float) -> Point | None:
    """Of the points that lose little the strictest among those that are as fast as the fastest."""
    good = _within(list(promises), full, loss)
    fastest = _fastest(good)
    if fastest is None:
        return None
    return min((point for point in good if _ties(point, fastest)), key=lambda point: _laxity(point, promises[point]))


def _ties(point: Point, fastest: Point) -> bool:
    overlap = point.measured_speedup_spread[1] >= fastest.measured_speedup_spread[0]
    return overlap or point.measured_speedup >= (1 - _TIE) * fastest.measured_speedup


def _laxity(point: Point, promise: Promise | None) -> tuple[float, ...]:
    """What sorts the strictest promise first: for all rows alike, of the least risk, that of the same answers."""
    speed = -point.measured_speedup
    if promise is None:
        return (1, 0, 0, 0, speed)
    return (0, promise.confidence is None, promise.target, promise.risk is not Risk.DISAGREEMENT, speed)


def _worth_while(point: Point) -> bool:
    return point.measured_speedup >= LEAST_SPEEDUP


def _beats(cut: Point, early: Point) -> bool:
    """Clearly faster, or at least as fast and at least as accurate."""
    clearly = cut.measured_speedup_spread[0] > early.measured_speedup_spread[1]
    return clearly or (cut.measured_speedup >= early.measured_speedup and cut.accuracy >= early.accuracy)
