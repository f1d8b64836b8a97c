"""ONNX graphs that several tests need: writing those of a tiny network takes up to half a minute."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from offramp.exporting.graphs import write_graphs
from offramp.model import EarlyExitForSequenceClassification


class WrittenGraphs:
    """A folder of graphs that several processes share; those of one network are written by the first that asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, network: EarlyExitForSequenceClassification, folder: Path, **options: Any) -> None:
        """Like :func:`offramp.exporting.graphs.write_graphs`, with graphs of an equal network if there are any."""
        written = self._folder / _key(network, options)
        with FileLock(f"{written}.lock"):
            if not written.exists():
                partial = written.with_suffix(".partial")
                partial.mkdir()
                write_graphs(network, partial, **options)
                partial.rename(written)
        shutil.copytree(written, folder, dirs_exist_ok=True)


def _key(network: EarlyExitForSequenceClassification, options: dict[str, Any]) -> str:
    found = hashlib.sha256(f"{network.config.to_json_string()}{sorted(options.items())}".encode())
    for tensor in network.state_dict().values():
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()[:32]
