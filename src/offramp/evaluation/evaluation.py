"""What a model costs and is worth on labelled data, at every threshold."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from offramp import environment
from offramp.calibration import ExitCalibration, Problem, measure_exit
from offramp.data import Columns, LabelledTexts, encode_labels, read_labelled
from offramp.engine import Classifier, load
from offramp.errors import DataError, OptionError
from offramp.evaluation.bound import Request, measure_costs
from offramp.evaluation.sampling import distinct, representative_rows, share_of_full
from offramp.evaluation.timing import Ratio, interleave, ratio
from offramp.model.encoding import Encoded
from offramp.policy import MaximumProbability, Replay, exit_shares, layers_run, replay

SCHEMA = 1
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.89, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 0.999, 1.01)
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Full:
    """The network at full depth, no exits in between."""

    accuracy: float
    macro_f1: float
    texts_per_second: float


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold.

    Attributes:
        accuracy, macro_f1, agreement: on all rows; agreement is the share of predictions equal to full depth.
        mean_layers: layers run, mean over tokens; ``layer_speedup`` is full depth divided by it.
        bound_speedup: the speed-up possible at most on the timed rows: what cannot be skipped counted as measured.
        measured_speedup: wall-clock, median of paired runs; its quartiles are ``measured_speedup_spread``.
        efficiency: measured / bound.
        exits: share of rows that took each exit.
    """

    threshold: float
    accuracy: float
    macro_f1: float
    agreement: float
    mean_layers: float
    layer_speedup: float
    bound_speedup: float
    measured_speedup: float
    measured_speedup_spread: tuple[float, float]
    efficiency: float
    exits: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything ``offramp evaluate --json`` writes."""

    schema: int
    environment: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    full: Full
    points: tuple[Point, ...]
    calibration: tuple[ExitCalibration, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)

    def fastest_within(self, loss: float) -> Point | None:
        """The fastest point whose accuracy is at most ``loss`` (a share, not per cent) below full depth."""
        least = self.full.accuracy - loss - 1e-9  # differences of accuracies are not exact in floating point
        good = [point for point in self.points if point.accuracy >= least]
        return max(good, key=lambda point: point.measured_speedup, default=None)


def evaluate(
    model: str | Path | Classifier,
    data: str | LabelledTexts,
    *,
    columns: Columns | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    seconds: float = 60.0,
    backend: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Evaluation:
    """Measures accuracy, calibration, exits and time.

    Accuracies come from one full-depth pass over every row and a replay of each threshold. Times are wall-clock from
    texts in to predictions out, on a sample of rows that cost what all rows cost on average, against the same network
    at full depth in one go; all thresholds and the full pass run in turn, five times.

    Args:
        model: a model folder, or a classifier in memory.
        data: labelled texts, as a source or in memory.
        thresholds: the points to measure.
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
    _check_options(thresholds, seconds, threads, seed)
    columns = columns or Columns()
    if isinstance(model, Classifier):
        classifier = model
    else:
        classifier = load(model, backend=backend, precision=precision, threads=threads)
    rules = [MaximumProbability(threshold, classifier.problem) for threshold in thresholds]
    rows = read_labelled(data, columns) if isinstance(data, str) else data
    targets = targets_of(classifier, rows)
    with _threads(threads):
        used_threads = torch.get_num_threads()
        on_progress("running all exits", 0, 1)
        started = time.perf_counter()
        logits = classifier.exit_logits(rows.texts, rows.text_pairs)
        rows_per_second = len(rows) / (time.perf_counter() - started)
        encoded = classifier.encode(rows.texts, rows.text_pairs)
        temperatures = np.array(classifier.calibration.temperatures)[:, None, None]
        probabilities = classifier.problem.probabilities(logits, temperatures)
        replays = [replay(probabilities, rule) for rule in rules]
        work = 2 + sum(share_of_full(classifier.exits, taken.exits, encoded.lengths) for taken in distinct(replays))
        size = int(np.clip(seconds * rows_per_second / (REPEATS + 1) / work, min(32, len(rows)), len(rows)))
        sample = representative_rows(classifier.exits, replays, encoded.lengths, size, seed)
        timed = _time(classifier, rows.subset(sample), rules, on_progress)
    return Evaluation(
        schema=SCHEMA,
        environment={**environment.describe(), "threads": used_threads, "seed": seed},
        model=_describe_model(classifier, model),
        data=_describe_data(rows, encoded, size),
        full=Full(
            accuracy=float(classifier.problem.right(probabilities[-1], targets).mean()),
            macro_f1=_macro_f1(classifier.problem, probabilities[-1], targets),
            texts_per_second=size / timed.full_seconds,
        ),
        points=tuple(
            _point(classifier, rule, taken, targets, probabilities[-1], encoded.lengths, timed_point)
            for rule, taken, timed_point in zip(rules, replays, timed.points, strict=True)
        ),
        calibration=tuple(
            measure_exit(exit_logits, targets, temperature, classifier.problem, exit=index, layers=layers)
            for index, (exit_logits, temperature, layers) in enumerate(
                zip(logits, classifier.calibration.temperatures, classifier.exits, strict=True)
            )
        ),
    )


