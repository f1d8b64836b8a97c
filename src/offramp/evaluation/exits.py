"""Each exit's answers to all rows, compared with the last exit's: overthinking."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ExitAgainstLast:
    """One exit's answers to all rows compared with the last exit's, as shares of rows that add up to 1.

    Attributes:
        exit: index, from 0.
        name: of the exit.
        layers: run before it.
        both_right: right at this exit and at the last.
        only_here: right at this exit, wrong at the last: overthinking.
        only_last: wrong at this exit, right at the last: the gain of the stages in between.
        both_wrong: wrong at both.
    """

    exit: int
    name: str
    layers: int
    both_right: float
    only_here: float
    only_last: float
    both_wrong: float

    @property
    def accuracy(self) -> float:
        """Share of rows that are right at this exit."""
        return self.both_right + self.only_here


@dataclass(frozen=True, slots=True)
class Overthinking:
    """All exits compared with the last.

    Attributes:
        exits: one entry for each exit.
        overthought: share of rows that some earlier exit answers right and the last one wrong.
        ceiling: share of rows that any exit answers right: the accuracy of a perfect exit rule.

    Source: Kaya, Hong and Dumitras, "Shallow-Deep Networks", ICML 2019 (overthinking).
    """

    exits: tuple[ExitAgainstLast, ...]
    overthought: float
    ceiling: float


def overthinking(right: NDArray[np.bool_], names: Sequence[str], layers: Sequence[int]) -> Overthinking:
    """Compares every exit with the last.

    Args:
        right: whether each exit answers each row right, (exits, rows), at least one row.
        names: of the exits, (exits,).
        layers: run before each exit, (exits,).
    """
    last = np.asarray(right[-1])
    exits = tuple(
        ExitAgainstLast(
            exit=index,
            name=name,
            layers=depth,
            both_right=_share(right_here & last),
            only_here=_share(right_here & ~last),
            only_last=_share(~right_here & last),
            both_wrong=_share(~right_here & ~last),
        )
        for index, (right_here, name, depth) in enumerate(zip(right, names, layers, strict=True))
    )
    anywhere = np.asarray(right.any(axis=0))
    return Overthinking(exits, overthought=_share(anywhere & ~last), ceiling=_share(anywhere))


def _share(rows: NDArray[np.bool_]) -> float:
    return float(np.mean(rows))
