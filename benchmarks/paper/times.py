"""How long the parts of a network take, and what a row costs that leaves at an exit."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from offramp.policy import Outcomes

Array = NDArray[np.float64]

_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a row: so many for being a row, and so many for each of its tokens."""

    per_row: float
    per_token: float

    @classmethod
    def fitted(cls, tokens: NDArray[np.int64], seconds: Array) -> Self:
        """The line through measured rows, (rows,) both, with the least sum of absolute errors.

        A pause of the machine makes single rows slow; unlike one of least squares, this line does not follow them.
        """
        inputs = np.stack([np.ones(len(tokens)), tokens], axis=1)
        weights = np.ones(len(tokens))
        for _ in range(_ROUNDS):  # least squares, reweighted until they are absolute errors
            line, *_ = np.linalg.lstsq(inputs * weights[:, None], seconds * weights, rcond=None)
            errors = np.abs(inputs @ line - seconds)
            weights = 1 / np.sqrt(np.maximum(errors, 1e-6 * seconds.mean()))
        return cls(max(0.0, float(line[0])), max(0.0, float(line[1])))

    def times(self, factor: float) -> "Cost":
        """A part of it, or a multiple."""
        return Cost(self.per_row * factor, self.per_token * factor)

    def of(self, tokens: NDArray[np.int64]) -> Array:
        """Seconds of rows."""
        return np.asarray(self.per_row + self.per_token * tokens.astype(np.float64))


@dataclass(frozen=True, slots=True)
class RealSpeed:
    """Early exit itself on the clock, over full depth: median of the rounds and quartiles; and what the sum says."""

    threshold: float
    measured: float
    low: float
    high: float
    summed: float


@dataclass(frozen=True, slots=True)
class Lot:
    """One way of handing texts in: all at once, or one after the other.

    Attributes:
        rows: that were timed.
        full: the network at full depth in one go, as the standard model runs; what all speed-ups are against.
        stages: of the network with exits, each stage with its exit; the first holds what no row can skip.
        cut: the network cut off at each exit but the last, as the efficient baselines run.
        real: early exit at thresholds from the first exit to full depth; none of what has a single stage.
    """

    rows: int
    full: Cost
    stages: tuple[Cost, ...]
    cut: tuple[Cost, ...]
    real: tuple[RealSpeed, ...]

    def shares(self, tokens: NDArray[np.int64]) -> Array:
        """What rows cost up to each exit, as a share of the mean row at full depth in one go, (exits, rows)."""
        return np.asarray(np.cumsum([one.of(tokens) for one in self.stages], axis=0) / self.full.of(tokens).mean())

    def timed(self, outcomes: Outcomes) -> Outcomes:
        """Outcomes whose costs are sums over stages, with what early exit itself took beyond those.

        Late batches are less than full, and rows take time to sort out. How much that is was measured at some speeds,
        and is read off the lines that join them.
        """
        return Outcomes(outcomes.values, outcomes.costs / self._realized(1 / outcomes.costs.mean(axis=1))[:, None])

    def seconds(self, tokens: NDArray[np.int64], exits: NDArray[np.int64], reached: NDArray[np.bool_]) -> Array:
        """What rows take that leave at exits of this network, where not all rows reach it: (settings, rows).

        As in :meth:`timed`, of the rows that do.

        Args:
            tokens: (rows,).
            exits: that rows leave at, (settings, rows).
            reached: whether they run the network at all, (settings, rows).
        """
        stages = np.cumsum([one.of(tokens) for one in self.stages], axis=0)
        spent = np.where(reached, np.take_along_axis(stages, exits, axis=0), 0.0)
        total = spent.sum(axis=1)
        in_one_go = np.where(reached, self.full.of(tokens), 0.0).sum(axis=1)
        speedups = np.divide(in_one_go, total, out=np.ones_like(total), where=total > 0)
        return np.asarray(spent / self._realized(speedups)[:, None])

    def _realized(self, speedups: Array) -> Array:
        """The share of speed-ups by the sum over stages that there is on the clock, (settings,)."""
        if not self.real:
            return np.ones_like(speedups)
        known = sorted((one.summed, one.measured / one.summed) for one in self.real)
        return np.asarray(np.interp(speedups, *np.array(known).T))

    def cut_shares(self, index: int, tokens: NDArray[np.int64]) -> Array:
        """What rows cost in the network that is cut off at an exit; the last is full depth. (rows,)"""
        return np.asarray((*self.cut, self.full)[index].of(tokens) / self.full.of(tokens).mean())


@dataclass(frozen=True, slots=True)
class Times:
    """A data set's texts on one network, or read by a model of words.

    Attributes:
        environment: what it was measured on.
        fingerprint: of the rows that the timed ones were drawn from.
        lot: all at once.
        single: one after the other, the paper's protocol.
    """

    environment: dict[str, Any]
    fingerprint: str
    lot: Lot
    single: Lot
