"""Accuracy against measured speed-up: the frontier of early exit, and the network cut off at each exit beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from offramp.evaluation import Evaluation, Point, Way
from offramp.report.frame import Axis, Frame
from offramp.report.labels import Box, Label, Placed, place
from offramp.report.svg import CIRCLE, DIAMOND, FOCUS, SQUARE, Shape, element, line, picture, polyline, text
from offramp.report.words import span, times

WIDTH, HEIGHT = 440.0, 340.0

# Settings that lose more accuracy than this, in points, are listed below the chart, so that the rest has room.
DEEPEST = 5.0
# Speed-ups further apart than this factor are drawn on a logarithmic axis.
_WIDE = 8.0
# Room on both sides, as a share of the range.
_ASIDE = 0.06
# A sentence lists no more settings than this.
_MOST_NAMED = 8

_SHAPES = {Way.THRESHOLD: CIRCLE, Way.OPERATING_POINT: DIAMOND, Way.ALONE: SQUARE, Way.CUT: SQUARE, Way.FULL: CIRCLE}


@dataclass(frozen=True, slots=True)
class Spot:
    """A setting's place in the chart, with its uncertainty.

    Attributes:
        name: the setting, in full.
        short: the label beside it in the chart.
        x, x_low, x_high: speed-up and its quartiles.
        y, y_low, y_high: accuracy in percent; full depth's accuracy plus each end of the difference's 95 % interval.
        computed: whether the speed-up was computed and not timed.
        beaten: whether another setting of early exit is as fast and as accurate, and better at one of both.
    """

    name: str
    short: str
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    shape: Shape
    computed: bool
    beaten: bool = False

    @property
    def mark(self) -> Shape:
        """What is drawn: hollow where it was not timed, and faint where it is beaten, unless it is in focus."""
        shape = self.shape.hollow if self.computed else self.shape
        return shape.faint if self.beaten and self.shape is not FOCUS else shape

    @property
    def has_whiskers(self) -> bool:
        """Whether its uncertainty is drawn: of what was timed and is not beaten."""
        return self.mark.class_ == self.shape.class_

    @property
    def hint(self) -> str:
        """The setting with its figures."""
        if self.computed:
            return f"{self.name}: {self.y:.2f} %, {times(self.x, 2)} (computed)"
        quartiles = "" if self.x_low == self.x_high else f" ({span(times(self.x_low, 2), times(self.x_high, 2))})"
        return f"{self.name}: {self.y:.2f} %, {times(self.x, 2)}{quartiles}"


@dataclass(frozen=True, slots=True)
class SpeedChart:
    """The settings that a chart shows.

    Attributes:
        early: thresholds, from the slowest to the fastest.
        named: operating points.
        cut: the network cut off at each exit but the last.
        full_accuracy: in percent.
        unseen: settings too inaccurate to be drawn.
    """

    early: tuple[Spot, ...]
    named: tuple[Spot, ...]
    cut: tuple[Spot, ...]
    full_accuracy: float
    unseen: tuple[Spot, ...]

    @property
    def frontier(self) -> list[Spot]:
        """Thresholds and operating points that no other one beats, from the slowest to the fastest."""
        return sorted((spot for spot in (*self.early, *self.named) if not spot.beaten), key=lambda spot: spot.x)

    @property
    def seen(self) -> list[Spot]:
        """The settings that are drawn."""
        return [spot for spot in (*self.named, *self.early, *self.cut) if spot not in self.unseen]

    @property
    def description(self) -> str:
        """All figures, for those who cannot see the chart."""
        return "; ".join(spot.hint for spot in (*self.named, *self.early, *self.cut))


def speed_chart(evaluation: Evaluation) -> SpeedChart:
    """The settings of an evaluation, by accuracy and measured speed-up."""
    full = 100 * evaluation.full.accuracy

    def spot(point: Point) -> Spot:
        (slowest, fastest), change = point.speedup_spread, point.accuracy_difference
        y, lowest, highest = (full + 100 * to for to in (change.value, change.low, change.high))
        shape = FOCUS if point == evaluation.focus.point else _SHAPES[point.way]
        x, computed = point.speedup, point.computed
        return Spot(point.setting, _short(point), x, slowest, fastest, y, lowest, highest, shape, computed)

    thresholds = [spot(point) for point in evaluation.points]
    named = [spot(entry.point) for entry in evaluation.operating_points]
    cut = [spot(point) for point in evaluation.truncated]
    rivals = [*thresholds, *named]
    thresholds, named = (
        [replace(one, beaten=any(_beats(other, one) for other in rivals)) for one in some]
        for some in (thresholds, named)
    )
    return SpeedChart(
        early=tuple(sorted(thresholds, key=lambda one: one.x)),
        named=tuple(named),
        cut=tuple(cut),
        full_accuracy=full,
        unseen=tuple(one for one in (*thresholds, *named, *cut) if one.y < full - DEEPEST),
    )


def draw(chart: SpeedChart, name: str) -> Markup:
    """Draws a chart for the page; arguments as those of :func:`field`."""
    title, inside = "Accuracy against measured speed-up", field(chart, name)
    return picture(WIDTH, HEIGHT, title, chart.description, inside, name=name)


def field(chart: SpeedChart, name: str) -> Markup:
    """Draws the content of a chart.

    Args:
        chart: the settings it shows.
        name: unique among the pictures of a page.
    """
    frame = _frame(chart)
    spots = chart.seen
    inside = element(
        "g",
        line(frame.field.left, frame.y(chart.full_accuracy), frame.field.right, frame.y(chart.full_accuracy), "full"),
        polyline([(frame.x(spot.x), frame.y(spot.y)) for spot in chart.frontier], "early"),
        *(_whiskers(spot, frame) for spot in spots if spot.has_whiskers),
        clip_path=f"url(#{name}-field)",
    )
    return Markup("").join(
        [
            frame.clip(f"{name}-field"),
            frame.draw(),
            inside,
            *(spot.mark.at(frame.x(spot.x), frame.y(spot.y), spot.hint) for spot in reversed(spots)),
            *(_name(placed) for placed in _labels(chart, frame)),
        ]
    )


def named(spots: Sequence[Spot]) -> str:
    """A list of settings with their figures, for a sentence; empty for none."""
    listed = [f"{spot.name} ({spot.y:.1f}\u202f%, {times(spot.x)})" for spot in spots[:_MOST_NAMED]]
    unnamed = len(spots) - len(listed)
    return ", ".join(listed) + (f" and {unnamed} more" if unnamed else "")


def _beats(one: Spot, other: Spot) -> bool:
    return one.x >= other.x and one.y >= other.y and (one.x, one.y) != (other.x, other.y)


def _short(point: Point) -> str:
    if point.way is Way.THRESHOLD:
        return f"{point.threshold:g}"
    return point.name or point.setting.replace("layer ", "")


def _frame(chart: SpeedChart) -> Frame:
    spots = chart.seen
    lowest = min([chart.full_accuracy, *(spot.y_low for spot in spots)])
    highest = max([chart.full_accuracy, *(spot.y_high for spot in spots)])
    lowest = max(lowest, chart.full_accuracy - DEEPEST - 1)
    room = max(0.1, 0.08 * (highest - lowest))
    fastest = max([1.2, *(spot.x_high for spot in spots)])
    slowest = min([1.0, *(spot.x_low for spot in spots)])
    return Frame(
        WIDTH,
        HEIGHT,
        _across(slowest, fastest),
        Axis("Accuracy (%)", max(0.0, lowest - room), min(100.0, highest + room) if highest < 100 else 100 + room),
    )


def _across(slowest: float, fastest: float) -> Axis:
    """The axis of speed-ups; by ratio where one is so far away that the others would be squeezed together."""
    if fastest / slowest > _WIDE:
        aside = (fastest / slowest) ** _ASIDE
        return Axis("Measured speed-up, logarithmic (times)", slowest / aside, fastest * aside, by_ratio=True)
    aside = _ASIDE * (fastest - slowest)
    return Axis("Measured speed-up (times)", slowest - aside, fastest + aside)


def _whiskers(spot: Spot, frame: Frame) -> Markup:
    x, y = frame.x(spot.x), frame.y(spot.y)
    class_ = f"whisker {spot.shape.class_.split()[-1]}"
    across = line(frame.x(spot.x_low), y, frame.x(spot.x_high), y, class_)
    return across + line(x, frame.y(spot.y_low), x, frame.y(spot.y_high), class_)


def _labels(chart: SpeedChart, frame: Frame) -> list[Placed]:
    """Places as many labels as there is room for, the most important first."""
    spots = chart.seen
    focus = [spot for spot in spots if spot.shape is FOCUS]
    early = [spot for spot in spots if spot.shape is CIRCLE and not spot.beaten]
    settings = [spot for spot in spots if spot.shape in (DIAMOND, SQUARE)]
    important = [*focus, *(spot for spot in settings if not spot.beaten)]
    others = [*(spot for spot in settings if spot.beaten), *reversed(early)]
    labels = [
        Label(spot.short, frame.x(spot.x), frame.y(spot.y), important=spot in important)
        for spot in (*important, *others)
    ]
    return place(labels, _obstacles(chart, frame), frame.field.around(-2))


def _obstacles(chart: SpeedChart, frame: Frame) -> list[Box]:
    """The points, whiskers and lines that labels must not cover."""
    field, full = frame.field, frame.y(chart.full_accuracy)
    boxes = [Box(field.left, full, field.right, full).around(1)]
    for spot in chart.seen:
        x, y = frame.x(spot.x), frame.y(spot.y)
        boxes.append(_around(x, y))
        if spot.has_whiskers:
            boxes += [
                Box(frame.x(spot.x_low), y, frame.x(spot.x_high), y).around(1),
                Box(x, frame.y(spot.y_high), x, frame.y(spot.y_low)).around(1),
            ]
    for left, right in pairwise(chart.frontier):
        xs = np.linspace(frame.x(left.x), frame.x(right.x), 60).tolist()
        ys = np.linspace(frame.y(left.y), frame.y(right.y), 60).tolist()
        boxes += [Box(x, y, x, y).around(1.5) for x, y in zip(xs, ys, strict=True)]
    return boxes


def _around(x: float, y: float) -> Box:
    return Box(x, y, x, y).around(5)


def _name(placed: Placed) -> Markup:
    x, y = placed.baseline
    words = text(placed.label.words, x, y, class_="name")
    if not placed.far:
        return words
    return line(placed.label.x, placed.label.y, *placed.end, "leader") + words
