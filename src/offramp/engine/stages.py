"""What a backend has to offer: a network cut at its exits."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from offramp.engine.batching import Batch


@dataclass(frozen=True, slots=True)
class State:
    """What rows carry from stage to stage.

    Attributes:
        hidden: token states, (rows, length, width).
        history: pooled states of the layers run so far, (rows, layers, width).
    """

    hidden: Tensor
    history: Tensor


@dataclass(frozen=True, slots=True)
class Ran:
    """Rows behind a stage, and the logits of its exit, (rows, labels) float32."""

    state: State
    logits: NDArray[np.float32]


class Stages(Protocol):
    """A network as stages, each a run of layers that ends with an exit.

    A backend may hand out memory that it uses again: the state that a stage returns holds until that stage is run once
    more.
    """

    @property
    def backend(self) -> str:
        """What computes: ``torch``, ``onnxruntime`` or ``openvino``."""

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``int8``."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""

    @property
    def length_step(self) -> int:
        """Batches are padded to a multiple of so many tokens: above 1 where every shape needs kernels of its own."""

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""

    def first(self, batch: Batch) -> Ran:
        """Embeds a batch and runs the first stage and its exit."""

    def later(self, stage: int, state: State, lengths: NDArray[np.int64]) -> Ran:
        """Runs a stage behind the first and its exit on rows of the given lengths, (rows,), in tokens."""

    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs the whole network as if it had no exits but the last: that exit's logits, (rows, labels)."""

    def embed(self, batch: Batch) -> None:
        """Embeds a batch and does nothing more: to measure what that costs."""
