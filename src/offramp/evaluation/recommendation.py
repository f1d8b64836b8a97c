"""Which way to run the model: early exit, the network cut off after one of its exits, or full depth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offramp.evaluation.constant import ConstantAnswer, learned_nothing
from offramp.evaluation.intervals import least_rows
from offramp.evaluation.promises import Standing, standings
from offramp.evaluation.result import EvaluatedPoint, Point, PromiseHere
from offramp.policy import Risk

# Losses of accuracy that are tried in turn. Most people would accept the first.
LOSSES = (0.003, 0.01)

# On fewer rows, not even a setting that changes no answer can be shown to lose so little.
LEAST_ROWS = least_rows(LOSSES[-1])

# A smaller speed-up is not worth another moving part.
LEAST_SPEEDUP = 1.2

# Speeds that differ by less count as equal.
_TIE = 0.05


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The setting to use, and its rivals; those but ``simpler`` lose at most ``loss``, and are None if none does.

    Attributes:
        point: the setting to use.
        loss: the loss of accuracy that was allowed.
        early: the setting itself if it is an early exit, else the fastest early exit.
        promised: the fastest operating point with a promise.
        broken: the fastest operating point that was left out because its promise is broken on these rows.
        cut: the fastest cut network.
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
    operating_points: Sequence[EvaluatedPoint],
    truncated: Sequence[Point],
    constant: ConstantAnswer,
) -> Recommendation:
    """Chooses a setting at the least loss of accuracy that buys a worthwhile speed-up.

    Thresholds and operating points compete on equal terms, so no early exit that loses so little is clearly faster than
    the chosen one. Three kinds of settings do not take part: operating points whose promise is broken on these rows,
    those that hand rows over, whose errors are not compared with others', and settings at which all rows leave at the
    same exit, which are cut networks by another name. Among equally fast settings, the one with the strictest promise
    wins.

    For a model that has learned nothing, no setting is better than full depth; see :func:`learned_nothing`.

    Args:
        constant: the best constant answer on the same rows.
    """
    judged = zip(operating_points, standings(operating_points), strict=True)
    competing = [
        (entry, Standing.BROKEN in standing)
        for entry, standing in judged
        if entry.point.chooses and entry.handing_over is None
    ]
    broken = [entry.point for entry, is_broken in competing if is_broken]
    promises: dict[Point, tuple[PromiseHere, ...]] = {point: () for point in thresholds if point.chooses}
    promises |= {entry.point: entry.promises for entry, is_broken in competing if not is_broken}
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
        promised=fastest_within([point for point, kept in promises.items() if kept], full, loss),
        broken=fastest_within(broken, full, loss),
        cut=cut,
        simpler=fastest_within(truncated, full, LOSSES[-1]),
    )


def fastest_within(points: Sequence[Point], full: Point, loss: float) -> Point | None:
    """The fastest timed point whose accuracy is at most ``loss`` (a share, not percent) below full depth."""
    return max(_within(points, full, loss), key=lambda point: point.speedup, default=None)


def _within(points: Sequence[Point], full: Point, loss: float) -> list[Point]:
    least = full.accuracy - loss - 1e-9  # differences of accuracies are not exact in floating point
    return [point for point in points if point.accuracy >= least and not point.computed]


def _best(promises: Mapping[Point, Sequence[PromiseHere]], within: Sequence[Point], cut: Point | None) -> Point | None:
    """The worthwhile early exit with the strictest promise among those that nothing beats."""
    early = [point for point in within if _worth_while(point)]
    unbeaten = [
        point
        for point in early
        if not any(_clearly_faster(other, point) for other in early) and not (cut is not None and _beats(cut, point))
    ]
    return min(unbeaten, key=lambda point: _laxity(point, promises[point]), default=None)


def _clearly_faster(first: Point, second: Point) -> bool:
    apart = first.speedup_spread[0] > second.speedup_spread[1]
    return apart and second.speedup < (1 - _TIE) * first.speedup


def _laxity(point: Point, promises: Sequence[PromiseHere]) -> tuple[float, ...]:
    """A sorting key: promises with a confidence first, then low targets, disagreement before accuracy, and speed."""
    speed = -point.speedup
    limits = [here.promise.limit for here in promises]
    if not limits:
        return (1, 0, 0, 0, speed)
    unsure = any(here.promise.confidence is None for here in promises)
    agreeing = any(limit.risk is Risk.DISAGREEMENT for limit in limits)
    return (0, unsure, min(limit.target for limit in limits), not agreeing, speed)


def _worth_while(point: Point) -> bool:
    return point.speedup >= LEAST_SPEEDUP


def _beats(cut: Point, early: Point) -> bool:
    """Whether the cut network is clearly faster, or at least as fast and at least as accurate."""
    clearly = cut.speedup_spread[0] > early.speedup_spread[1]
    return clearly or (cut.speedup >= early.speedup and cut.accuracy >= early.accuracy)
