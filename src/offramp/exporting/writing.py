"""Writes a network for each of our backends: the ``write`` of :class:`offramp.backends.Backend`."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from offramp.exporting import graphs
from offramp.exporting.quantization import quantize_for_onnxruntime, quantize_for_openvino
from offramp.model import EarlyExitForSequenceClassification
from offramp.model.padding import Batch

Quantize = Callable[[Path], None]


def write_for_onnxruntime(
    network: EarlyExitForSequenceClassification, folder: Path, precision: str, batches: Sequence[Batch]
) -> None:
    """Writes graphs for ONNX Runtime, which in int8 determines ranges at run time and so needs no batches."""

    def quantize(plain: Path) -> None:
        quantize_for_onnxruntime(plain, folder, tuple(network.config.exits))

    _write(network, folder, "sdpa", quantize if precision == "int8" else None)


def write_for_openvino(
    network: EarlyExitForSequenceClassification, folder: Path, precision: str, batches: Sequence[Batch]
) -> None:
    """Writes graphs for OpenVINO, which computes in bf16 from fp32; in int8 with ranges from the batches."""

    def quantize(plain: Path) -> None:
        quantize_for_openvino(plain, folder, tuple(network.config.exits), batches)

    _write(network, folder, "eager", quantize if precision == "int8" else None)


def _write(
    network: EarlyExitForSequenceClassification, folder: Path, attention: str, quantize: Quantize | None
) -> None:
    if quantize is None:
        graphs.write_graphs(network, folder, attention=attention)
        return
    with tempfile.TemporaryDirectory(dir=folder) as plain:
        graphs.write_graphs(network, Path(plain), attention=attention)
        quantize(Path(plain))
