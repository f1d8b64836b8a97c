"""Pictures of lines over two axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offramp.report.frame import Axis, Frame
from offramp.report.pictures import Key, Panel
from offramp.report.svg import Shape, element, line, polyline, text


@dataclass(frozen=True, slots=True)
class Line:
    """Points that are joined.

    Attributes:
        name: for the legend.
        class_: of the style sheet.
        shape: drawn at each point; None for the line alone.
        labels: beside the points; none, or one for each.
    """

    name: str
    points: Sequence[tuple[float, float]]
    class_: str
    shape: Shape | None = None
    labels: Sequence[str] = ()

    @property
    def key(self) -> Key:
        """The legend's entry."""
        return Key.line(self.class_, self.name) if self.shape is None else Key.shape(self.shape, self.name)


def lines_panel(
    lines: Sequence[Line],
    axes: tuple[Axis, Axis],
    name: str,
    *,
    title: str = "",
    size: tuple[float, float] = (440.0, 260.0),
    level: float | None = None,
    categories: Mapping[float, str] | None = None,
) -> Panel:
    """Draws lines over a horizontal and a vertical axis.

    Args:
        lines: the last is drawn on top; what lies outside of the axes is cut off.
        axes: the horizontal and the vertical one.
        name: unlike that of any other panel in the picture.
        title: stands above.
        size: width and height.
        level: where a dashed line goes from left to right.
        categories: what to write below which value instead of numbers.
    """
    frame = Frame(*size, *axes)
    field = frame.field
    drawn = []
    if level is not None:
        drawn.append(line(field.left, frame.y(level), field.right, frame.y(level), "full"))
    for one in lines:
        places = [(frame.x(x), frame.y(y)) for x, y in one.points]
        drawn.append(polyline(places, one.class_))
        if one.shape is not None:
            drawn += [one.shape.at(x, y, one.name) for x, y in places]
        drawn += [text(words, x + 5, y - 5, class_="name") for (x, y), words in zip(places, one.labels, strict=False)]
    inside = element("g", *drawn, clip_path=f"url(#{name})")
    return Panel(*size, frame.clip(name) + frame.draw(categories) + inside, title)


def legend(lines: Sequence[Line]) -> list[Key]:
    """One entry a name, however many panels show it."""
    return [one.key for one in {one.name: one for one in lines}.values()]


def style_of(colors: Mapping[str, str]) -> str:
    """Style rules that give lines of a class a color."""
    return "".join(
        f"svg polyline.{class_}, svg line.{class_} {{ stroke: {color}; }}\n" for class_, color in colors.items()
    )


def joined(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """Panels in rows of so many."""
    return [list(panels[start : start + columns]) for start in range(0, len(panels), columns)]