def _check_options(thresholds: Sequence[float], seconds: float, threads: int | None, seed: int) -> None:
    if not thresholds:
        raise OptionError("there are no thresholds; give at least one, such as 0.9")
    if not seconds > 0:
        raise OptionError(f"seconds is {seconds}; it must be above 0")
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}; use at least 1")
    if seed < 0:
        raise OptionError(f"seed is {seed}; use a whole number from 0 on")


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


@dataclass(frozen=True, slots=True)
class _TimedPoint:
    speedup: Ratio
    bound_speedup: float


@dataclass(frozen=True, slots=True)
class _Timed:
    full_seconds: float
    points: tuple[_TimedPoint, ...]


def _time(
    classifier: Classifier,
    rows: LabelledTexts,
    rules: Sequence[MaximumProbability],
    on_progress: Callable[[str, int, int], None],
) -> _Timed:
    texts, pairs = rows.texts, rows.text_pairs
    # A trial run of each threshold tells which of them compute the same; those are timed once.
    results = [classifier.predict(texts, pairs, threshold=rule.threshold) for rule in rules]
    kind = [predictions.exits.tobytes() for predictions in results]
    thresholds = {key: rule.threshold for key, rule in zip(kind, rules, strict=True)}
    actions: dict[bytes | None, Callable[[], object]] = {
        key: partial(classifier.predict, texts, pairs, threshold=threshold) for key, threshold in thresholds.items()
    }
    actions[None] = partial(classifier.predict_full, texts, pairs)
    total, done = len(actions) * (REPEATS + 1), count(1)
    seconds = interleave(actions, REPEATS, lambda: on_progress("timing", next(done), total))
    full = seconds[None]
    costs = measure_costs(classifier, [Request(texts, pairs)], float(np.median(full)), REPEATS)
    return _Timed(
        costs.full,
        tuple(
            _TimedPoint(
                ratio(full, seconds[key]),
                costs.full / costs.bound(predictions.exits, classifier.exits, predictions.tokens),
            )
            for key, predictions in zip(kind, results, strict=True)
        ),
    )


def _point(
    classifier: Classifier,
    rule: MaximumProbability,
    taken: Replay,
    targets: NDArray[Any],
    full_probabilities: NDArray[np.float64],
    tokens: NDArray[np.int64],
    timed: _TimedPoint,
) -> Point:
    layers, problem = classifier.exits, classifier.problem
    mean_layers = layers_run(taken.exits, layers, tokens)
    return Point(
        threshold=rule.threshold,
        accuracy=float(problem.right(taken.probabilities, targets).mean()),
        macro_f1=_macro_f1(problem, taken.probabilities, targets),
        agreement=float(problem.agree(taken.probabilities, full_probabilities).mean()),
        mean_layers=mean_layers,
        layer_speedup=layers[-1] / mean_layers,
        bound_speedup=timed.bound_speedup,
        measured_speedup=timed.speedup.median,
        measured_speedup_spread=(timed.speedup.low, timed.speedup.high),
        efficiency=timed.speedup.median / timed.bound_speedup,
        exits=tuple(exit_shares(taken.exits, len(layers)).tolist()),
    )


def _macro_f1(problem: Problem, probabilities: NDArray[np.float64], targets: NDArray[Any]) -> float:
    return float(f1_score(targets, problem.predicted(probabilities), average="macro", zero_division=0.0))


def _describe_data(rows: LabelledTexts, encoded: Encoded, timed_rows: int) -> dict[str, Any]:
    return {
        "source": rows.source,
        "rows": len(rows),
        "fingerprint": rows.fingerprint,
        "blank": rows.blank,
        "truncated": int(encoded.truncated.sum()),
        "mean_tokens": float(encoded.lengths.mean()),
        "timed_rows": timed_rows,
        "repeats": REPEATS,
    }


def _describe_model(classifier: Classifier, model: str | Path | Classifier) -> dict[str, Any]:
    return {
        "folder": None if isinstance(model, Classifier) else str(model),
        "backbone": classifier.config.backbone_config.model_type,
        "exits": list(classifier.exits),
        "labels": len(classifier.labels),
        "problem_type": str(classifier.problem),
        "calibrated_on": classifier.calibration.fitted_on,
        "max_tokens": classifier.tokenizer.model_max_length,
        "token_budget": classifier.token_budget,
        "backend": classifier.stages.backend,
        "precision": classifier.stages.precision,
    }


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
