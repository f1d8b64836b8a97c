"""Every figure of an evaluation but time, from one full-depth pass over all rows: arithmetic on cached logits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from offramp.calibration import ExitCalibration, Problem, measure_exit, reliability
from offramp.data import LabelledTexts
from offramp.engine import AllExits, Classifier
from offramp.evaluation.breakdown import Outcome, class_members, exit_counts, group_rows, length_members
from offramp.evaluation.disagreements import Answers, worst_disagreements
from offramp.evaluation.intervals import accuracy_difference
from offramp.evaluation.result import ExitReliability, Focus, Full, Point, Truncated
from offramp.evaluation.speed import Speed
from offramp.evaluation.timing import Ratio
from offramp.policy import Replay, Threshold, exit_shares, layers_run, rule_in_words


@dataclass(frozen=True, slots=True, eq=False)
class Cached:
    """One full-depth pass over all rows, and the truth.

    Attributes:
        logits: (exits, rows, labels); ``probabilities`` are the calibrated ones of the same shape.
        targets: int (rows,) or 0/1 (rows, labels).
        tokens: of each row, (rows,).
        labels: their names.
        layers: run before each exit, (exits,).
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]
    temperatures: tuple[float, ...]
    targets: NDArray[Any]
    tokens: NDArray[np.int64]
    problem: Problem
    labels: tuple[str, ...]
    layers: tuple[int, ...]

    @property
    def full(self) -> NDArray[np.float64]:
        """The last exit's probabilities, (rows, labels)."""
        return np.asarray(self.probabilities[-1])

    def right(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows are answered right, bool (..., rows)."""
        return self.problem.right(probabilities, self.targets)

    def macro_f1(self, probabilities: NDArray[np.float64]) -> float:
        """Mean over labels of F1."""
        predicted = self.problem.predicted(probabilities)
        return float(f1_score(self.targets, predicted, average="macro", zero_division=0.0))

    def outcome(self, exits: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Outcome:
        """What becomes of each row that takes an exit with an answer."""
        agree = self.problem.agree(probabilities, self.full)
        return Outcome(exits, self.right(probabilities), self.right(self.full), agree)


def cache(classifier: Classifier, read: AllExits, targets: NDArray[Any]) -> Cached:
    """Calibrates what a classifier read; ``targets`` are int (rows,) or 0/1 (rows, labels)."""
    temperatures = classifier.calibration.temperatures
    return Cached(
        logits=read.logits,
        probabilities=classifier.problem.probabilities(read.logits, np.array(temperatures)[:, None, None]),
        temperatures=temperatures,
        targets=targets,
        tokens=read.tokens,
        problem=classifier.problem,
        labels=classifier.labels,
        layers=classifier.exits,
    )


def full_depth(cached: Cached, texts_per_second: float) -> Full:
    """The last exit's figures."""
    return Full(float(cached.right(cached.full).mean()), cached.macro_f1(cached.full), texts_per_second)


def point_of(cached: Cached, rule: Threshold, taken: Replay, speed: Speed, name: str | None) -> Point:
    """A setting's figures, from its replay and its time; ``name`` is that of an operating point."""
    outcome = cached.outcome(taken.exits, taken.probabilities)
    mean_layers = layers_run(taken.exits, cached.layers, cached.tokens)
    return Point(
        name=name,
        rule=rule_in_words(rule),
        threshold=rule.threshold,
        accuracy=float(outcome.right.mean()),
        macro_f1=cached.macro_f1(taken.probabilities),
        agreement=float(outcome.agree.mean()),
        accuracy_difference=accuracy_difference(outcome.won, outcome.lost, len(cached.tokens)),
        mean_layers=mean_layers,
        layer_speedup=cached.layers[-1] / mean_layers,
        bound_speedup=speed.bound,
        measured_speedup=speed.measured.median,
        measured_speedup_spread=(speed.measured.low, speed.measured.high),
        efficiency=speed.measured.median / speed.bound,
        exits=tuple(exit_shares(taken.exits, len(cached.layers)).tolist()),
    )


def truncated_at(cached: Cached, index: int, measured: Ratio) -> Truncated:
    """The figures of the network cut off behind an exit; ``measured`` is its speed over full depth."""
    probabilities = cached.probabilities[index]
    outcome = cached.outcome(np.full(len(cached.tokens), index), probabilities)
    return Truncated(
        exit=index,
        layers=cached.layers[index],
        accuracy=float(outcome.right.mean()),
        macro_f1=cached.macro_f1(probabilities),
        agreement=float(outcome.agree.mean()),
        accuracy_difference=accuracy_difference(outcome.won, outcome.lost, len(cached.tokens)),
        layer_speedup=cached.layers[-1] / cached.layers[index],
        measured_speedup=measured.median,
        measured_speedup_spread=(measured.low, measured.high),
    )


def calibration_of(cached: Cached) -> tuple[ExitCalibration, ...]:
    """Each exit's quality before and after calibration."""
    exits = zip(cached.logits, cached.temperatures, cached.layers, strict=True)
    return tuple(
        measure_exit(logits, cached.targets, temperature, cached.problem, exit=index, layers=layers)
        for index, (logits, temperature, layers) in enumerate(exits)
    )


def reliability_of(cached: Cached) -> tuple[ExitReliability, ...]:
    """Each exit's confidence against its accuracy."""
    before = cached.problem.probabilities(cached.logits)
    right = cached.right(cached.probabilities)
    return tuple(
        ExitReliability(
            exit=index,
            layers=layers,
            before=reliability(cached.problem.confidence(before[index]), right[index]),
            after=reliability(cached.problem.confidence(cached.probabilities[index]), right[index]),
        )
        for index, layers in enumerate(cached.layers)
    )


def focus_on(cached: Cached, point: Point, taken: Replay, rows: LabelledTexts | None) -> Focus:
    """A setting in detail; ``rows`` hold the texts of disagreements, if those may be shown."""
    outcome = cached.outcome(taken.exits, taken.probabilities)
    n_exits = len(cached.layers)
    answers = Answers(
        early=taken.probabilities,
        full=cached.full,
        layers=np.array(cached.layers)[taken.exits],
        targets=cached.targets,
        labels=cached.labels,
        problem=cached.problem,
    )
    return Focus(
        point=point,
        exits=exit_counts(outcome, cached.layers),
        classes=group_rows(outcome, class_members(cached.targets, cached.labels, cached.problem), n_exits),
        lengths=group_rows(outcome, length_members(cached.tokens), n_exits),
        disagreeing=int((~outcome.agree).sum()),
        disagreements=worst_disagreements(
            answers, None if rows is None else rows.texts, None if rows is None else rows.text_pairs
        ),
    )
