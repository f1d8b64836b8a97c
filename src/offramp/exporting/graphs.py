"""The network as ONNX graphs: one for each stage, and one for the whole without exits in between, made of them."""

import copy
import gc
import hashlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from offramp.engine.exports import FULL, stage_name
from offramp.model import EarlyExitForSequenceClassification

WEIGHTS = "weights.bin"
# The first release of the format with a single operator for attention, for which runtimes have fast kernels.
_OPSET = 23
# The last release without an operator for rotary embeddings, which ONNX Runtime rejects if all rows share their angles,
# as in some encoders.
_OPSET_FOR_ROTARY = 22
# Smaller tensors stay in the graph, where runtimes look for shapes and other constants.
_SHARED_BYTES = 1024
_LOGITS = "logits"
# What a stage gets from the one before, and by which name that gives it.
_CARRIED = {"hidden": "hidden_out", "history": "history_out"}
# What says that the shape is asked of one side.
_SIDE = {"start", "end"}


@dataclass(frozen=True, slots=True)
class Graph:
    """A part of the network that a runtime computes in one go.

    Attributes:
        name: of its file, without the suffix.
        module: computes it.
        inputs, outputs: names, in order.
        example: tensors to trace it with.
    """

    name: str
    module: nn.Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: tuple[Tensor, ...]


class _First(nn.Module):
    def __init__(self, network: EarlyExitForSequenceClassification) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, input_ids: Tensor, lengths: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        state = self.network.stack.embed(_inputs(input_ids, lengths, token_type_ids))
        state, history = self.network.run_layers(state, None, self.network.stages[0])
        return state.hidden, history, self.network.exit_logits(state, history, 0)


class _Later(nn.Module):
    def __init__(self, network: EarlyExitForSequenceClassification, stage: int) -> None:
        super().__init__()
        self.network = network
        self.stage = stage

    def forward(self, hidden: Tensor, lengths: Tensor, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state = self.network.stack.resume(hidden, _mask(lengths, hidden.shape[1]))
        state, history = self.network.run_layers(state, history, self.network.stages[self.stage])
        return state.hidden, history, self.network.exit_logits(state, history, self.stage)


def _inputs(input_ids: Tensor, lengths: Tensor, token_type_ids: Tensor | None) -> dict[str, Tensor]:
    inputs = {"input_ids": input_ids, "attention_mask": _mask(lengths, input_ids.shape[1])}
    return inputs if token_type_ids is None else inputs | {"token_type_ids": token_type_ids}


def _mask(lengths: Tensor, length: int) -> Tensor:
    return (torch.arange(length, device=lengths.device) < lengths[:, None]).long()


def stages_of(network: EarlyExitForSequenceClassification) -> Iterator[Graph]:
    """Gives the stages in order.

    Rows and length are dynamic in all of them. ``lengths`` (rows,) is the number of tokens of each row. ``input_ids``
    and ``token_type_ids`` (only in models for pairs) are (rows, length), ``hidden`` is (rows, length, width),
    ``history`` (rows, layers so far, width) and ``logits`` (rows, labels).
    """
    lengths = torch.tensor([9, 5, 7])
    tokens: tuple[Tensor, ...] = (torch.full((3, 9), 5), lengths)
    names: tuple[str, ...] = ("input_ids", "lengths")
    if network.config.text_pair:
        tokens, names = (*tokens, torch.zeros(3, 9, dtype=torch.long)), (*names, "token_type_ids")
    outputs = (*_CARRIED.values(), _LOGITS)
    first = _First(network)
    yield Graph(stage_name(0), first, names, outputs, tokens)
    hidden, history, _ = first(*tokens)
    for stage in range(1, len(network.stages)):
        later, carried = _Later(network, stage), (hidden, lengths, history)
        yield Graph(stage_name(stage), later, ("hidden", "lengths", "history"), outputs, carried)
        hidden, history, _ = later(*carried)


@torch.no_grad()
def write_graphs(network: EarlyExitForSequenceClassification, folder: Path, *, attention: str) -> None:
    """Writes every graph as ``NAME.onnx`` into ``folder``; one file beside them holds all weights, each once.

    Args:
        network: on the CPU, in fp32 and evaluation mode.
        attention: ``sdpa`` writes attention as one operator, ``eager`` as single steps, which OpenVINO fuses into
            something 2 % faster (MiniLM, whole network, bf16). Encoders without the former get the latter.
    """
    known: dict[bytes, tuple[int, int]] = {}
    opset, stages = _OPSET, []
    with _attention(network, attention), (folder / WEIGHTS).open("wb") as weights:
        for graph in stages_of(network):
            proto = _to_onnx(graph, opset)
            if any(node.op_type == "RotaryEmbedding" for node in proto.graph.node):
                opset = _OPSET_FOR_ROTARY
                proto = _to_onnx(graph, opset)
            for tensor in proto.graph.initializer:
                _share(tensor, weights, known)
            stages.append(proto)
    names = [*map(stage_name, range(len(stages))), FULL]
    for name, proto in zip(names, [*stages, _chained(stages)], strict=True):
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())


