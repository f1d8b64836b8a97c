"""Which rows an exit's temperature is fitted to: all, or in later windows of long texts those that come so far."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from offramp.exit_names import in_window_before

Fitted = TypeVar("Fitted")
Rows: TypeAlias = NDArray[np.bool_] | slice
"""Which rows, as an index; all of them as a slice."""

LEAST_ROWS = 30
"""The least number of different texts to fit temperatures on. In nine of ten simulated samples of this size, the
temperature is within a factor of 2 of the best for all rows; in samples of 12, within a factor of 13 (two labels)."""


@dataclass(frozen=True, slots=True)
class Coming:
    """Which rows come to each exit.

    Attributes:
        came: (exits, rows); None where all rows come to all exits.
        before: of each exit the one after the same layer in the window before; None where there is none.
    """

    came: NDArray[np.bool_] | None
    before: Sequence[int | None]

    @classmethod
    def of(cls, came: NDArray[np.bool_] | None, names: Sequence[str]) -> "Coming":
        """Given the names of the exits."""
        return cls(came, in_window_before(names))

    def going(self) -> "Coming":
        """The same, but for rows that end at an exit: what it says of them is the last word, so not in doubt."""
        if self.came is None:
            return self
        return Coming(np.concatenate([self.came[1:], self.came[-1:]]), self.before)

    def rows(self, exit_index: int) -> Rows:
        """The rows that an exit is fitted to; all where too few come."""
        few = self.came is None or self.came[exit_index].sum() < LEAST_ROWS
        return slice(None) if self.came is None or few else self.came[exit_index]

    def fitted(self, exits: Sequence[int], fit: Callable[[int, Rows], Fitted]) -> list[Fitted]:
        """What is fitted for some exits, in their order, given for each the rows that come to it.

        In a window that too few rows come to, it is what was fitted for the exit after the same layer in the window
        before.
        """
        found: dict[int, Fitted] = {}
        for exit_index in exits:
            like = self.like(exit_index)
            found[exit_index] = fit(exit_index, self.rows(exit_index)) if like == exit_index else found[like]
        return list(found.values())

    def like(self, exit_index: int) -> int:
        """The exit whose temperature an exit takes: its own, or with too few rows that of the window before."""
        before = self.before[exit_index]
        if self.came is None or before is None or self.came[exit_index].sum() >= LEAST_ROWS:
            return exit_index
        return self.like(before)

    def fulls(self, exits: int) -> list[int]:
        """The exits at which rows end, of so many."""
        if self.came is None:
            return [exits - 1]
        shrinking = np.flatnonzero((self.came[:-1] & ~self.came[1:]).any(axis=1)).tolist()
        return [*shrinking, exits - 1]

    def at_end(self, answers: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is said of each row where it ends, (rows, labels), of answers (exits, rows, labels)."""
        exits, rows, _ = answers.shape
        return np.asarray(answers[self.ends(exits, rows), np.arange(rows)])

    def ends(self, exits: int, rows: int) -> NDArray[np.int64]:
        """The exit at which each row ends, (rows,)."""
        return np.full(rows, exits - 1) if self.came is None else exits - 1 - np.argmax(self.came[::-1], axis=0)
