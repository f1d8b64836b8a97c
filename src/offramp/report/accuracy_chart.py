"""Accuracy against speed-up, measured and possible, with the network cut off at each exit beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from offramp.evaluation import Evaluation, Point, Ratio, Way
from offramp.report.frame import Axis, Frame
from offramp.report.labels import Box, Label, Placed, place
from offramp.report.svg import CIRCLE, DIAMOND, FOCUS, SQUARE, Shape, element, line, picture, polyline, text
from offramp.report.words import span, times

WIDTH, HEIGHT = 440.0, 340.0

# What loses more accuracy than this, in points, is named below the chart instead of squeezing what matters.
DEEPEST = 5.0
# A sentence lists no more.
_MOST_NAMED = 8

_SHAPES = {Way.THRESHOLD: CIRCLE, Way.OPERATING_POINT: DIAMOND, Way.CUT: SQUARE, Way.FULL: CIRCLE}


@dataclass(frozen=True, slots=True)
class Spot:
    """Something with a speed-up and an accuracy, and how sure both are.

    Attributes:
        name: what it is, in full.
        short: what stands beside it in the chart.
        x, x_low, x_high: speed-up, and its quartiles.
        y, y_low, y_high: accuracy in per cent, and full depth's plus the ends of the difference's 95 % interval.
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

    @property
    def hint(self) -> str:
        """What it is and what it is worth."""
        quartiles = "" if self.x_low == self.x_high else f" ({span(times(self.x_low, 2), times(self.x_high, 2))})"
        return f"{self.name}: {self.y:.2f} %, {times(self.x, 2)}{quartiles}"


@dataclass(frozen=True, slots=True)
class SpeedChart:
    """What a chart shows.

    Attributes:
        early: thresholds, from the slowest to the fastest.
        named: operating points.
        cut: the network cut off at each exit but the last.
        full_accuracy: in per cent.
        unseen: what lies below the chart.
    """

    early: tuple[Spot, ...]
    named: tuple[Spot, ...]
    cut: tuple[Spot, ...]
    full_accuracy: float
    unseen: tuple[Spot, ...]

    @property
    def seen(self) -> list[Spot]:
        """What lies in it."""
        return [spot for spot in (*self.named, *self.early, *self.cut) if spot not in self.unseen]

    @property
    def description(self) -> str:
        """All figures, for those who cannot see the chart."""
        return "; ".join(spot.hint for spot in (*self.named, *self.early, *self.cut))


def by_clock(evaluation: Evaluation) -> SpeedChart:
    """Against measured speed-up."""
    return _chart(evaluation, _by_clock)


def by_work(evaluation: Evaluation) -> SpeedChart:
    """Against the speed-up possible at most: by the time of the stages that texts run."""
    return _chart(evaluation, _by_work)


def draw(chart: SpeedChart, name: str, what: str) -> Markup:
    """Draws a chart for the page; arguments as those of :func:`field`."""
    title, inside = f"Accuracy against {what}", field(chart, name, what)
    return picture(WIDTH, HEIGHT, title, chart.description, inside, name=name)


def field(chart: SpeedChart, name: str, what: str) -> Markup:
    """Draws what is inside a chart.

    Args:
        chart: what it shows.
        name: unlike that of any other picture in the page.
        what: kind of speed-up, the title of the horizontal axis.
    """
    frame = _frame(chart, what)
    seen = chart.seen
    inside = element(
        "g",
        line(frame.field.left, frame.y(chart.full_accuracy), frame.field.right, frame.y(chart.full_accuracy), "full"),
        polyline([(frame.x(spot.x), frame.y(spot.y)) for spot in chart.early], "early"),
        *(_whiskers(spot, frame) for spot in seen),
        clip_path=f"url(#{name}-field)",
    )
    return Markup("").join(
        [
            frame.clip(f"{name}-field"),
            frame.draw(),
            inside,
            *(spot.shape.at(frame.x(spot.x), frame.y(spot.y), spot.hint) for spot in reversed(seen)),
            *(_name(placed) for placed in _labels(chart, frame)),
        ]
    )


def named(spots: Sequence[Spot]) -> str:
    """Points with their figures, in short, such as those below the chart; empty for none."""
    first = [f"{spot.name} ({spot.y:.1f}\u202f%, {times(spot.x)})" for spot in spots[:_MOST_NAMED]]
    more = len(spots) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def _by_clock(point: Point) -> Ratio:
    return Ratio(point.measured_speedup, *point.measured_speedup_spread)


def _by_work(point: Point) -> Ratio:
    return Ratio(point.bound_speedup, point.bound_speedup, point.bound_speedup)


