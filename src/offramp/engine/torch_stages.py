"""The stages of a network run by PyTorch itself, on a CPU or a GPU."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offramp.backends import TORCH, Engine
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import HiddenState, TensorStages
from offramp.model import EarlyExitForSequenceClassification, LayersState
from offramp.model.padding import Batch, mask_of


class TorchStages(TensorStages):
    """See :class:`~offramp.engine.stages.Stages`."""

    def __init__(self, network: EarlyExitForSequenceClassification) -> None:
        precision = "bf16" if network.dtype == torch.bfloat16 else "fp32"
        super().__init__(Engine(TORCH, precision), tuple(network.config.exits))
        self._network = network.eval()
        self._device = network.device

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""
        digest = hashlib.sha256()
        for name, weights in self._network.state_dict().items():
            digest.update(name.encode())
            digest.update(weights.cpu().contiguous().flatten().view(torch.uint8).numpy())
        return f"{self.engine} {digest.hexdigest()}"

    @torch.inference_mode()
    def first(self, batch: Batch) -> StageOutput:
        """Embeds a batch and runs the first stage and its exit."""
        embedded = self._network.stack.embed(batch.inputs(self._device))
        return self._exit(0, *self._network.run_layers(embedded, None, self._network.stages[0]))

    @torch.inference_mode()
    def later(self, stage: int, state: HiddenState, lengths: NDArray[np.int64]) -> StageOutput:
        """Runs a stage after the first and its exit."""
        resumed = self._network.stack.resume(state.hidden, mask_of(lengths, state.hidden.shape[1], self._device))
        return self._exit(stage, *self._network.run_layers(resumed, state.history, self._network.stages[stage]))

    @torch.inference_mode()
    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs every layer and the last exit."""
        embedded = self._network.stack.embed(batch.inputs(self._device))
        layers = range(self.layers[-1])
        return self._exit(len(self.layers) - 1, *self._network.run_layers(embedded, None, layers)).logits

    def _exit(self, exit_index: int, layers: LayersState, history: Tensor) -> StageOutput:
        logits = self._network.exit_logits(layers, history, exit_index).float().cpu().numpy()
        return StageOutput(HiddenState(layers.hidden, history), logits)
