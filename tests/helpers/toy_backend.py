"""A backend that offramp knows nothing of: PyTorch once more, from files of its own."""

import torch

from offramp.backends import Backend, Engine
from offramp.engine.torch_stages import TorchStages
from offramp.model import EarlyExitForSequenceClassification


class ToyStages(TorchStages):
    """The network of :func:`write_toy`, under another name."""

    def __init__(self, folder, layers, *, precision, threads, few_shapes):
        assert precision in ("fp32", "fp8")
        network = EarlyExitForSequenceClassification.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        assert tuple(network.config.exits) == layers
        super().__init__(network)
        self._engine = Engine("toy", precision)


def write_toy(network, folder, precision, batches):
    """Writes weights as they are."""
    network.save_pretrained(folder)


TOY = Backend("toy", ("fp32", "fp8"), open="helpers.toy_backend:ToyStages", write=write_toy, needs_texts=("fp8",))
