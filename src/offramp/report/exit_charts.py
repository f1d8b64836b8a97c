"""Charts with one bar or point for each exit."""

from collections.abc import Sequence
from typing import Protocol

from markupsafe import Markup

from offramp.evaluation import Overthinking
from offramp.exit_names import in_column, layer_of
from offramp.report.frame import Axis, Frame
from offramp.report.svg import CIRCLE, hint, line, picture, polyline, rectangle, text
from offramp.report.words import percent

WIDTH, HEIGHT = 440.0, 280.0

_BAR = 0.72  # of the distance between two exits


def draw_accuracies(overthinking: Overthinking, name: str) -> Markup:
    """Draws each exit's accuracy if all texts left there, and above it the share that any exit gets right."""
    accuracies = [100 * exit_.accuracy for exit_ in overthinking.exits]
    ceiling = 100 * overthinking.ceiling
    low, high = min(accuracies), max(ceiling, *accuracies)
    room = max(0.5, 0.1 * (high - low))
    axis = Axis("Accuracy if all texts left here (%)", max(0.0, low - room), high + 1.6 * room)
    frame = _frame(overthinking.exits, axis)
    places = [(frame.x(index), frame.y(accuracy)) for index, accuracy in enumerate(accuracies)]
    marks = [
        CIRCLE.at(x, y, f"after {exit_.name}: {percent(exit_.accuracy)}")
        for (x, y), exit_ in zip(places, overthinking.exits, strict=True)
    ]
    field = frame.field
    return picture(
        WIDTH,
        HEIGHT,
        "Accuracy of each exit on all texts",
        "; ".join(f"after {exit_.name} {percent(exit_.accuracy)}" for exit_ in overthinking.exits)
        + f"; any exit right {percent(overthinking.ceiling)}",
        frame.draw(_categories(overthinking.exits)),
        line(field.left, frame.y(ceiling), field.right, frame.y(ceiling), "ceiling"),
        text(f"right at any exit: {ceiling:.2f}", field.left + 4, frame.y(ceiling) - 5, class_="name"),
        polyline(places, "early"),
        *marks,
        name=name,
    )


def draw_overthinking(overthinking: Overthinking, name: str) -> Markup:
    """Draws the texts that each exit gets right and the last gets wrong (up), and the reverse (down)."""
    early = overthinking.exits[:-1] or overthinking.exits
    highest = max([100 * exit_.only_here for exit_ in early] + [0.5])
    lowest = max([100 * exit_.only_last for exit_ in early] + [0.5])
    frame = _frame(early, Axis("Texts (%)", -1.12 * lowest, 1.12 * highest, unsigned=True))
    bars = []
    for index, exit_ in enumerate(early):
        up, down = 100 * exit_.only_here, 100 * exit_.only_last
        where = f"after {exit_.name}"
        bars.append(_bar(frame, index, 0, up, "gain", f"{where} {up:.2f} % are right that are wrong at the end"))
        bars.append(_bar(frame, index, -down, 0, "loss", f"{where} {down:.2f} % are wrong that are right at the end"))
    return picture(
        WIDTH,
        HEIGHT,
        "Overthinking: texts on which only one of an exit and the last exit is right",
        "; ".join(
            f"after {exit_.name} {percent(exit_.only_here)} right only here, {percent(exit_.only_last)} only last"
            for exit_ in early
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
    of_layers = all(layer_of(exit_.name) is not None for exit_ in exits)
    return Frame(WIDTH, HEIGHT, Axis("Exit (layers run)" if of_layers else "Exit", -0.6, len(exits) - 0.4), y)


def _categories(exits: Sequence[_Named]) -> dict[float, str]:
    return dict(enumerate(in_column([exit_.name for exit_ in exits])[1]))


def _width(frame: Frame) -> float:
    return _BAR * (frame.x(1) - frame.x(0))


def _bar(frame: Frame, index: int, low: float, high: float, class_: str, label: str) -> Markup:
    width = min(_width(frame), 64.0)
    top, bottom = frame.y(high), frame.y(low)
    return rectangle(frame.x(index) - width / 2, top, width, bottom - top, f"bar {class_}", hint(label))
