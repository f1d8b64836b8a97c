"""Reaching a Ray cluster, and a model on its way to the machines there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from offramp import environment
from offramp.backends import Engine
from offramp.engine import Classifier, load
from offramp.errors import ClusterError, MissingExtraError, OptionError
from offramp.scale.workers import Workers

try:
    import ray
except ImportError:
    raise MissingExtraError("offramp on Ray", "ray") from None


@contextmanager
def connected(workers: Workers) -> Iterator[None]:
    """Connects to the cluster in ``RAY_ADDRESS``, or the one this machine is in, or one made of this machine meanwhile.

    Ray's usage reports are off unless ``RAY_USAGE_STATS_ENABLED`` says otherwise.

    Raises:
        OptionError: there is no cluster at ``RAY_ADDRESS``.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS")
    try:
        ray.init(address or "auto", logging_level="error")
    except ConnectionError:
        if address is not None:
            raise OptionError(
                f"there is no Ray cluster at {address}, which RAY_ADDRESS names; start it with  ray start --head, "
                "name another, or unset RAY_ADDRESS to use this machine alone"
            ) from None
        wanted = workers.worker_threads * (workers.workers or 1)
        ray.init(
            "local",
            num_cpus=max(wanted, environment.cores()),
            include_dashboard=False,
            logging_level="error",
        )
    try:
        yield
    finally:
        ray.shutdown()


def number_of(workers: Workers) -> int:
    """How many workers there are to be on the cluster that is connected.

    Raises:
        ClusterError: it has no GPU, and workers are to have one.
    """
    if workers.workers is not None:
        return workers.workers
    there = ray.cluster_resources()
    places = there.get("CPU", 0) // workers.worker_threads
    if workers.worker_gpus:
        places = min(places, there.get("GPU", 0) // workers.worker_gpus)
        if not places:
            raise ClusterError(
                f"no machine of the cluster has a GPU to spare (asked for {workers.worker_gpus:g} a worker); "
                "leave out `worker_gpus`, or name the number of `workers` that machines still to come will have",
                option="worker_gpus",
                value=workers.worker_gpus,
            )
    return max(1, int(places))


@dataclass(frozen=True, slots=True)
class Shipped:
    """A model in the cluster's memory, so that machines need no disk in common.

    Attributes:
        files: contents of the model folder's files by path.
        engine, token_budget: of the classifier that it was loaded as; the same everywhere, so that
            predictions are.
        threads: processor threads of each copy.
    """

    files: ray.ObjectRef
    engine: Engine
    token_budget: int
    threads: int

    @classmethod
    def of(cls, folder: Path, classifier: Classifier, threads: int) -> "Shipped":
        """Ships a folder that was loaded as ``classifier``."""
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        return cls(ray.put(files), classifier.stages.engine, classifier.token_budget, threads)

    def open(self) -> Classifier:
        """Loads the model, on the machine where this runs."""
        with tempfile.TemporaryDirectory(prefix="offramp-", ignore_cleanup_errors=True) as folder:
            for name, content in ray.get(self.files).items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return load(
                folder,
                **asdict(self.engine),
                token_budget=self.token_budget,
                threads=self.threads,
            )
