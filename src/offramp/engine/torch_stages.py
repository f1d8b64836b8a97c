"""The stages of a network run by PyTorch itself, on a CPU or a GPU."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offramp.engine.batching import Batch
from offramp.engine.stages import Rows
from offramp.model import EarlyExitForSequenceClassification, State


@dataclass(frozen=True, slots=True)
class TorchState:
    """The layers' state and the pooled states so far, (rows, layers so far, width); None before the first layer."""

    layers: State
    history: Tensor | None


class TorchStages:
    """See :class:`~offramp.engine.stages.Stages`."""

    def __init__(self, network: EarlyExitForSequenceClassification) -> None:
        self._network = network.eval()
        self._device = network.device

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""
        return tuple(self._network.config.exits)

    @torch.inference_mode()
    def start(self, batch: Batch) -> Rows[TorchState]:
        """Embeds a batch. There is no mask where nothing is padded."""
        inputs = {"input_ids": self._tensor(batch.input_ids)}
        if batch.padded:
            inputs["attention_mask"] = self._tensor(batch.mask.astype(np.int64))
        if batch.token_type_ids is not None:
            inputs["token_type_ids"] = self._tensor(batch.token_type_ids)
        state = TorchState(self._network.embed(inputs), None)
        return Rows(batch.ids, batch.lengths, state, np.zeros((len(batch.ids), 0), np.float32))

    @torch.inference_mode()
    def run(self, stage: int, rows: Rows[TorchState]) -> Rows[TorchState]:
        """Runs one stage and its exit."""
        return self._run(rows, self._network.stages[stage], stage)

    @torch.inference_mode()
    def head(self, stage: int, rows: Rows[TorchState]) -> NDArray[np.float32]:
        """Logits of one exit, from the pooled states of the layers before it."""
        assert rows.state.history is not None
        return self._head(stage, rows.state.history[:, : self.layers[stage]])

    @torch.inference_mode()
    def run_all(self, rows: Rows[TorchState]) -> Rows[TorchState]:
        """Runs every layer and the last exit."""
        return self._run(rows, range(self.layers[-1]), len(self.layers) - 1)

    @torch.inference_mode()
    def keep(self, rows: Rows[TorchState], staying: NDArray[np.bool_]) -> Rows[TorchState]:
        """Compacts a batch."""
        lengths = rows.lengths[staying]
        longest = int(lengths.max())
        index = self._tensor(np.flatnonzero(staying))
        layers = self._network.stack.keep(rows.state.layers, index, longest, padded=bool(lengths.min() < longest))
        history = rows.state.history
        state = TorchState(layers, None if history is None else history.index_select(0, index))
        return Rows(rows.ids[staying], lengths, state, rows.logits[staying])

    def _run(self, rows: Rows[TorchState], layers: range, exit_index: int) -> Rows[TorchState]:
        state, history = self._network.run_layers(rows.state.layers, rows.state.history, layers)
        return Rows(rows.ids, rows.lengths, TorchState(state, history), self._head(exit_index, history))

    def _head(self, exit_index: int, history: Tensor) -> NDArray[np.float32]:
        return self._network.exit_logits(history, exit_index).float().cpu().numpy()

    def _tensor(self, array: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(array).to(self._device)
