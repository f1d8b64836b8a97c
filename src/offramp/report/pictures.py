"""Pictures as files: rows of charts with a heading, a legend, a note and the style sheet."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from markupsafe import Markup

from offramp.errors import OptionError
from offramp.files import replacing
from offramp.report.labels import Label
from offramp.report.svg import Shape, element, line, rectangle, text

_MARGIN, _GAP, _LINE = 12.0, 20.0, 16.0
# In a legend, the space from a mark to its words, and from there to the next mark.
_TO_WORDS, _TO_NEXT = 5.0, 18.0
# Scales an SVG file's natural size: at 12 pixels, its text would look small in a README.
_ENLARGED = 1.25


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a picture.

    Attributes:
        content: in coordinates from 0, 0 to ``width``, ``height``.
        title: written above it.
    """

    width: float
    height: float
    content: Markup
    title: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A legend entry: a mark, drawn around 0, 0, and its meaning."""

    words: str
    mark: Markup
    width: float = 16.0

    @classmethod
    def shape(cls, shape: Shape, words: str) -> "Key":
        """The key of a marker."""
        return cls(words, shape.at(0, 0, words))

    @classmethod
    def line(cls, class_: str, words: str) -> "Key":
        """The key of a line."""
        return cls(words, line(-16, 0, 16, 0, f"key {class_}"), width=32.0)


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of charts, with words above and a legend and words below.

    Attributes:
        title, description: what it shows, for screen readers.
        heading, note: text above and below everything else.
        style: additional style rules.
    """

    title: str
    description: str
    rows: Sequence[Sequence[Panel]]
    keys: Sequence[Key] = ()
    heading: str = ""
    note: str = ""
    style: str = ""

    def draw(self) -> Markup:
        """The whole file."""
        width = max(sum(panel.width + _GAP for panel in row) - _GAP for row in self.rows)
        y, drawn = _MARGIN, []
        for height, content in self._parts(width):
            drawn.append(element("g", content, transform=f"translate({_MARGIN:g} {y:g})"))
            y += height
        full_width, full_height = width + 2 * _MARGIN, y + _MARGIN
        return element(
            "svg",
            element("title", self.title, id="title"),
            element("desc", self.description, id="description"),
            element("style", Markup(_style_sheet() + self.style)),
            rectangle(0, 0, full_width, full_height, "ground"),
            *drawn,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {full_width:g} {full_height:g}",
            width=_ENLARGED * full_width,
            height=_ENLARGED * full_height,
            role="img",
            aria_labelledby="title description",
        )

    def _parts(self, width: float) -> Iterable[tuple[float, Markup]]:
        """Height and content of each part, from top to bottom."""
        if self.heading:
            yield _paragraph(self.heading, width)
        for row in self.rows:
            yield _row(row)
        if self.keys:
            yield _legend(self.keys, width)
        if self.note:
            yield _paragraph(self.note, width)


def check_picture(path: Path) -> None:
    """Makes sure, before anything is computed, that the path names an SVG file.

    Raises:
        OptionError: it does not end in ``.svg``.
    """
    if path.suffix.lower() != ".svg":
        raise OptionError(f"the picture {path} does not end in .svg; pictures are written as SVG files only")


def write_picture(path: Path, picture: Picture) -> None:
    """Writes an SVG file; the same picture gives the same file.

    Raises:
        OptionError: see :func:`check_picture`.
        StorageError: the file cannot be written.
    """
    check_picture(path)
    with replacing(path) as new:
        new.write_text(f"{picture.draw()}\n", encoding="utf-8")


def width_of(words: str, size: float = 12.0) -> float:
    """The approximate width of a text in pixels; rather too much than too little."""
    return Label(words, 0, 0, size=size).width


def _style_sheet() -> str:
    return (resources.files("offramp.report") / "templates" / "chart.css").read_text(encoding="utf-8")


def _paragraph(words: str, width: float) -> tuple[float, Markup]:
    lines = textwrap.wrap(words, int(width / width_of("n", 11)))
    drawn = [text(wrapped, 0, _LINE * number + 11, class_="soft") for number, wrapped in enumerate(lines)]
    return _LINE * len(lines) + 6, Markup("").join(drawn)


def _row(panels: Sequence[Panel]) -> tuple[float, Markup]:
    above = _LINE if any(panel.title for panel in panels) else 0.0
    x, drawn = 0.0, []
    for panel in panels:
        titled = text(panel.title, x, 12, class_="title") if panel.title else Markup("")
        drawn.append(titled + element("g", panel.content, transform=f"translate({x:g} {above:g})"))
        x += panel.width + _GAP
    return max(panel.height for panel in panels) + above + 8, Markup("").join(drawn)


def _legend(keys: Sequence[Key], width: float) -> tuple[float, Markup]:
    """Marks with their words, in as many lines as they need."""
    x, y, drawn = 0.0, 9.0, []
    for key in keys:
        needed = key.width + _TO_WORDS + width_of(key.words)
        if x > 0 and x + needed > width:
            x, y = 0.0, y + _LINE
        label = text(key.words, key.width / 2 + _TO_WORDS, 4)
        drawn.append(element("g", key.mark, label, transform=f"translate({x + key.width / 2:g} {y:g})"))
        x += needed + _TO_NEXT
    return y + 14, Markup("").join(drawn)
