"""The stages of an exported model, run by ONNX Runtime on a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from offramp.backends import Engine
from offramp.engine.exports import FULL, graph_file, stage_name
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import GraphStages, HiddenState
from offramp.errors import MissingExtraError
from offramp.model.padding import Batch


class OnnxRuntimeStages(GraphStages):
    """See :class:`~offramp.engine.stages.Stages`."""

    def __init__(
        self, folder: Path, layers: tuple[int, ...], *, precision: str, threads: int | None, few_shapes: bool = False
    ) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("the backend onnxruntime", "onnx") from None
        super().__init__(folder, Engine("onnxruntime", precision), layers)
        self._onnxruntime: Any = onnxruntime
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._sessions = [self._graph(stage_name(stage)) for stage in range(len(layers))]

    def first(self, batch: Batch) -> StageOutput:
        """Embeds a batch and runs the first stage and its exit."""
        return self._run(0, batch.tokens)

    def later(self, stage: int, state: HiddenState, lengths: NDArray[np.int64]) -> StageOutput:
        """Runs a stage after the first and its exit."""
        hidden, history = state.hidden.numpy(), state.history.numpy()
        return self._run(stage, {"hidden": hidden, "lengths": lengths, "history": history})

    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs the whole network as one graph."""
        logits: NDArray[np.float32] = self._graph(FULL).run(None, batch.tokens)[0]
        return logits

    def _run(self, stage: int, feeds: dict[str, NDArray[Any]]) -> StageOutput:
        hidden, history, logits = self._sessions[stage].run(None, feeds)
        return StageOutput(HiddenState(torch.from_numpy(hidden), torch.from_numpy(history)), logits)

    def _open(self, name: str) -> Any:
        file = str(graph_file(self._folder, name))
        return self._onnxruntime.InferenceSession(file, self._options, providers=["CPUExecutionProvider"])
