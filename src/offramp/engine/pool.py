"""Rows that wait after an exit until they fill a batch for the next stage."""

import numpy as np
from numpy.typing import NDArray

from offramp.engine.batching import fitting, stepped
from offramp.engine.stages import Stages
from offramp.engine.steps import InFlight


class Pool:
    """Gathers the rows that go on after an exit into batches for the next stage.

    Without it a batch would shrink from exit to exit down to a few rows, which waste the hardware. A row is copied
    once; a batch that stays as a whole is not copied.

    Args:
        stages: the network whose rows wait.
        token_budget: tokens of a full batch, padding included.
    """

    def __init__(self, stages: Stages, token_budget: int) -> None:
        self._stages = stages
        self._token_budget = token_budget
        self._filling: _Filling | None = None

    def add(self, rows: InFlight, staying: NDArray[np.int64]) -> list[InFlight]:
        """Takes the rows at the positions ``staying`` (n,), the longest first, and gives the batches they fill."""
        if len(staying) == len(rows.ids):
            return [rows]
        full = []
        lengths = stepped(rows.lengths[staying], self._stages.length_step, self._stages.length(rows.state))
        while len(staying):
            longest = max(1, int(lengths[0]))
            if self._filling is not None and not self._fitting(lengths, self._filling):
                full += self.rest()
            if self._filling is None:
                self._filling = _Filling(self._stages, max(1, self._token_budget // longest), longest, rows)
            count = self._fitting(lengths, self._filling)
            self._filling.put(rows, staying[:count])
            staying, lengths = staying[count:], lengths[count:]
            if self._filling.full:
                full += self.rest()
        return full

    def rest(self) -> list[InFlight]:
        """Gives the rows that wait, if there are any, as one batch."""
        if self._filling is None:
            return []
        rows, self._filling = self._filling.rows(), None
        return [rows]

    def _fitting(self, lengths: NDArray[np.int64], filling: "_Filling") -> int:
        """How many of the next rows, the longest first, go into a batch in the making."""
        return fitting(lengths, filling.length, self._token_budget, len(filling))


class _Filling:
    """A batch in the making, filled from the front; ``like`` are rows of the kind that it will hold."""

    def __init__(self, stages: Stages, capacity: int, length: int, like: InFlight) -> None:
        self.length = length
        self._count = 0
        self._ids = np.empty(capacity, np.int64)
        self._lengths = np.empty(capacity, np.int64)
        exits, _, labels = like.passed.shape
        self._passed = np.empty((exits, capacity, labels))
        self._buffer = stages.buffer(like.state, capacity, length)

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether there is no room left."""
        return self._count == len(self._ids)

    def put(self, rows: InFlight, positions: NDArray[np.int64]) -> None:
        """Copies the rows at some positions (n,)."""
        places = slice(self._count, self._count + len(positions))
        self._ids[places] = rows.ids[positions]
        self._lengths[places] = rows.lengths[positions]
        self._passed[:, places] = rows.passed[:, positions]
        self._buffer.put(rows.state, positions, self._count)
        self._count += len(positions)

    def rows(self) -> InFlight:
        """The batch as far as it is filled."""
        filled = slice(self._count)
        # Rules add up labels: in another layout of memory the last bit of a sum could differ.
        passed = np.ascontiguousarray(self._passed[:, filled])
        return InFlight(self._ids[filled], self._lengths[filled], passed, self._buffer.state(self._count))