def _chained(stages: Sequence[Any]) -> Any:
    """The whole network, made of the graphs of its stages; of the exits only the last is left.

    To trace it would take as long as all stages took. What each stage finds out for itself, such as which positions
    are padding, is computed once: equal operations become one, and sizes are those of the first stage's input.

    Args:
        stages: with their weights in a file.
    """
    import onnx_ir
    from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass

    whole = copy.deepcopy(stages[0])
    for part in ("node", "initializer", "value_info", "output"):
        whole.graph.ClearField(part)
    carried: dict[str, str] = {}
    weights: dict[bytes, str] = {}
    for place, stage in enumerate(stages):
        names = {"": ""} | {value.name: carried.get(value.name, value.name) for value in stage.graph.input}
        for tensor in stage.graph.initializer:
            names[tensor.name] = _kept(tensor, f"{tensor.name}.{place}", whole.graph, weights)
        for node in stage.graph.node:
            own = whole.graph.node.add()
            own.CopyFrom(node)
            own.name = f"{node.name}.{place}"
            own.input[:] = [names[name] for name in node.input]
            if node.op_type == "Shape" and node.input[0] in _CARRIED and {one.name for one in node.attribute} >= _SIDE:
                own.input[:] = [whole.graph.input[0].name]  # whose sides are rows and length, too
            names |= {name: f"{name}.{place}" for name in node.output if name}
            own.output[:] = [names[name] for name in node.output]
        carried = {name: names[output] for name, output in _CARRIED.items()}
    (logits,) = (value for value in stages[-1].graph.output if value.name == _LOGITS)
    whole.graph.output.add().CopyFrom(logits)
    whole.graph.output[0].name = names[_LOGITS]
    model = onnx_ir.from_proto(whole)
    for simplify in (CommonSubexpressionEliminationPass(), RemoveUnusedNodesPass()):
        model = simplify(model).model
    model.graph.outputs[0].name = _LOGITS
    return onnx_ir.to_proto(model)


def _kept(tensor: Any, name: str, graph: Any, known: dict[bytes, str]) -> str:
    """Adds a tensor to a graph, unless it has an equal one.

    Returns:
        The name of the one that it has.
    """
    named = graph.initializer.add()
    named.CopyFrom(tensor)
    named.ClearField("name")
    key = named.SerializeToString(deterministic=True)
    if key in known:
        del graph.initializer[-1]
    else:
        named.name = known[key] = name
    return known[key]


@contextmanager
def _attention(network: EarlyExitForSequenceClassification, attention: str) -> Iterator[None]:
    before = network.backbone.config._attn_implementation
    if before == "sdpa":
        network.backbone.set_attn_implementation(attention)
    try:
        yield
    finally:
        network.backbone.set_attn_implementation(before)


def _to_onnx(graph: Graph, opset: int) -> Any:
    dynamic = [
        {side: torch.export.Dim.DYNAMIC for side in range(2 if name != "history" else 1) if side < example.ndim}
        for name, example in zip(graph.inputs, graph.example, strict=True)
    ]
    with _silent(), _no_collection():
        program = torch.onnx.export(
            graph.module,
            graph.example,
            dynamo=True,
            dynamic_shapes=tuple(dynamic),
            input_names=graph.inputs,
            output_names=graph.outputs,
            opset_version=opset,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _share(tensor: Any, weights: Any, known: dict[bytes, tuple[int, int]]) -> None:
    """Moves a tensor's content to the shared file, unless it is there already."""
    content = tensor.raw_data
    if len(content) < _SHARED_BYTES:
        return
    key = hashlib.sha256(content).digest()
    if key not in known:
        weights.write(b"\0" * (-weights.tell() % 4096))  # whole pages can be mapped into memory
        known[key] = (weights.tell(), len(content))
        weights.write(content)
    offset, length = known[key]
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    for name, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=name, value=str(value))


@contextmanager
def _silent() -> Iterator[None]:
    """Hides the exporter's warnings, which users can do nothing about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger = logging.getLogger("torch.onnx")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Looks for no garbage: tracing makes so many objects that this took a fifth of its time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
