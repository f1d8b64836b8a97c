"""What each exit would answer if every row took it, against the last: overthinking."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ExitAgainstLast:
    """One exit's answers on all rows beside those of the last exit, as shares of rows that add up to 1.

    Attributes:
        exit: index, from 0.
        name: what it is called.
        layers: run before it.
        both_right: right here and at the last exit.
        only_here: right here, wrong at the last: the network thinks too long.
        only_last: wrong here, right at the last: what the stages in between are for.
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
        """Share of rows that are right here."""
        return self.both_right + self.only_here


@dataclass(frozen=True, slots=True)
class Overthinking:
    """All exits against the last.

    Attributes:
        exits: one entry each.
        overthought: share of rows that some earlier exit answers right and the last one wrong.
        ceiling: share of rows that any exit answers right: what a rule could reach that always knew where to leave.

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
            both_right=_share(here & last),
            only_here=_share(here & ~last),
            only_last=_share(~here & last),
            both_wrong=_share(~here & ~last),
        )
        for index, (here, name, depth) in enumerate(zip(right, names, layers, strict=True))
    )
    anywhere = np.asarray(right.any(axis=0))
    return Overthinking(exits, overthought=_share(anywhere & ~last), ceiling=_share(anywhere))


def _share(rows: NDArray[np.bool_]) -> float:
    return float(np.mean(rows))
