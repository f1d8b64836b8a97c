"""Graphs in int8: weights and activations, with ranges taken from calibration texts."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.exports import FULL, stage_name
from offramp.engine.openvino_stages import OpenVinoStages
from offramp.errors import MissingExtraError
from offramp.model.padding import Batch

Feed = dict[str, NDArray[Any]]


def quantize_for_openvino(graphs: Path, target: Path, layers: tuple[int, ...], batches: Sequence[Batch]) -> None:
    """Quantizes every graph that has layers with NNCF's settings for transformers, and writes it in OpenVINO's format.

    An exit's own pooling and head stay as they are: they cost next to nothing, and their output is compared with a
    threshold.

    Args:
        graphs: folder of the graphs in fp32.
        target: folder for the quantized ones.
        layers: number of layers run before each exit.
        batches: calibration texts.

    Raises:
        MissingExtraError: NNCF or OpenVINO is not installed.
    """
    for name, feeds in _feeds(OpenVinoStages(graphs, layers, precision="fp32", threads=None), batches).items():
        quantize_graph(graphs, target, name, feeds)


def quantize_graph(graphs: Path, target: Path, name: str, feeds: Sequence[Feed]) -> None:
    """Quantizes one graph, see :func:`quantize_for_openvino`.

    Args:
        graphs: folder of the graphs in fp32.
        target: folder for the quantized one.
        name: of the graph.
        feeds: its inputs for calibration texts.

    Raises:
        MissingExtraError: NNCF or OpenVINO is not installed.
    """
    try:
        import nncf
        import openvino
    except ImportError:
        raise MissingExtraError("int8 in openvino", "openvino") from None
    model = openvino.Core().read_model(graphs / f"{name}.onnx")
    with _silent():
        quantized = nncf.quantize(
            model,
            nncf.Dataset(feeds),
            subset_size=len(feeds),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=None if name == FULL else _head_of(model, nncf),
        )
    openvino.save_model(quantized, target / f"{name}.xml", compress_to_fp16=False)


def _head_of(model: Any, nncf: Any) -> Any:
    """Everything from the last layer's output to the logits."""
    first, last = (
        model.output(name).get_node().input_value(0).get_node().get_friendly_name() for name in ("hidden_out", "logits")
    )
    return nncf.IgnoredScope(subgraphs=[nncf.Subgraph(inputs=[first], outputs=[last])])


def _feeds(stages: OpenVinoStages, batches: Sequence[Batch]) -> dict[str, list[Feed]]:
    """The inputs of each graph when the batches run through all of them."""
    feeds: dict[str, list[Feed]] = {stage_name(stage): [] for stage in range(len(stages.layers))}
    for batch in batches:
        feeds[stage_name(0)].append(batch.tokens)
        ran = stages.first(batch)
        for stage in range(1, len(stages.layers)):
            # Copied, because the stages reuse their memory for the next batch.
            hidden, history = (np.array(tensor.numpy()) for tensor in (ran.state.hidden, ran.state.history))
            feeds[stage_name(stage)].append({"hidden": hidden, "lengths": batch.lengths, "history": history})
            ran = stages.later(stage, ran.state, batch.lengths)
    return feeds | {FULL: feeds[stage_name(0)]}


def quantize_for_onnxruntime(graphs: Path, target: Path, layers: tuple[int, ...]) -> None:
    """Quantizes every graph that has layers: weights now, activations at run time, so it needs no calibration texts.

    An exit's head stays as it is.

    Args:
        graphs: folder of the graphs in fp32.
        target: folder for the quantized ones.
        layers: number of layers run before each exit.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    try:
        from onnxruntime import quantization
    except ImportError:
        raise MissingExtraError("int8 in onnxruntime", "onnx") from None
    for name in [*map(stage_name, range(len(layers))), FULL]:
        with _silent():
            quantization.quantize_dynamic(
                graphs / f"{name}.onnx",
                target / f"{name}.onnx",
                op_types_to_quantize=["MatMul"],
                weight_type=quantization.QuantType.QInt8,
                per_channel=True,
            )


@contextmanager
def _silent() -> Iterator[None]:
    """Hides progress bars, and advice on models that users cannot change."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
