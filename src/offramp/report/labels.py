"""Places the labels of points so that none covers another, a point or the edge."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Widths of letters relative to their height, in the widest of the fonts that pages use: narrow, wide and all others.
_NARROW, _WIDE = dict.fromkeys("fijlrtI.,:;'|()[] ", 0.42), dict.fromkeys("mwMW@%×", 0.99)
_WIDTHS = {**_NARROW, **_WIDE}
_LETTER = 0.66

# Directions from a point in degrees, best first: right and left read best, then above and below, then diagonals.
_ANGLES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
_NEAR = (8.0, 13.0)
_DISTANCES = (*_NEAR, 20.0, 28.0, 38.0, 50.0, 66.0)
# Lines from far labels go off at a slant, since whiskers and grids go straight: at least this slope either way.
_SLANT = 0.35
# Room around each label.
_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; y grows downwards, so ``top`` is less than ``bottom``."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: "Box") -> bool:
        """Whether the other is inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )

    def around(self, margin: float) -> "Box":
        """The box with a margin."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)


@dataclass(frozen=True, slots=True)
class Label:
    """The text for a point at ``x``, ``y``; an ``important`` one may lie far from it, joined by a line."""

    words: str
    x: float
    y: float
    important: bool = False
    size: float = 11.0

    @property
    def width(self) -> float:
        """The approximate width of the text in pixels."""
        return self.size * sum(_WIDTHS.get(letter, _LETTER) for letter in self.words)


@dataclass(frozen=True, slots=True)
class Placed:
    """A label and the room it takes; if it is ``far`` from its point, a line joins the two."""

    label: Label
    box: Box
    far: bool

    @property
    def baseline(self) -> tuple[float, float]:
        """Where the text starts."""
        return self.box.left, self.box.bottom - 0.22 * self.label.size

    @property
    def end(self) -> tuple[float, float]:
        """Where the line from the point ends: at the nearest edge of the text."""
        box, label = self.box, self.label
        return min(max(label.x, box.left), box.right), min(max(label.y, box.top), box.bottom)

    @property
    def slants(self) -> bool:
        """Whether that line is neither about level nor about upright."""
        (x, y), label = self.end, self.label
        across, down = sorted((abs(x - label.x), abs(y - label.y)))
        return across >= _SLANT * down > 0

    @property
    def leader(self) -> list[Box]:
        """The room that the line takes, from outside the point's own; none if the text is near."""
        if not self.far:
            return []
        (x, y), label = self.end, self.label
        steps = [step / 40 for step in range(4, 40)]
        places = [(label.x + step * (x - label.x), label.y + step * (y - label.y)) for step in steps]
        return [Box(at_x, at_y, at_x, at_y).around(0.5) for at_x, at_y in places]


def place(labels: Sequence[Label], obstacles: Iterable[Box], bounds: Box) -> list[Placed]:
    """Finds room for labels in turn, each as near to its point as possible.

    Args:
        labels: the most important first.
        obstacles: boxes that no label may cover.
        bounds: the box that every label stays in.

    Returns:
        The labels that found room, in the same order; no two overlap, and no line crosses a label.
    """
    taken, named = list(obstacles), list[Box]()
    placed = []
    for label in labels:
        fitting = (
            one
            for one in _tries(label)
            if _free(one.box, taken, bounds) and (not one.far or (one.slants and _clear(one.leader, named)))
        )
        if (position := next(fitting, None)) is not None:
            placed.append(position)
            named.append(position.box.around(_GAP))
            taken += [named[-1], *position.leader]
    return placed


def _tries(label: Label) -> Iterable[Placed]:
    for distance in _DISTANCES if label.important else _NEAR:
        for angle in _ANGLES:
            yield Placed(label, _box(label, distance, math.radians(angle)), far=distance not in _NEAR)


def _box(label: Label, distance: float, angle: float) -> Box:
    """The label's room when its nearest edge is ``distance`` from the point in the direction ``angle``."""
    across, down = math.cos(angle), -math.sin(angle)
    height = 1.15 * label.size
    middle_x = label.x + across * (distance + label.width / 2)
    middle_y = label.y + down * (distance + height / 2)
    return Box(middle_x - label.width / 2, middle_y - height / 2, middle_x + label.width / 2, middle_y + height / 2)


def _free(box: Box, taken: Iterable[Box], bounds: Box) -> bool:
    return bounds.holds(box) and _clear([box], taken)


def _clear(boxes: Iterable[Box], taken: Iterable[Box]) -> bool:
    others = list(taken)
    return not any(box.overlaps(other) for box in boxes for other in others)
