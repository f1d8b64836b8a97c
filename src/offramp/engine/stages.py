"""What a backend has to offer: a network cut at its exits, and the state that rows carry between its stages."""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from offramp.backends import Engine
from offramp.model.padding import Batch

State: TypeAlias = Any
"""What rows carry from one stage to the next. Only the backend that made it looks inside."""


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage gives: the state of its rows after it, and the logits of its exit, (rows, labels) float32."""

    state: State
    logits: NDArray[np.float32]

    def ordered(self, order: NDArray[np.int64]) -> "StageOutput":
        """The same with the logits in another order, (labels,), in memory as the rules expect them: row by row."""
        return StageOutput(self.state, self.logits.take(order, axis=1))


class Buffer(Protocol):
    """Memory of a backend in which rows from several states become one state."""

    def put(self, state: State, rows: NDArray[np.int64], start: int) -> None:
        """Copies the rows of a state at the positions ``rows`` (n,) to the places from ``start`` on."""

    def state(self, count: int) -> State:
        """The first ``count`` rows as a state; it shares the buffer's memory."""


class Stages(Protocol):
    """A network as stages, each a run of layers that ends with an exit.

    A backend may hand out memory that it uses again: the state that a stage returns holds until that stage is run once
    more. What has to last longer is copied into a :class:`Buffer`.
    """

    @property
    def engine(self) -> Engine:
        """What computes, and in which precision."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""

    @property
    def length_step(self) -> int:
        """Batches are padded to a multiple of so many tokens: above 1 where every shape needs kernels of its own."""

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""

    def first(self, batch: Batch) -> StageOutput:
        """Embeds a batch and runs the first stage and its exit."""

    def later(self, stage: int, state: State, lengths: NDArray[np.int64]) -> StageOutput:
        """Runs a stage after the first and its exit on rows of the given lengths, (rows,), in tokens."""

    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs the whole network as if it had no exits but the last: that exit's logits, (rows, labels)."""

    def length(self, state: State) -> int:
        """Tokens that the rows of a state are padded to."""

    def buffer(self, like: State, rows: int, length: int) -> Buffer:
        """Room for ``rows`` rows of ``length`` tokens that have come as far as those of the state ``like``."""


def gathered(stages: Stages, parts: list[tuple[State, NDArray[np.int64]]], length: int) -> State:
    """Copies rows of one or several states into one, padded to ``length`` tokens.

    Args:
        parts: states of rows that have come equally far, each with the positions of the rows to take, (n,).
        length: at least the tokens of every row taken.
    """
    buffer = stages.buffer(parts[0][0], sum(len(rows) for _, rows in parts), length)
    count = 0
    for state, rows in parts:
        buffer.put(state, rows, count)
        count += len(rows)
    return buffer.state(count)
