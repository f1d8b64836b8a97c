"""What a model costs and is worth on labelled data, at every threshold: the ``evaluate`` verb."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from offramp import environment
from offramp.calibration import Problem
from offramp.data import Columns, LabelledTexts, encode_labels, read_labelled
from offramp.engine import AllExits, Classifier, load
from offramp.errors import DataError, OptionError
from offramp.evaluation.bound import Request
from offramp.evaluation.exits import overthinking
from offramp.evaluation.figures import (
    cache,
    calibration_of,
    focus_on,
    full_depth,
    point_of,
    reliability_of,
    truncated_at,
)
from offramp.evaluation.result import SCHEMA, EvaluatedData, EvaluatedModel, Evaluation, Full, Point, fastest_within
from offramp.evaluation.sampling import representative_rows
from offramp.evaluation.speed import REPEATS, measure_speeds, rows_within
from offramp.evaluation.timing import OnProgress
from offramp.policy import MaximumProbability, replay

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.89, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 0.999, 1.01)

# A loss of accuracy that most would accept: 0.3 points.
ACCEPTED_LOSS = 0.003


def evaluate(
    model: str | Path | Classifier,
    data: str | LabelledTexts,
    *,
    columns: Columns | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    focus: float | None = None,
    show_texts: bool = False,
    seconds: float = 60.0,
    backend: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Evaluation:
    """Measures accuracy, calibration, exits and time.

    Accuracies come from one full-depth pass over every row and a replay of each threshold. Times are wall-clock from
    texts in to predictions out, on a sample of rows that cost what all rows cost on average, against the same network
    at full depth in one go; all thresholds, the network cut off behind each exit, and full depth run in turn, five
    times.

    Args:
        model: a model folder, or a classifier in memory.
        data: labelled texts, as a source or in memory.
        thresholds: the points to measure.
        focus: the threshold to look at in detail; by default the fastest that loses at most 0.3 points of accuracy.
        show_texts: put the texts of the worst disagreements into the result.
        seconds: about how long the timed runs may take; it decides the size of the sample.
        backend, precision: what runs a model folder; see :func:`offramp.load`.
        threads: processor threads to use; by default the backend's choice.
        seed: of the sample.
        on_progress: called with what is being done, how many of how many parts.

    Raises:
        DataError: the data cannot be read, has labels the model does not know, or lacks pairs the model needs.
        ModelFolderError: the folder is not an offramp model, or damaged.
        OptionError: an option is out of range.
    """
    thresholds = _with_focus(thresholds, focus)
    _check_options(thresholds, seconds, threads, seed)
    if isinstance(model, Classifier):
        classifier = model
    else:
        classifier = load(model, backend=backend, precision=precision, threads=threads)
    rules = [MaximumProbability(threshold, classifier.problem) for threshold in thresholds]
    rows = read_labelled(data, columns or Columns()) if isinstance(data, str) else data
    targets = targets_of(classifier, rows)
    with _threads(threads):
        machine = {**environment.describe(), "seed": seed}
        on_progress("running all exits", 0, 1)
        started = time.perf_counter()
        read = classifier.run_exits(rows.texts, rows.text_pairs)
        row_seconds = (time.perf_counter() - started) / len(rows)
        cached = cache(classifier, read, targets)
        replays = [replay(cached.probabilities, rule) for rule in rules]
        size = rows_within(seconds, row_seconds, classifier.exits, replays, read.tokens)
        sample = rows.subset(representative_rows(classifier.exits, replays, read.tokens, size, seed))
        speeds = measure_speeds(classifier, Request(sample.texts, sample.text_pairs), thresholds, on_progress)
    full = full_depth(cached, size / speeds.full_seconds)
    points = tuple(
        point_of(cached, threshold, taken, speed)
        for threshold, taken, speed in zip(thresholds, replays, speeds.thresholds, strict=True)
    )
    focused = thresholds.index(focus) if focus is not None else _default_focus(points, full)
    return Evaluation(
        schema=SCHEMA,
        environment=machine,
        model=_describe_model(classifier, model),
        data=_describe_data(rows, read, size),
        full=full,
        points=points,
        truncated=tuple(truncated_at(cached, index, ratio) for index, ratio in enumerate(speeds.truncated)),
        overthinking=overthinking(cached.right(cached.probabilities), classifier.exits),
        calibration=calibration_of(cached),
        reliability=reliability_of(cached),
        focus=focus_on(cached, points[focused], replays[focused], rows if show_texts else None),
    )


def targets_of(classifier: Classifier, rows: LabelledTexts) -> NDArray[Any]:
    """The rows' labels as the model counts them: int (rows,), or 0/1 (rows, labels) for a multi-label model.

    Raises:
        DataError: a label is not the model's, or second texts are missing or there without need.
    """
    if classifier.config.text_pair and rows.text_pairs is None:
        raise DataError(
            "this model was trained on pairs of texts; name the column of the second with --text-pair-column"
        )
    if not classifier.config.text_pair and rows.text_pairs is not None:
        raise DataError("this model was trained on single texts; leave --text-pair-column out")
    return encode_labels(rows, classifier.labels, multi_label=classifier.problem is Problem.MULTI_LABEL)


def _default_focus(points: Sequence[Point], full: Full) -> int:
    """The fastest point that loses little; where all lose more, the one that loses least."""
    best = fastest_within(points, full, ACCEPTED_LOSS) or max(points, key=lambda point: point.accuracy)
    return points.index(best)


def _describe_data(rows: LabelledTexts, read: AllExits, timed_rows: int) -> EvaluatedData:
    return EvaluatedData(
        source=rows.source,
        rows=len(rows),
        fingerprint=rows.fingerprint,
        blank=rows.blank,
        truncated=int(read.truncated.sum()),
        mean_tokens=float(read.tokens.mean()),
        timed_rows=timed_rows,
        repeats=REPEATS,
    )


def _describe_model(classifier: Classifier, model: str | Path | Classifier) -> EvaluatedModel:
    return EvaluatedModel(
        folder=None if isinstance(model, Classifier) else str(model),
        fingerprint=classifier.fingerprint,
        backbone=classifier.config.backbone_config.model_type,
        exits=tuple(classifier.exits),
        labels=len(classifier.labels),
        problem_type=str(classifier.problem),
        calibrated_on=classifier.calibration.fitted_on,
        max_tokens=classifier.tokenizer.model_max_length,
        token_budget=classifier.token_budget,
        backend=classifier.stages.backend,
        precision=classifier.stages.precision,
    )


def _with_focus(thresholds: Sequence[float], focus: float | None) -> list[float]:
    if focus is None or focus in thresholds:
        return list(thresholds)
    return sorted([*thresholds, focus])


def _check_options(thresholds: Sequence[float], seconds: float, threads: int | None, seed: int) -> None:
    if not thresholds:
        raise OptionError("there are no thresholds; give at least one, such as 0.9")
    if not seconds > 0:
        raise OptionError(f"seconds is {seconds}; it must be above 0")
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; use at least 1")
    if seed < 0:
        raise OptionError(f"seed is {seed}; use a whole number from 0 on")


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
