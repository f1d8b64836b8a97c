"""Where the names of points go, so that none covers another, a point or the edge."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A letter's mean width over its height, of the fonts that pages use; rather too much than too little.
_LETTER = 0.58

# Ways to go from a point, best first, in degrees: right and left read best, then above and below, then aslant.
_ANGLES = (0, 180, 90, 270, 30, 330, 150, 210, 60, 300, 120, 240)
_NEAR = (8.0, 13.0)
_DISTANCES = (*_NEAR, 20.0, 28.0, 38.0, 50.0, 66.0, 85.0, 110.0)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; ``top`` is above ``bottom``, so it is the smaller number."""

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
    """A text that belongs to a point at ``x``, ``y``; one that is ``important`` may be far from it, with a line."""

    words: str
    x: float
    y: float
    important: bool = False
    size: float = 11.0

    @property
    def width(self) -> float:
        """Of the text, in pixels, roughly."""
        return _LETTER * self.size * len(self.words)


@dataclass(frozen=True, slots=True)
class Placed:
    """A label with the room it takes; ``far`` from its point it needs a line that leads there."""

    label: Label
    box: Box
    far: bool

    @property
    def baseline(self) -> tuple[float, float]:
        """Where the text starts."""
        return self.box.left, self.box.bottom - 0.22 * self.label.size


def place(labels: Sequence[Label], obstacles: Iterable[Box], bounds: Box) -> list[Placed]:
    """Finds room for labels, one after the other, each as near to its point as it can be.

    Args:
        labels: the most important first.
        obstacles: what no label may cover.
        bounds: what no label may leave.

    Returns:
        Those that have room, in the same order; no two overlap.
    """
    taken = list(obstacles)
    placed = []
    for label in labels:
        found = next((one for one in _tries(label) if _free(one.box, taken, bounds)), None)
        if found is not None:
            placed.append(found)
            taken.append(found.box)
    return placed


def _tries(label: Label) -> Iterable[Placed]:
    for distance in _DISTANCES if label.important else _NEAR:
        for angle in _ANGLES:
            yield Placed(label, _box(label, distance, math.radians(angle)), far=distance not in _NEAR)


def _box(label: Label, distance: float, angle: float) -> Box:
    """The label's room if its nearest edge is so far from the point, in that direction."""
    across, down = math.cos(angle), -math.sin(angle)
    height = 1.15 * label.size
    middle_x = label.x + across * (distance + label.width / 2)
    middle_y = label.y + down * (distance + height / 2)
    return Box(middle_x - label.width / 2, middle_y - height / 2, middle_x + label.width / 2, middle_y + height / 2)


def _free(box: Box, taken: Iterable[Box], bounds: Box) -> bool:
    return bounds.holds(box) and not any(box.overlaps(other) for other in taken)
