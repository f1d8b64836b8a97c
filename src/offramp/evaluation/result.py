"""The result of an evaluation: the content of ``offramp evaluate --json``."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, assert_never

from offramp.calibration import ExitCalibration, ReliabilityBin
from offramp.evaluation.breakdown import ExitCount, Group
from offramp.evaluation.constant import ConstantAnswer
from offramp.evaluation.coverage import HandingOver, RiskCoverage
from offramp.evaluation.disagreements import Disagreement
from offramp.evaluation.exits import Overthinking
from offramp.exit_names import alone
from offramp.policy import Interval, Promise, Seen
from offramp.words import WordsTrial

SCHEMA = 10


@dataclass(frozen=True, slots=True)
class EvaluatedModel:
    """The model that was evaluated.

    Attributes:
        name: of the folder, or the kind of encoder.
        folder: None for a classifier in memory.
        fingerprint: of the model as the backend runs it.
        exits: layers run before each exit.
        exit_names: names of the exits.
        labels: number of labels.
        calibrated_on: fingerprint of the data that the temperatures were fitted to; empty if there were none.
        automatic: whether the folder is loaded in this backend and precision by default.
        words: what dev rows said of a model of words when the model was made; None where that is not known.
        label_thresholds: the probability above which each label holds; empty if it is 0.5 for all.
    """

    name: str
    folder: str | None
    fingerprint: str
    backbone: str
    exits: tuple[int, ...]
    exit_names: tuple[str, ...]
    labels: int
    problem_type: str
    calibrated_on: str
    max_tokens: int
    token_budget: int
    backend: str
    precision: str
    automatic: bool
    words: WordsTrial | None
    label_thresholds: dict[str, float]


@dataclass(frozen=True, slots=True)
class EvaluatedData:
    """The data it was evaluated on.

    Attributes:
        used_before: share of the rows that each part of the model was made with, such as 1.0 for ``training``, as far
            as the model folder knows.
        blank: rows without a text.
        truncated: rows longer than the model reads.
        mean_tokens: tokens of a row on average, including special tokens.
        timed_rows: rows that were timed, ``repeats`` times.
        constant: the best constant answer, which a model has to beat.
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
    constant: ConstantAnswer


class Way(StrEnum):
    """A way to run the model.

    Members:
        THRESHOLD: early exit at the first exit whose confidence reaches the threshold.
        OPERATING_POINT: early exit by the rule of an operating point of the model folder.
        ALONE: nothing runs but a stage of texts, such as a model of words, or one model of a chain up to its end.
        CUT: the network ends after an exit that is not the last: the simplest way to be faster.
        FULL: all layers of the last encoder, in one go.
    """

    THRESHOLD = "threshold"
    OPERATING_POINT = "operating point"
    ALONE = "alone"
    CUT = "cut network"
    FULL = "full depth"


@dataclass(frozen=True, slots=True)
class Point:
    """One setting, with its accuracy and its speed.

    Attributes:
        way: how the model is run.
        name: of the operating point.
        rule: when a text leaves, in words.
        threshold: of the rule; None if all texts leave at the same exit.
        end: name of the exit that everything ends after; None for early exit.
        accuracy, macro_f1, agreement: on all rows; agreement is the share of predictions equal to full depth.
        accuracy_difference: from full depth, with its 95 % interval.
        mean_layers: layers run, mean over tokens.
        bound_speedup: the highest possible speed-up on the timed rows, from the measured time of the stages that cannot
            be skipped; never below ``speedup``, nor below that of a setting whose stages cost more.
        speedup: wall-clock, median of paired runs; its quartiles are ``speedup_spread``.
        computed: whether the speed was not timed but computed, from the times of the stages and the efficiency of timed
            settings; then both quartiles are ``speedup``.
        efficiency: speedup / bound, at most 1.
        texts_per_second: on the timed rows, all at once: at full depth the median over the runs, for other settings
            ``speedup`` times that.
        exits: share of rows that took each exit.
    """

    way: Way
    name: str | None
    rule: str
    threshold: float | None
    end: str | None
    accuracy: float
    macro_f1: float
    agreement: float
    accuracy_difference: Interval
    mean_layers: float
    bound_speedup: float
    speedup: float
    speedup_spread: tuple[float, float]
    computed: bool
    efficiency: float
    texts_per_second: float
    exits: tuple[float, ...]

    @property
    def setting(self) -> str:
        """The setting in words."""
        match self.way:
            case Way.THRESHOLD:
                return f"threshold {self.threshold:g}"
            case Way.OPERATING_POINT:
                return f"operating point {self.name!r}"
            case Way.CUT:
                return f"cut after {self.end}"
            case Way.ALONE:
                return alone(self.end or "")
            case Way.FULL:
                return str(self.way)
            case _:
                assert_never(self.way)

    @property
    def chooses(self) -> bool:
        """Whether texts leave at different exits; otherwise it is a cut network by another name."""
        return max(self.exits) < 1


@dataclass(frozen=True, slots=True)
class PromiseHere:
    """A promise on these data.

    Attributes:
        rows: number of rows that count here.
        risk: the promised risk among them; None where none counts, or where what to compare with is not known here.
    """

    promise: Promise
    rows: int
    risk: Interval | None


@dataclass(frozen=True, slots=True)
class EvaluatedPoint:
    """An operating point of the model on these data.

    Attributes:
        point: its figures on these data.
        promises: what it was chosen to keep; none if it was chosen by a threshold or a speed.
        seen: how it did on its calibration rows.
        default: whether it is the default.
        handing_over: what it hands over here; None if it never does. The point's own figures are about all rows, with
            the best guesses of those.
    """

    point: Point
    promises: tuple[PromiseHere, ...]
    seen: Seen
    default: bool
    handing_over: HandingOver | None = None


@dataclass(frozen=True, slots=True)
class ExitReliability:
    """One exit's confidence against its accuracy, at temperature 1 and as calibrated."""

    exit: int
    name: str
    layers: int
    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Focus:
    """One setting in detail.

    Attributes:
        point: its figures.
        exits: rows that left at each exit: right, wrong, handed over.
        classes: rows by true label.
        lengths: rows by tokens, the shortest first.
        disagreeing: rows that are answered, and differently at full depth.
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
    """Everything ``offramp evaluate --json`` writes.

    Attributes:
        date: when it was measured, as ``2026-01-31`` in UTC.
        full: full depth in one go.
        points: thresholds.
        operating_points: the model's operating points for this backend and precision.
        truncated: the model ended after each exit but the last: stages and models alone, and cut networks.
        risk_coverage: of full depth and of the setting in focus: errors if only the surest texts are answered.
        focus: the setting that was asked for, or else the recommended one.
    """

    schema: int
    date: str
    environment: dict[str, Any]
    model: EvaluatedModel
    data: EvaluatedData
    full: Point
    points: tuple[Point, ...]
    operating_points: tuple[EvaluatedPoint, ...]
    truncated: tuple[Point, ...]
    overthinking: Overthinking
    calibration: tuple[ExitCalibration, ...]
    reliability: tuple[ExitReliability, ...]
    risk_coverage: tuple[RiskCoverage, ...]
    focus: Focus

    def handing_over(self, point: Point) -> HandingOver | None:
        """What a setting hands over on these data; None if it answers every text."""
        return next((entry.handing_over for entry in self.operating_points if entry.point == point), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)
