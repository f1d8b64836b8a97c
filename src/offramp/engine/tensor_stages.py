"""What the backends share: hidden states held in tensors, and graphs that lie in a folder."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offramp.backends import Engine
from offramp.engine.exports import graphs_fingerprint
from offramp.model.padding import on_device


@dataclass(frozen=True, slots=True)
class HiddenState:
    """The state of rows after a layer.

    Attributes:
        hidden: token states, (rows, length, width).
        history: pooled states of the layers run so far, (rows, layers, width).
    """

    hidden: Tensor
    history: Tensor


class HiddenBuffer:
    """See :class:`~offramp.engine.stages.Buffer`."""

    def __init__(self, like: HiddenState, rows: int, length: int) -> None:
        _, _, width = like.hidden.shape
        self._hidden = like.hidden.new_empty((rows, length, width))
        self._history = like.history.new_empty((rows, *like.history.shape[1:]))

    def put(self, state: HiddenState, rows: NDArray[np.int64], start: int) -> None:
        """Copies rows, cut or padded to the buffer's length."""
        index = on_device(rows, state.hidden.device)
        places = slice(start, start + len(rows))
        hidden = state.hidden[:, : self._hidden.shape[1]]
        torch.index_select(hidden, 0, index, out=self._hidden[places, : hidden.shape[1]])
        # What follows the end of a row is never looked at, but it must be numbers: 0 times NaN is NaN.
        self._hidden[places, hidden.shape[1] :] = 0
        torch.index_select(state.history, 0, index, out=self._history[places])

    def state(self, count: int) -> HiddenState:
        """The first rows."""
        return HiddenState(self._hidden[:count], self._history[:count])


class TensorStages:
    """A base for backends whose state is a :class:`HiddenState`.

    Args:
        engine, layers, length_step: see :class:`~offramp.engine.stages.Stages`.
    """

    def __init__(self, engine: Engine, layers: tuple[int, ...], length_step: int = 1) -> None:
        self._engine = engine
        self._layers = layers
        self._length_step = length_step

    @property
    def engine(self) -> Engine:
        """What computes, and in which precision."""
        return self._engine

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""
        return self._layers

    @property
    def length_step(self) -> int:
        """Batches are padded to a multiple of so many tokens."""
        return self._length_step

    def length(self, state: HiddenState) -> int:
        """Tokens that the rows of a state are padded to."""
        return int(state.hidden.shape[1])

    def buffer(self, like: HiddenState, rows: int, length: int) -> HiddenBuffer:
        """Room for rows that have come as far as those of the state ``like``."""
        return HiddenBuffer(like, rows, length)


class GraphStages(TensorStages, ABC):
    """A base for backends that run exported graphs.

    Args:
        folder: where the graphs lie.
    """

    def __init__(self, folder: Path, engine: Engine, layers: tuple[int, ...], length_step: int = 1) -> None:
        super().__init__(engine, layers, length_step)
        self._folder = folder
        self._opened: dict[str, Any] = {}

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""
        return f"{self._engine} {graphs_fingerprint(self._folder)}"

    def _graph(self, name: str) -> Any:
        """A graph, opened when it is first asked for: some are needed for measuring and auditing only."""
        if name not in self._opened:
            self._opened[name] = self._open(name)
        return self._opened[name]

    @abstractmethod
    def _open(self, name: str) -> Any:
        """Makes a graph ready to run."""
