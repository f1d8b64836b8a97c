"""Batch scoring on a cluster: a file in order, or a dataset of Ray Data."""

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

# Windows that are on their way to a worker or wait for their turn to be written, for each worker.
_IN_FLIGHT = 3
# How often a window whose worker died is given to another before the run ends: it may be what kills them.
_RETRIES = 3
_TYPES = {"confidence": pa.float64(), "exit_layer": pa.int64(), "truncated": pa.bool_()}


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """Processes of a cluster that hold a model.

    Attributes:
        classifier: the model, in this process.
        shipped: the model as the others get it.
        actors: handles of the processes.
    """

    classifier: Classifier
    shipped: Shipped
    actors: Sequence[Any]

    def score(self, rule: ExitRule, windows: Iterator[Window]) -> Iterator[tuple[Window, Predictions]]:
        """Classifies windows, several at once, and gives them in their order; for :func:`offramp.predict`.

        What a process was at when it died is done again by another.

        Raises:
            ClusterError: a window failed again and again.
        """
        waiting: deque[tuple[Window, Any]] = deque()
        working: dict[Any, Any] = {}
        for window in windows:
            if len(waiting) >= _IN_FLIGHT * len(self.actors):
                yield _next(waiting)
            for done in ray.wait(list(working), num_returns=len(working), timeout=0)[0] if working else ():
                del working[done]
            busy = Counter(working.values())
            actor = min(self.actors, key=lambda one: busy[one])
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
    """Puts a model on the processes of a cluster, for as long as the ``with`` block lasts.

        with offramp.scale.pool("model", Workers(workers=8)) as pool:
            offramp.predict(pool, input="in.parquet", output="out.parquet")

    The file that comes out is that of one process: same rows, same order, same predictions, resumed the same way. The
    cluster is the one in ``RAY_ADDRESS``, or the one that this machine is in, or this machine alone.

    Args:
        model: the model folder; it is sent along, so that other machines need not have it.
        workers: how many processes, and what each of them has.
        backend, precision: as for :func:`offramp.load`.

    Raises:
        ModelFolderError, OptionError, MissingExtraError: as :func:`offramp.load`; no cluster is at ``RAY_ADDRESS``.
        ClusterError: no machine of the cluster has what a process is to have.
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
            for one in actors:
                ray.kill(one)


@contextmanager
def _cluster_errors() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        last = str(error).strip().splitlines()[-1]
        raise ClusterError(f"the cluster could not do the work: {last}") from error


class _Worker:
    """A process that classifies. The model comes with each task, so that it is there after a restart, too."""

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
    """Adds the columns of predictions to a dataset of Ray Data, which reads and writes on all machines at once.

        dataset = ray.data.read_parquet("s3://bucket/texts")
        offramp.scale.predict_dataset("model", dataset).write_parquet("s3://bucket/labels")

    Nothing is run before the result is read or written. Every row of the dataset is one of the result; rows keep their
    columns, and come in any order unless Ray Data is told to preserve it. With a checkpoint
    (``ray.data.checkpoint.CheckpointConfig``) in its context a run that was broken off goes on.

    Args:
        model: the model folder; it is sent along, so that other machines need not have it.
        dataset: has a column of texts.
        columns: names of the columns with the texts.
        threshold, at, rule: when a row leaves; see :meth:`Classifier.exit_rule`.
        probabilities: add every label's probability.
        backend, precision: as for :func:`offramp.load`.
        workers: how many processes classify at most, and what each of them has.

    Returns:
        The dataset with the columns of :func:`offramp.predict`.

    Raises:
        DataError: the dataset has no such column, or the model takes pairs and the second text's column is not named.
        ModelFolderError, OptionError, MissingExtraError: as :func:`offramp.load` and :func:`offramp.predict`.
    """
    columns, workers = columns or Columns(), workers or Workers()
    classifier = load(model, backend=backend, precision=precision)
    names = _names(dataset)
    check_columns(classifier, columns, names, probabilities)
    for column in (columns.text, columns.text_pair):
        if column is not None and column not in names:
            raise DataError(f"the dataset has no column {column!r}; its columns are {', '.join(names)}")
    arguments = (
        Shipped.of(classifier.folder or Path(model), classifier, workers.worker_threads),
        columns,
        classifier.exit_rule(threshold, at, rule),
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
            kind = label if name == "label" else _TYPES.get(name, pa.float64())
            table = table.append_column(name, pa.array(values, kind))
        return table


def _texts(table: pa.Table, column: str) -> list[str]:
    return [text_of(value, column, "a row of the dataset") for value in table[column].to_pylist()]