def _chart(evaluation: Evaluation, speedup: Callable[[Point], Ratio]) -> SpeedChart:
    def spot(point: Point) -> Spot:
        x, change = speedup(point), point.accuracy_difference
        y, low, high = (100 * (evaluation.full.accuracy + to) for to in (change.value, change.low, change.high))
        shape = FOCUS if point == evaluation.focus.point else _SHAPES[point.way]
        return Spot(point.setting, _short(point), x.median, x.low, x.high, y, low, high, shape)

    thresholds = [spot(point) for point in evaluation.points]
    named = [spot(here.point) for here in evaluation.operating_points]
    cut = [spot(point) for point in evaluation.truncated]
    full = 100 * evaluation.full.accuracy
    return SpeedChart(
        early=tuple(sorted(thresholds, key=lambda one: one.x)),
        named=tuple(named),
        cut=tuple(cut),
        full_accuracy=full,
        unseen=tuple(one for one in (*thresholds, *named, *cut) if one.y < full - DEEPEST),
    )


def _short(point: Point) -> str:
    if point.way is Way.THRESHOLD:
        return f"{point.threshold:g}"
    return point.name or point.setting.replace("layer ", "")


def _frame(chart: SpeedChart, what: str) -> Frame:
    seen = chart.seen
    lowest = min([chart.full_accuracy, *(spot.y_low for spot in seen)])
    highest = max([chart.full_accuracy, *(spot.y_high for spot in seen)])
    lowest = max(lowest, chart.full_accuracy - DEEPEST - 1)
    room = max(0.1, 0.08 * (highest - lowest))
    fastest = max([1.2, *(spot.x_high for spot in seen)])
    slowest = min([1.0, *(spot.x_low for spot in seen)])
    aside = 0.06 * (fastest - slowest)
    return Frame(
        WIDTH,
        HEIGHT,
        Axis(f"{what} (times)", slowest - aside, fastest + aside),
        Axis("Accuracy (%)", max(0.0, lowest - room), min(100.0, highest + room) if highest < 100 else 100 + room),
    )


def _whiskers(spot: Spot, frame: Frame) -> Markup:
    x, y = frame.x(spot.x), frame.y(spot.y)
    class_ = f"whisker {spot.shape.class_.split()[-1]}"
    across = line(frame.x(spot.x_low), y, frame.x(spot.x_high), y, class_)
    return across + line(x, frame.y(spot.y_low), x, frame.y(spot.y_high), class_)


def _labels(chart: SpeedChart, frame: Frame) -> list[Placed]:
    """Names of points, as far as there is room; those that matter most come first."""
    seen = chart.seen
    focus = [spot for spot in seen if spot.shape is FOCUS]
    early = [spot for spot in seen if spot.shape is CIRCLE]
    others = [spot for spot in seen if spot.shape in (DIAMOND, SQUARE)]
    labels = [
        *(Label(spot.short, frame.x(spot.x), frame.y(spot.y), important=True) for spot in (*focus, *others)),
        *(Label(spot.short, frame.x(spot.x), frame.y(spot.y)) for spot in reversed(early)),
    ]
    return place(labels, _obstacles(chart, frame), frame.field.around(-2))


def _obstacles(chart: SpeedChart, frame: Frame) -> list[Box]:
    """What labels must not cover: points, whiskers and lines."""
    field, full = frame.field, frame.y(chart.full_accuracy)
    boxes = [Box(field.left, full, field.right, full).around(1)]
    for spot in chart.seen:
        x, y = frame.x(spot.x), frame.y(spot.y)
        boxes += [
            _around(x, y),
            Box(frame.x(spot.x_low), y, frame.x(spot.x_high), y).around(1),
            Box(x, frame.y(spot.y_high), x, frame.y(spot.y_low)).around(1),
        ]
    for one, other in pairwise(chart.early):
        xs, ys = (np.linspace(frame.x(one.x), frame.x(other.x), 60), np.linspace(frame.y(one.y), frame.y(other.y), 60))
        boxes += [Box(x, y, x, y).around(1.5) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    return boxes


def _around(x: float, y: float) -> Box:
    return Box(x, y, x, y).around(5)


def _name(placed: Placed) -> Markup:
    x, y = placed.baseline
    words = text(placed.label.words, x, y, class_="name")
    if not placed.far:
        return words
    box = placed.box
    near_x = min(max(placed.label.x, box.left), box.right)
    near_y = min(max(placed.label.y, box.top), box.bottom)
    return line(placed.label.x, placed.label.y, near_x, near_y, "leader") + words
