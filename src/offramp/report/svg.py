"""SVG markup: escaped, themed by a style sheet, readable by screen readers."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """Makes one element; content that is not :class:`~markupsafe.Markup` is escaped.

    Args:
        name: of the element.
        content: elements and text inside.
        attributes: ``_`` in a name becomes ``-``, except at its end, where Python's keywords need it (``class_``);
            None leaves an attribute out. Numbers are rounded to two decimals.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, Markup("").join(escape(part) for part in content))


def picture(
    width: float, height: float, title: str, description: str, *content: Markup, name: str, class_: str = "chart"
) -> Markup:
    """Makes a whole picture that scales to the space it is given.

    Args:
        width, height: of the coordinates inside; text of size 12 is as large as the page's small print.
        title, description: what it shows, for screen readers.
        content: elements.
        name: unique among the pictures of a page.
        class_: class in the style sheet.
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *content,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=class_,
    )


def text(words: str, x: float, y: float, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """One line of text, its baseline at ``y``; ``anchor`` is start, middle or end."""
    return element(
        "text",
        words,
        x=x,
        y=y,
        text_anchor=None if anchor == "start" else anchor,
        paint_order="stroke",  # a halo in the page's color stays behind the letters
        class_=class_,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(places: Sequence[tuple[float, float]], class_: str) -> Markup:
    """Straight lines from place to place."""
    return element("polyline", points=" ".join(f"{_value(x)},{_value(y)}" for x, y in places), class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, *content: Markup) -> Markup:
    """A filled rectangle."""
    return element("rect", *content, x=x, y=y, width=width, height=height, class_=class_)


def hint(words: str) -> Markup:
    """The tooltip of an element."""
    return element("title", words)


@dataclass(frozen=True, slots=True)
class Shape:
    """A marker of about 10 pixels, distinct in form as well as in color."""

    path: str
    class_: str

    def at(self, x: float, y: float, words: str) -> Markup:
        """Draws it around a position, with a tooltip."""
        return element(
            "path", hint(words), d=self.path, transform=f"translate({_value(x)} {_value(y)})", class_=self.class_
        )

    @property
    def faint(self) -> "Shape":
        """The same marker, for what matters less."""
        return Shape(self.path, f"{self.class_} faint")

    @property
    def hollow(self) -> "Shape":
        """The same marker, for what was not measured."""
        return Shape(self.path, f"{self.class_} hollow")

    @property
    def swatch(self) -> Markup:
        """The marker alone, for a legend."""
        drawn = element("path", d=self.path, class_=self.class_)
        return element("svg", drawn, viewBox="-8 -8 16 16", class_="swatch", aria_hidden="true")


_DISC = "M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0Z"
CIRCLE = Shape(_DISC, "mark early")
FOCUS = Shape("M6.5 0A6.5 6.5 0 1 1-6.5 0A6.5 6.5 0 1 1 6.5 0Z" + _DISC, "mark focus")
SQUARE = Shape("M-4 -4H4V4H-4Z", "mark cut")
DIAMOND = Shape("M0 -6.5L6.5 0L0 6.5L-6.5 0Z", "mark named")
RING = Shape(_DISC, "mark before")


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written
