"""What an evaluation found: the content of ``offramp evaluate --json``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from offramp.calibration import ExitCalibration, ReliabilityBin
from offramp.evaluation.breakdown import ExitCount, Group
from offramp.evaluation.disagreements import Disagreement
from offramp.evaluation.exits import Overthinking
from offramp.policy import Interval, Promise, Seen

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """What was evaluated.

    Attributes:
        name: of the folder, or the kind of encoder.
        folder: None for a classifier in memory.
        fingerprint: of the model as the backend runs it.
        exits: layers run before each exit.
        labels: their number.
        calibrated_on: fingerprint of the data that the temperatures were fitted to; empty if there were none.
    """

    name: str
    folder: str | None
    fingerprint: str
    backbone: str
    exits: tuple[int, ...]
    labels: int
    problem_type: str
    calibrated_on: str
    max_tokens: int
    token_budget: int
    backend: str
    precision: str


@dataclass(frozen=True, slots=True)
class EvaluatedData:
    """What it was evaluated on.

    Attributes:
        used_before: for what the model's makers used these texts before, with the share of them, such as 1.0 for
            ``training``; as far as the model folder knows.
        blank: rows without a text.
        truncated: rows longer than the model reads.
        mean_tokens: of a row, special tokens included.
        timed_rows: rows whose time was taken, ``repeats`` times.
    """

    source: str
    rows: int
    fingerprint: str
    used_before: dict[str, float]
    blank: int
    truncated: int
    mean_tokens: float
    timed_rows: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Full:
    """The network at full depth, no exits in between."""

    accuracy: float
    macro_f1: float
    texts_per_second: float


@dataclass(frozen=True, slots=True)
class Point:
    """One setting: a threshold of confidence, or an operating point.

    Attributes:
        name: of the operating point.
        rule: when a text leaves, in words.
        threshold: of the rule.
        accuracy, macro_f1, agreement: on all rows; agreement is the share of predictions equal to full depth.
        accuracy_difference: to full depth, with its 95 % interval.
        mean_layers: layers run, mean over tokens; ``layer_speedup`` is full depth divided by it.
        bound_speedup: the speed-up possible at most on the timed rows: what cannot be skipped counted as measured.
        measured_speedup: wall-clock, median of paired runs; its quartiles are ``measured_speedup_spread``.
        efficiency: measured / bound.
        exits: share of rows that took each exit.
    """

    name: str | None
    rule: str
    threshold: float
    accuracy: float
    macro_f1: float
    agreement: float
    accuracy_difference: Interval
    mean_layers: float
    layer_speedup: float
    bound_speedup: float
    measured_speedup: float
    measured_speedup_spread: tuple[float, float]
    efficiency: float
    exits: tuple[float, ...]

    @property
    def setting(self) -> str:
        """What to call it."""
        return f"threshold {self.threshold:g}" if self.name is None else f"operating point {self.name!r}"


@dataclass(frozen=True, slots=True)
class OperatingPointHere:
    """An operating point of the model folder on these data.

    Attributes:
        point: its figures here.
        promise: what it was chosen to keep; None where it was a threshold or a speed.
        seen: how it did on its calibration rows.
        default: whether it is used where nothing else is asked for.
    """

    point: Point
    promise: Promise | None
    seen: Seen
    default: bool


@dataclass(frozen=True, slots=True)
class Truncated:
    """The network cut off behind an exit that is not the last: the simplest way to be faster.

    Attributes:
        exit: index, from 0.
        layers: run by every row; ``layer_speedup`` is full depth divided by it.
        accuracy, macro_f1, agreement, accuracy_difference, measured_speedup, measured_speedup_spread: as for
            :class:`Point`.
    """

    exit: int
    layers: int
    accuracy: float
    macro_f1: float
    agreement: float
    accuracy_difference: Interval
    layer_speedup: float
    measured_speedup: float
    measured_speedup_spread: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ExitReliability:
    """One exit's confidence against its accuracy, at temperature 1 and as calibrated."""

    exit: int
    layers: int
    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Focus:
    """One setting in detail.

    Attributes:
        point: its figures.
        exits: right and wrong rows that left at each exit.
        classes: rows by true label.
        lengths: rows by tokens, the shortest first.
        disagreeing: rows that are answered differently at full depth.
        disagreements: the worst of them.
    """

    point: Point
    exits: tuple[ExitCount, ...]
    classes: tuple[Group, ...]
    lengths: tuple[Group, ...]
    disagreeing: int
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything ``offramp evaluate --json`` writes."""

    schema: int
    environment: dict[str, Any]
    model: EvaluatedModel
    data: EvaluatedData
    full: Full
    points: tuple[Point, ...]
    operating_points: tuple[OperatingPointHere, ...]
    truncated: tuple[Truncated, ...]
    overthinking: Overthinking
    calibration: tuple[ExitCalibration, ...]
    reliability: tuple[ExitReliability, ...]
    focus: Focus

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)

    def fastest_within(self, loss: float) -> Point | None:
        """The fastest point whose accuracy is at most ``loss`` (a share, not per cent) below full depth."""
        return fastest_within(self.points, self.full, loss)


def fastest_within(points: Sequence[Point], full: Full, loss: float) -> Point | None:
    """See :meth:`Evaluation.fastest_within`."""
    least = full.accuracy - loss - 1e-9  # differences of accuracies are not exact in floating point
    good = [point for point in points if point.accuracy >= least]
    return max(good, key=lambda point: point.measured_speedup, default=None)
