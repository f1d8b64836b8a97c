"""The shapes that batches are given: for backends that prepare their kernels for each shape, only a few."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shapes:
    """Lengths and numbers of rows that a batch may have, rising; empty where any will do."""

    lengths: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()

    def length(self, tokens: int) -> int:
        """The length that a row of so many tokens is padded to."""
        place = bisect_left(self.lengths, tokens)
        return self.lengths[place] if place < len(self.lengths) else tokens

    def count(self, rows: int) -> int:
        """How many of so many rows run together; the others wait for the next step."""
        return self.rows[bisect_right(self.rows, rows) - 1] if self.rows else rows


def shapes_for(few: bool, longest: int, token_budget: int) -> Shapes:
    """Gives the shapes for a backend, or none where any will do.

    Lengths are an eighth to a sixteenth apart, so that little is padded; numbers of rows at most a third.

    Args:
        few: a kernel for a new shape costs many times what it computes, and a text of a new length would wait for it.
        longest: tokens that the model reads at most.
        token_budget: tokens of a batch.
    """
    if not few:
        return Shapes()
    lengths, step = [8], 8
    while lengths[-1] < longest:
        step = 8 * 2 ** max(0, (lengths[-1] // 64).bit_length() - 1)
        lengths.append(min(longest, lengths[-1] + step))
    rows = [1, 2, 3]
    while rows[-1] < token_budget:
        rows += [2 * rows[-2], 2 * rows[-1]]
    return Shapes(tuple(lengths), tuple(rows))
