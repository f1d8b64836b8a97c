"""The stages of an exported model, run by ONNX Runtime on a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from offramp.engine.batching import Batch
from offramp.engine.exports import EMBED, FULL, graph_file, graphs_fingerprint, stage_name
from offramp.engine.stages import Ran, State
from offramp.errors import MissingExtraError


class OnnxRuntimeStages:
    """See :class:`~offramp.engine.stages.Stages`."""

    def __init__(self, folder: Path, layers: tuple[int, ...], *, precision: str, threads: int | None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("the backend onnxruntime", "onnx") from None
        self._onnxruntime: Any = onnxruntime
        self._folder = folder
        self._layers = layers
        self._precision = precision
        self._options = onnxruntime.SessionOptions()
        self._options.log_severity_level = 3
        if threads is not None:
            self._options.intra_op_num_threads = threads
        self._stages = [self._session(stage_name(stage)) for stage in range(len(layers))]
        self._others: dict[str, Any] = {}

    @property
    def backend(self) -> str:
        """What computes."""
        return "onnxruntime"

    @property
    def precision(self) -> str:
        """The precision that the graphs were exported in."""
        return self._precision

    @property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit."""
        return self._layers

    @property
    def length_step(self) -> int:
        """Any length will do."""
        return 1

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""
        return f"onnxruntime {self._precision} {graphs_fingerprint(self._folder)}"

    def first(self, batch: Batch) -> Ran:
        """Embeds a batch and runs the first stage and its exit."""
        return self._run(0, batch.tokens)

    def later(self, stage: int, state: State, lengths: NDArray[np.int64]) -> Ran:
        """Runs a stage behind the first and its exit."""
        hidden, history = state.hidden.numpy(), state.history.numpy()
        return self._run(stage, {"hidden": hidden, "lengths": lengths, "history": history})

    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs the whole network as one graph."""
        logits: NDArray[np.float32] = self._other(FULL).run(None, batch.tokens)[0]
        return logits

    def embed(self, batch: Batch) -> None:
        """Embeds a batch and does nothing more."""
        self._other(EMBED).run(None, batch.tokens)

    def _run(self, stage: int, feeds: dict[str, NDArray[Any]]) -> Ran:
        hidden, history, logits = self._stages[stage].run(None, feeds)
        return Ran(State(torch.from_numpy(hidden), torch.from_numpy(history)), logits)

    def _other(self, name: str) -> Any:
        """A graph that only measuring and auditing need: it is not in memory until then."""
        if name not in self._others:
            self._others[name] = self._session(name)
        return self._others[name]

    def _session(self, name: str) -> Any:
        file = str(graph_file(self._folder, name))
        return self._onnxruntime.InferenceSession(file, self._options, providers=["CPUExecutionProvider"])
