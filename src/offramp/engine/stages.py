"""What a backend has to offer: a network cut at its exits."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from offramp.engine.batching import Batch

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Rows(Generic[S]):
    """The rows of a batch that are still running.

    Attributes:
        ids: where each row stands in the input, (rows,).
        lengths: tokens of each row, (rows,).
        state: the backend's own: hidden states, mask, pooled history.
        logits: the latest exit's, (rows, labels) float32; empty before the first.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    state: S
    logits: NDArray[np.float32]


class Stages(Protocol[S]):
    """A network as stages, each a run of layers that ends with an exit."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""

    def start(self, batch: Batch) -> Rows[S]:
        """Embeds a batch."""

    def run(self, stage: int, rows: Rows[S]) -> Rows[S]:
        """Runs one stage and its exit; the result's ``logits`` are that exit's."""

    def head(self, stage: int, rows: Rows[S]) -> NDArray[np.float32]:
        """Logits (rows, labels) of one exit for rows that have run at least its layers: ``run`` without the layers."""

    def run_all(self, rows: Rows[S]) -> Rows[S]:
        """Runs every layer in one go and only the last exit: the network as if it had no exits in between."""

    def keep(self, rows: Rows[S], staying: NDArray[np.bool_]) -> Rows[S]:
        """Drops the rows that are False in ``staying`` (rows,) and cuts the rest to the longest of them."""
