"""Charts with one bar or point for each exit."""

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup

from offramp.data.wording import count
from offramp.evaluation import ExitCount, Overthinking
from offramp.exit_names import in_column, layer_of
from offramp.report.frame import Axis, Frame
from offramp.report.svg import CIRCLE, hint, line, picture, polyline, rectangle, text
from offramp.report.words import percent

WIDTH, HEIGHT = 440.0, 280.0

_BAR = 0.72  # of the distance between two exits

# Wider bars have room for a figure on top.
_LEAST_FOR_FIGURE = 34.0


def draw_leaving(exits: Sequence[ExitCount], name: str) -> Markup:
    """Draws how many texts leave at each exit, and how many of them are right."""
    total = sum(one.right + one.wrong for one in exits)
    shares = [100 * (one.right + one.wrong) / total for one in exits]
    frame = _frame(exits, Axis("Texts that leave (%)", 0, min(100.0, max(shares)) * 1.14))
    bars = []
    for index, (one, share) in enumerate(zip(exits, shares, strict=True)):
        right = 100 * one.right / total
        told = f"after {one.name}: {count(one.right, 'text')} right, {one.wrong:,} wrong"
        bars += [_bar(frame, index, 0, right, "right", told), _bar(frame, index, right, share, "wrong", told)]
        if _width(frame) >= _LEAST_FOR_FIGURE:
            bars.append(text(f"{share:.1f}", frame.x(index), frame.y(share) - 5, anchor="middle", class_="name"))
    described = "; ".join(
        f"after {one.name} {percent(share / 100, 1)} leave, {one.right:,} right and {one.wrong:,} wrong"
        for one, share in zip(exits, shares, strict=True)
    )
    return picture(
        WIDTH, HEIGHT, "Texts that leave at each exit", described, frame.draw(_categories(exits)), *bars, name=name
    )


def draw_accuracies(found: Overthinking, name: str) -> Markup:
    """Draws each exit's accuracy if all texts left there, below what any exit gets right."""
    accuracies = [100 * one.accuracy for one in found.exits]
    ceiling = 100 * found.ceiling
    low, high = min(accuracies), max(ceiling, *accuracies)
    room = max(0.5, 0.1 * (high - low))
    frame = _frame(found.exits, Axis("Accuracy if all texts left here (%)", max(0.0, low - room), high + 1.6 * room))
    places = [(frame.x(index), frame.y(accuracy)) for index, accuracy in enumerate(accuracies)]
    marks = [
        CIRCLE.at(x, y, f"after {one.name}: {percent(one.accuracy)}")
        for (x, y), one in zip(places, found.exits, strict=True)
    ]
    field = frame.field
    return picture(
        WIDTH,
        HEIGHT,
        "Accuracy of each exit on all texts",
        "; ".join(f"after {one.name} {percent(one.accuracy)}" for one in found.exits)
        + f"; any exit right {percent(found.ceiling)}",
        frame.draw(_categories(found.exits)),
        line(field.left, frame.y(ceiling), field.right, frame.y(ceiling), "ceiling"),
        text(f"right at any exit: {ceiling:.2f}", field.left + 4, frame.y(ceiling) - 5, class_="name"),
        polyline(places, "early"),
        *marks,
        name=name,
    )


def draw_overthinking(found: Overthinking, name: str) -> Markup:
    """Draws what each exit gets right that the last does not (up), and the other way round (down)."""
    early = found.exits[:-1] or found.exits
    highest = max([100 * one.only_here for one in early] + [0.5])
    lowest = max([100 * one.only_last for one in early] + [0.5])
    frame = _frame(early, Axis("Texts (%)", -1.12 * lowest, 1.12 * highest, unsigned=True))
    bars = []
    for index, one in enumerate(early):
        up, down = 100 * one.only_here, 100 * one.only_last
        where = f"after {one.name}"
        bars.append(_bar(frame, index, 0, up, "gain", f"{where} {up:.2f} % are right that are wrong at the end"))
        bars.append(_bar(frame, index, -down, 0, "loss", f"{where} {down:.2f} % are wrong that are right at the end"))
    return picture(
        WIDTH,
        HEIGHT,
        "Overthinking: texts on which an exit and the last one differ in being right",
        "; ".join(
            f"after {one.name} {percent(one.only_here)} right only here, {percent(one.only_last)} only last"
            for one in early
        ),
        frame.draw(_categories(early)),
        *bars,
        line(frame.field.left, frame.y(0), frame.field.right, frame.y(0), "zero"),
        name=name,
    )


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def _frame(exits: Sequence[_Named], y: Axis) -> Frame:
    of_layers = all(layer_of(one.name) is not None for one in exits)
    return Frame(WIDTH, HEIGHT, Axis("Exit (layers run)" if of_layers else "Exit", -0.6, len(exits) - 0.4), y)


def _categories(exits: Sequence[_Named]) -> dict[float, str]:
    return dict(enumerate(in_column([one.name for one in exits])[1]))


def _width(frame: Frame) -> float:
    return _BAR * (frame.x(1) - frame.x(0))


def _bar(frame: Frame, index: int, low: float, high: float, class_: str, told: str) -> Markup:
    width = min(_width(frame), 64.0)
    top, bottom = frame.y(high), frame.y(low)
    return rectangle(frame.x(index) - width / 2, top, width, bottom - top, f"bar {class_}", hint(told))
