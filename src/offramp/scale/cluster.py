"""Connects to a Ray cluster, and ships a model to its machines."""

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
    """Connects to the cluster in ``RAY_ADDRESS``, or this machine's, or a temporary one on this machine alone.

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
        threads = workers.worker_threads * (workers.workers or 1)
        ray.init(
            "local",
            num_cpus=max(threads, environment.cores()),
            include_dashboard=False,
            logging_level="error",
        )
    try:
        yield
    finally:
        ray.shutdown()


def number_of(workers: Workers) -> int:
    """The number of workers to start on the connected cluster.

    Raises:
        ClusterError: workers need a GPU, and it has none.
    """
    if workers.workers is not None:
        return workers.workers
    resources = ray.cluster_resources()
    places = resources.get("CPU", 0) // workers.worker_threads
    if workers.worker_gpus:
        places = min(places, resources.get("GPU", 0) // workers.worker_gpus)
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
        engine, token_budget: of the classifier it was loaded as; equal everywhere, so that predictions are, too.
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
        return cls(ray.put(files), classifier.engine, classifier.token_budget, threads)

    def open(self) -> Classifier:
        """Loads the model on the machine that calls this."""
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
