"""Batch scoring on a cluster: a file, in order, or a dataset of Ray Data."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
import ray.data
from ray.exceptions import RayError

from offramp.backends import AUTO
from offramp.data import Columns, text_of
from offramp.engine import WINDOW, Classifier, Predictions, Window, check_columns, columns_of, load
from offramp.errors import ClusterError, DataError
from offramp.policy import ExitRule
from offramp.scale.cluster import Shipped, connected, number_of
from offramp.scale.workers import Workers

# Windows per worker that may be in flight: being scored, or waiting to be written.
_IN_FLIGHT = 3
# How often a window is retried when its worker dies; the window itself may be what kills them.
_RETRIES = 3
_TYPES = {"confidence": pa.float64(), "exit": pa.string(), "truncated": pa.bool_(), "handed_over": pa.bool_()}


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """Processes of a cluster that hold a model.

    Attributes:
        classifier: the model, in this process.
        shipped: the model as it is sent to the others.
        actors: handles of the processes.
    """

    classifier: Classifier
    shipped: Shipped
    actors: Sequence[Any]

    def score(self, rule: ExitRule, windows: Iterator[Window]) -> Iterator[tuple[Window, Predictions]]:
        """Classifies windows concurrently and gives them in order; for :func:`offramp.predict`.

        When a process dies, its work is repeated by another.

        Raises:
            ClusterError: a window failed repeatedly.
        """
        waiting: deque[tuple[Window, Any]] = deque()
        working: dict[Any, Any] = {}
        for window in windows:
            if len(waiting) >= _IN_FLIGHT * len(self.actors):
                yield _next(waiting)
            for done in ray.wait(list(working), num_returns=len(working), timeout=0)[0] if working else ():
                del working[done]
            busy = Counter(working.values())
            actor = min(self.actors, key=lambda candidate: busy[candidate])
            answer = actor.score.remote(self.shipped, window.texts, window.text_pairs, rule)
            working[answer] = actor
            waiting.append((window, answer))
        while waiting:
            yield _next(waiting)


def _next(waiting: deque[tuple[Window, Any]]) -> tuple[Window, Predictions]:
    window, answer = waiting.popleft()
    with _cluster_errors():
        return window, ray.get(answer)


@contextmanager
def pool(
    model: str | Path, workers: Workers | None = None, *, backend: str = AUTO, precision: str = AUTO
) -> Iterator[WorkerPool]:
    """Loads a model in processes of a cluster, for as long as the ``with`` block lasts.

        with offramp.scale.pool("model", Workers(workers=8)) as pool:
            offramp.predict(pool, input="in.parquet", output="out.parquet")

    The output is the same as that of a single process: same rows, same order, same predictions, resumed the same way.
    The cluster is the one in ``RAY_ADDRESS``, or the one this machine belongs to, or this machine alone.

    Args:
        model: the model folder; it is sent along, so other machines do not need it.
        workers: the number of processes, and the resources of each.
        backend, precision: as for :func:`offramp.load`.

    Raises:
        ModelFolderError, OptionError, MissingExtraError: as :func:`offramp.load`; or no cluster is at ``RAY_ADDRESS``.
        ClusterError: no machine of the cluster has the resources of a process.
    """
    workers = workers or Workers()
    classifier = load(model, backend=backend, precision=precision)
    with connected(workers):
        shipped = Shipped.of(classifier.folder or Path(model), classifier, workers.worker_threads)
        actor = ray.remote(_Worker).options(
            num_cpus=workers.worker_threads,
            num_gpus=workers.worker_gpus,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
        actors = [actor.remote() for _ in range(number_of(workers))]
        try:
            yield WorkerPool(classifier, shipped, actors)
        finally:
            for process in actors:
                ray.kill(process)


@contextmanager
def _cluster_errors() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise ClusterError(f"the cluster could not do the work: {last}") from error


class _Worker:
    """A process that classifies. Each task carries the model, so that it is also there after a restart."""

    def __init__(self) -> None:
        self._classifier: Classifier | None = None

    def score(self, shipped: Shipped, texts: list[str], text_pairs: list[str] | None, rule: ExitRule) -> Predictions:
        """Classifies a window."""
        if self._classifier is None:
            self._classifier = shipped.open()
        return self._classifier.runner.predict(texts, text_pairs, rule)


def predict_dataset(
    model: str | Path,
    dataset: ray.data.Dataset,
    *,
    columns: Columns | None = None,
    threshold: float | None = None,
    at: str | None = None,
    rule: ExitRule | None = None,
    probabilities: bool = False,
    backend: str = AUTO,
    precision: str = AUTO,
    workers: Workers | None = None,
) -> ray.data.Dataset:
    """Adds columns with predictions to a dataset of Ray Data, which reads and writes on all machines at once.

        dataset = ray.data.read_parquet("s3://bucket/texts")
        offramp.scale.predict_dataset("model", dataset).write_parquet("s3://bucket/labels")

    Nothing runs until the result is read or written. The result has the same rows, with all their columns, in any order
    unless Ray Data is told to preserve it. With a checkpoint (``ray.data.checkpoint.CheckpointConfig``) in its context,
    an interrupted run can be resumed.

    Args:
        model: the model folder; it is sent along, so other machines do not need it.
        dataset: has a column of texts.
        columns: names of the columns with the texts.
        threshold, at, rule: when a row leaves; see :meth:`Classifier.exit_rule`.
        probabilities: add every label's probability.
        backend, precision: as for :func:`offramp.load`.
        workers: the largest number of processes, and the resources of each.

    Returns:
        The dataset with the columns of :func:`offramp.predict`.

    Raises:
        DataError: the dataset has no such column, or the model takes pairs and the second text's column is not named.
        ModelFolderError, OptionError, MissingExtraError: as :func:`offramp.load` and :func:`offramp.predict`.
    """
    columns, workers = columns or Columns(), workers or Workers()
    classifier = load(model, backend=backend, precision=precision)
    names, chosen = _names(dataset), classifier.exit_rule(threshold, at, rule)
    check_columns(classifier, columns, names, probabilities, may_hand_over=chosen.may_hand_over)
    for column in (columns.text, columns.text_pair):
        if column is not None and column not in names:
            raise DataError(f"the dataset has no column {column!r}; its columns are {', '.join(names)}")
    arguments = (
        Shipped.of(classifier.folder or Path(model), classifier, workers.worker_threads),
        columns,
        chosen,
        probabilities,
    )
    return dataset.map_batches(
        _DatasetWorker,
        batch_size=WINDOW,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=number_of(workers)),
        fn_constructor_args=arguments,
        num_cpus=workers.worker_threads,
        num_gpus=workers.worker_gpus,
        udf_modifying_row_count=False,
    )


def _names(dataset: ray.data.Dataset) -> list[str]:
    schema = dataset.schema()
    return [] if schema is None else list(schema.names)


class _DatasetWorker:
    """A process that adds columns to tables."""

    def __init__(self, shipped: Shipped, columns: Columns, rule: ExitRule, probabilities: bool) -> None:
        self._classifier = shipped.open()
        self._columns = columns
        self._rule = rule
        self._probabilities = probabilities

    def __call__(self, table: pa.Table) -> pa.Table:
        """Classifies the rows of a table."""
        pairs = None if self._columns.text_pair is None else _texts(table, self._columns.text_pair)
        predictions = self._classifier.predict(_texts(table, self._columns.text), pairs, rule=self._rule)
        label = pa.list_(pa.string()) if predictions.multi_label else pa.string()
        for name, values in columns_of(predictions, self._probabilities).items():
            kind = label if name in ("label", "best_guess") else _TYPES.get(name, pa.float64())
            table = table.append_column(name, pa.array(values, kind))
        return table


def _texts(table: pa.Table, column: str) -> list[str]:
    return [text_of(value, column, "a row of the dataset") for value in table[column].to_pylist()]
