"""The stages of an exported model, run by OpenVINO on a CPU."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offramp import environment
from offramp.backends import Engine
from offramp.engine.exports import FULL, graph_file, graphs_fingerprint, stage_name
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import GraphStages, HiddenState
from offramp.errors import MissingExtraError
from offramp.files import storage_errors
from offramp.model.padding import Batch

# Kernels of a graph that are kept for the next batch of the same shape; a large one takes up to a megabyte. Fewer make
# single texts slower, more let memory grow without end in a long stream, where shapes seldom come again.
_KEPT_KERNELS = 300
# Where batches have few shapes, memory does not grow without end, and all are kept.
_ALL_KERNELS = 20_000

# A quarter of the lengths to prepare kernels for saves more than padding by one and a half tokens costs.
_LENGTH_STEP = 4


class OpenVinoStages(GraphStages):
    """See :class:`~offramp.engine.stages.Stages`.

    The states that stages return lie in OpenVINO's own memory. In ``bf16``, and in ``int8`` where the processor
    is fast at bfloat16, what is not int8 is computed in bfloat16, and so the hidden states pass from stage to stage.
    """

    def __init__(
        self, folder: Path, layers: tuple[int, ...], *, precision: str, threads: int | None, few_shapes: bool = False
    ) -> None:
        try:
            import openvino
        except ImportError:
            raise MissingExtraError("the backend openvino", "openvino") from None
        super().__init__(folder, Engine("openvino", precision), layers, _LENGTH_STEP)
        self._plain = _without_links(folder)
        if self._plain != folder:
            weakref.finalize(self, shutil.rmtree, self._plain, ignore_errors=True)
        self._openvino: Any = openvino
        self._bf16 = precision == "bf16" or (precision == "int8" and environment.fast_bf16())
        self._core = openvino.Core()
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._bf16 else "f32",
            "PERFORMANCE_HINT": "LATENCY",
            # Every process would bind its first thread to the first core: several on one machine would share that.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": str(_ALL_KERNELS if few_shapes else _KEPT_KERNELS),
            **({} if threads is None else {"INFERENCE_NUM_THREADS": threads}),
        }
        self._requests = [self._graph(stage_name(stage)) for stage in range(len(layers))]

    def fingerprint(self) -> str:
        """Names the weights and how they are computed with."""
        return f"{self._engine} {self._options['INFERENCE_PRECISION_HINT']} {graphs_fingerprint(self._folder)}"

    def first(self, batch: Batch) -> StageOutput:
        """Embeds a batch and runs the first stage and its exit."""
        return self._run(0, batch.tokens)

    def later(self, stage: int, state: HiddenState, lengths: NDArray[np.int64]) -> StageOutput:
        """Runs a stage after the first and its exit."""
        hidden, history = self._shared(state.hidden), self._shared(state.history)
        return self._run(stage, {"hidden": hidden, "lengths": lengths, "history": history})

    def full(self, batch: Batch) -> NDArray[np.float32]:
        """Runs the whole network as one graph."""
        logits: NDArray[np.float32] = self._infer(self._graph(FULL), batch.tokens).get_tensor("logits").data.copy()
        return logits

    def _run(self, stage: int, feeds: dict[str, Any]) -> StageOutput:
        request = self._infer(self._requests[stage], feeds)
        state = HiddenState(self._float(request, "hidden_out"), self._float(request, "history_out"))
        return StageOutput(state, request.get_tensor("logits").data.copy())

    def _open(self, name: str) -> Any:
        model = self._core.read_model(graph_file(self._plain, name))
        if self._bf16:
            model = self._with_bf16_ports(model)
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()

    def _with_bf16_ports(self, model: Any) -> Any:
        """Hidden states go in and out as they are computed with: no conversion at the borders between stages."""
        preparation = self._openvino.preprocess.PrePostProcessor(model)
        for port in model.inputs:
            if port.get_any_name() in ("hidden", "history"):
                preparation.input(port.get_any_name()).tensor().set_element_type(self._openvino.Type.bf16)
        for port in model.outputs:
            if port.get_any_name() != "logits":
                preparation.output(port.get_any_name()).tensor().set_element_type(self._openvino.Type.bf16)
        return preparation.build()

    def _infer(self, request: Any, feeds: dict[str, Any]) -> Any:
        for name, value in feeds.items():
            tensor = value if isinstance(value, self._openvino.Tensor) else self._openvino.Tensor(value, True)
            request.set_tensor(name, tensor)
        request.infer()
        return request

    def _float(self, request: Any, name: str) -> Tensor:
        data = request.get_tensor(name).data
        return torch.from_numpy(data.view(np.int16)).view(torch.bfloat16) if self._bf16 else torch.from_numpy(data)

    def _shared(self, tensor: Tensor) -> Any:
        """The same memory, as OpenVINO sees it."""
        if not self._bf16:
            return self._openvino.Tensor(tensor.numpy(), True)
        shape = self._openvino.Shape(list(tensor.shape))
        return self._openvino.Tensor(tensor.view(torch.int16).numpy(), shape, self._openvino.Type.bf16)


def _without_links(folder: Path) -> Path:
    """A folder of the graphs as plain files: a new one where some are links, as in the hub's cache.

    OpenVINO refuses weights that a link leads to outside of the graph's folder.
    """
    if not any(path.is_symlink() for path in folder.iterdir()):
        return folder
    plain = Path(tempfile.mkdtemp(prefix="offramp-"))
    for path in filter(Path.is_file, folder.iterdir()):
        target = plain / path.name
        try:
            os.link(path.resolve(), target)
        except OSError:  # another file system, or one without such links
            with storage_errors(target):
                shutil.copyfile(path, target)
    return plain
