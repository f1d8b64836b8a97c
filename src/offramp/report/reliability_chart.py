"""Confidence against accuracy, before and after calibration, over a histogram of confidences."""

from collections.abc import Sequence

from markupsafe import Markup

from offramp.calibration import ReliabilityBin
from offramp.data.wording import count
from offramp.evaluation import ExitReliability
from offramp.report.scale import Scale
from offramp.report.svg import CIRCLE, RING, Shape, element, hint, line, picture, polyline, rectangle, text
from offramp.report.words import percent

WIDTH, HEIGHT = 200.0, 262.0

# With fewer texts, a bin's accuracy is mostly chance: its point is faint and not on the line.
_FEW = 10

_X = Scale(0, 1, 34, 182)
_Y = Scale(0, 1, 168, 20)
_BARS_TOP, _BARS_BOTTOM = 184.0, 222.0


def draw_reliability(reliability: ExitReliability, name: str) -> Markup:
    """Draws one exit's reliability; on the diagonal, confidence equals accuracy."""
    return picture(
        WIDTH,
        HEIGHT,
        f"Reliability of the exit after {reliability.name}",
        "; ".join(_description(bin_) for bin_ in reliability.after if bin_.rows),
        text("Accuracy (%)", 0, 11, class_="axis"),
        *_grid(),
        line(_X(0), _Y(0), _X(1), _Y(1), "diagonal"),
        *_curve(reliability.before, RING, "before"),
        *_curve(reliability.after, CIRCLE, "early"),
        *_histogram(reliability.after),
        text("Confidence (%)", (_X(0) + _X(1)) / 2, HEIGHT - 6, anchor="middle", class_="axis"),
        name=name,
        class_="chart small",
    )


def _grid() -> list[Markup]:
    drawn = []
    for value in (0.0, 0.5, 1.0):
        drawn += [
            line(_X(value), _Y(0), _X(value), _Y(1), "grid"),
            line(_X(0), _Y(value), _X(1), _Y(value), "grid"),
            text(f"{100 * value:.0f}", _X(0) - 5, _Y(value) + 4, anchor="end", class_="tick"),
            text(f"{100 * value:.0f}", _X(value), _BARS_BOTTOM + 15, anchor="middle", class_="tick"),
        ]
    return drawn


def _curve(bins: Sequence[ReliabilityBin], shape: Shape, class_: str) -> list[Markup]:
    places = [
        (_X(bin_.confidence), _Y(bin_.accuracy), bin_)
        for bin_ in bins
        if bin_.confidence is not None and bin_.accuracy is not None
    ]
    faint = [shape.at(x, y, _description(bin_)) for x, y, bin_ in places if bin_.rows < _FEW]
    return [
        element("g", *faint, class_="faint"),
        polyline([(x, y) for x, y, bin_ in places if bin_.rows >= _FEW], class_),
        *(shape.at(x, y, _description(bin_)) for x, y, bin_ in places if bin_.rows >= _FEW),
    ]


def _histogram(bins: Sequence[ReliabilityBin]) -> list[Markup]:
    """Rows in each bin after calibration, with the tallest bar's number on the axis."""
    most = max(bin_.rows for bin_ in bins)
    height = Scale(0, most, 0, _BARS_BOTTOM - _BARS_TOP)
    bars = [
        rectangle(
            _X(bin_.low) + 0.5,
            _BARS_BOTTOM - height(bin_.rows),
            _X(bin_.high) - _X(bin_.low) - 1,
            height(bin_.rows),
            "bar count",
            hint(_description(bin_)),
        )
        for bin_ in bins
        if bin_.rows
    ]
    return [
        line(_X(0), _BARS_BOTTOM, _X(1), _BARS_BOTTOM, "grid"),
        text(_short(most), _X(0) - 5, _BARS_TOP + 8, anchor="end", class_="tick"),
        text("texts", _X(0) - 5, _BARS_BOTTOM, anchor="end", class_="tick"),
        *bars,
    ]


def _short(rows: int) -> str:
    """A number in four characters."""
    return f"{rows}" if rows < 10_000 else f"{rows / 1000:.0f}k" if rows < 1_000_000 else f"{rows / 1e6:.0f}M"


def _description(bin_: ReliabilityBin) -> str:
    where = f"confidence {percent(bin_.low, 0)} to {percent(bin_.high, 0)}: {count(bin_.rows, 'text')}"
    return where if bin_.accuracy is None else f"{where}, {percent(bin_.accuracy, 1)} right"
