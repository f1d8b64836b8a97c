"""Where rows wait for a stage until they fill a batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from offramp.engine.batching import fitting, stepped
from offramp.engine.stages import State


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on their way.

    Attributes:
        ids: where each row stands in the input, (rows,).
        lengths: tokens of each row, (rows,).
        passed: calibrated probabilities at the exits passed, (exits, rows, labels).
        state: the network's.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    passed: NDArray[np.float64]
    state: State


class Pool:
    """Gathers the rows that stay behind an exit into batches for the next stage.

    Without it a batch would shrink from exit to exit down to a few rows, which waste the hardware. A row is copied
    once; a batch that stays as a whole is not copied.

    Args:
        token_budget: tokens of a full batch, padding included.
        length_step: batches are padded to a multiple of so many tokens, as far as their rows are.
    """

    def __init__(self, token_budget: int, length_step: int = 1) -> None:
        self._token_budget = token_budget
        self._length_step = length_step
        self._gathered: Gathered | None = None

    def add(self, rows: Rows, staying: NDArray[np.int64]) -> Iterator[Rows]:
        """Takes the rows at the positions ``staying`` (rows,), the longest first, and gives the batches they fill."""
        if len(staying) == len(rows.ids):
            yield rows
            return
        lengths = stepped(rows.lengths[staying], self._length_step, rows.state.hidden.shape[1])
        while len(staying):
            longest = max(1, int(lengths[0]))
            if self._gathered is not None and not self._fitting(lengths, self._gathered):
                yield from self.rest()
            if self._gathered is None:
                self._gathered = Gathered(max(1, self._token_budget // longest), longest, rows)
            count = self._fitting(lengths, self._gathered)
            self._gathered.take(rows, staying[:count])
            staying, lengths = staying[count:], lengths[count:]
            if self._gathered.full:
                yield from self.rest()

    def rest(self) -> Iterator[Rows]:
        """Gives the rows that wait, if there are any, as one batch."""
        if self._gathered is not None:
            rows, self._gathered = self._gathered.rows(), None
            yield rows

    def _fitting(self, lengths: NDArray[np.int64], gathered: "Gathered") -> int:
        """How many of the next rows, the longest first, go into a batch in the making."""
        return fitting(lengths, gathered.length, self._token_budget, len(gathered))


class Gathered:
    """A batch in the making, filled from the front.

    Args:
        capacity: rows that there is room for.
        length: tokens that every row has room for.
        like: rows of the kind that it will be filled with.
    """

    def __init__(self, capacity: int, length: int, like: Rows) -> None:
        self.length = length
        self._count = 0
        self._ids = np.empty(capacity, np.int64)
        self._lengths = np.empty(capacity, np.int64)
        exits, _, labels = like.passed.shape
        self._passed = np.empty((exits, capacity, labels))
        _, _, width = like.state.hidden.shape
        self._hidden = like.state.hidden.new_empty((capacity, length, width))
        self._history = like.state.history.new_empty((capacity, *like.state.history.shape[1:]))

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether there is no room left."""
        return self._count == len(self._ids)

    def take(self, rows: Rows, chosen: NDArray[np.int64]) -> None:
        """Copies the rows at the positions ``chosen`` (rows,)."""
        places = slice(self._count, self._count + len(chosen))
        self._ids[places] = rows.ids[chosen]
        self._lengths[places] = rows.lengths[chosen]
        self._passed[:, places] = rows.passed[:, chosen]
        index = torch.from_numpy(chosen).to(rows.state.hidden.device)
        hidden = rows.state.hidden[:, : self.length]
        torch.index_select(hidden, 0, index, out=self._hidden[places, : hidden.shape[1]])
        # What lies behind a row is never looked at, but it must be numbers: 0 times NaN is NaN.
        self._hidden[places, hidden.shape[1] :] = 0
        torch.index_select(rows.state.history, 0, index, out=self._history[places])
        self._count += len(chosen)

    def rows(self) -> Rows:
        """The batch as far as it is filled."""
        filled = slice(self._count)
        state = State(self._hidden[filled], self._history[filled])
        # Rules add up labels: in another layout of memory the last bit of a sum could differ.
        passed = np.ascontiguousarray(self._passed[:, filled])
        return Rows(self._ids[filled], self._lengths[filled], passed, state)
