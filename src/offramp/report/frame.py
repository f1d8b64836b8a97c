"""The axes that charts share."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from offramp.report.labels import Box
from offramp.report.scale import Scale, decimals, ratio_ticks, ticks
from offramp.report.svg import element, line, text

# More names than this do not fit side by side: then only every second (or third...) is written.
_MOST_CATEGORIES = 16

_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 30.0, 46.0


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis: its range, and a title with the unit.

    Attributes:
        unsigned: leave out minus signs.
        by_ratio: equal distances are equal ratios; only across, and above 0.
    """

    title: str
    low: float
    high: float
    unsigned: bool = False
    by_ratio: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart's two axes and the field between them; ``x`` and ``y`` map values to pixels."""

    width: float
    height: float
    x_axis: Axis
    y_axis: Axis

    @property
    def x(self) -> Scale:
        """Maps values to pixels, from left to right."""
        return Scale(self.x_axis.low, self.x_axis.high, _LEFT, self.width - _RIGHT, self.x_axis.by_ratio)

    @property
    def y(self) -> Scale:
        """Maps values to pixels, from the bottom up."""
        return Scale(self.y_axis.low, self.y_axis.high, self.height - _BOTTOM, _TOP)

    @property
    def field(self) -> Box:
        """The room between the axes."""
        return Box(_LEFT, _TOP, self.width - _RIGHT, self.height - _BOTTOM)

    def clip(self, name: str) -> Markup:
        """Defines a clipping path around the field; elements that use it are not drawn outside."""
        field = self.field
        inside = element(
            "rect", x=field.left, y=field.top, width=field.right - field.left, height=field.bottom - field.top
        )
        return element("defs", element("clipPath", inside, id=name))

    def draw(self, categories: Mapping[float, str] | None = None) -> Markup:
        """Draws grid, ticks and titles.

        Args:
            categories: for a horizontal axis without numbers, the name to write below each value.
        """
        bottom = self._numbers() if categories is None else self._categories(categories)
        return Markup("").join([bottom, self._horizontal(), self._titles()])

    def _numbers(self) -> Markup:
        field = self.field
        low, high = self.x_axis.low, self.x_axis.high
        values = ratio_ticks(low, high) if self.x_axis.by_ratio else ticks(low, high, most=9)
        digits = None if self.x_axis.by_ratio else decimals(values)
        return Markup("").join(
            line(self.x(value), field.top, self.x(value), field.bottom, "grid")
            + self._below(value, f"{value:g}" if digits is None else f"{value:.{digits}f}")
            for value in values
        )

    def _categories(self, categories: Mapping[float, str]) -> Markup:
        every = -(-len(categories) // _MOST_CATEGORIES)
        return Markup("").join(self._below(*category) for category in list(categories.items())[::every])

    def _below(self, value: float, words: str) -> Markup:
        return text(words, self.x(value), self.field.bottom + 16, anchor="middle", class_="tick")

    def _horizontal(self) -> Markup:
        field = self.field
        values = ticks(self.y_axis.low, self.y_axis.high)
        digits = decimals(values)
        return Markup("").join(
            line(field.left, self.y(value), field.right, self.y(value), "grid")
            + text(self._number(value, digits), field.left - 6, self.y(value) + 4, anchor="end", class_="tick")
            for value in values
        )

    def _number(self, value: float, digits: int) -> str:
        return f"{abs(value) if self.y_axis.unsigned else value:.{digits}f}"

    def _titles(self) -> Markup:
        field = self.field
        below = text(self.x_axis.title, (field.left + field.right) / 2, self.height - 8, anchor="middle", class_="axis")
        return text(self.y_axis.title, 2, 14, class_="axis") + below
