"""The figures of one data set and encoder, kept in the repository: tables and pictures are made of them alone."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.paper.curves import Chosen, Correlations, Reach, Versus
from benchmarks.paper.plan import JOINT, OURS, PER_EXIT, SHARED, STANDARD
from benchmarks.paper.times import Times
from offramp.files import read_json

KINDS = ("lot", "single")
RULES = (SHARED, PER_EXIT)
# Stages of a cascade: a model of words, and a network with nothing before it.
WORDS, EXITS = "words", "exits"
PROMISED = "promised"
# Of accuracy against the standard model, that a setting may cost.
LOSSES = (0.005, 0.01)


@dataclass(frozen=True, slots=True)
class Line:
    """Accuracy over measured speed-up.

    Attributes:
        accuracy: at each of ``curves.SPEEDUPS``; None out of reach.
        fastest: that there is.
        within: what the test rows say can be had for a loss against the standard model, by loss.
        chosen: what a setting comes to that the dev rows chose for that loss; None if they chose none.
    """

    accuracy: tuple[float | None, ...]
    fastest: float
    within: dict[str, Reach]
    chosen: dict[str, Chosen | None]


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """A way of getting a model.

    Attributes:
        seeds: models that the figures are the mean of.
        layers: run before each exit.
        accuracies: on the test rows at each exit.
        spread: standard deviation of the last exit's accuracy over the seeds; None for one seed.
        lines: by rule and the way of handing texts in; one point for models with one exit.
        area_dev, area_test: mean accuracy at batched speed-ups from 1 to 4; None for models with one exit.
        seconds: processor time of training, where it was not interrupted.
        precision: that the network was computed in while it was trained; None if that is not known.
        parameters: of the whole network, and of its exits.
        correlations: of models with several exits.
    """

    method: str
    seeds: int
    layers: tuple[int, ...]
    accuracies: tuple[float, ...]
    spread: float | None
    lines: dict[str, dict[str, Line]]
    area_dev: float | None
    area_test: float | None
    seconds: float | None
    precision: str | None
    parameters: dict[str, int]
    correlations: Correlations | None

    def line(self, kind: str, rule: str = SHARED) -> Line:
        """The curve for a way of handing texts in, by the rule of the paper or another of ``RULES``."""
        return self.lines[rule][kind]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of our methods against another at one speed-up.

    Attributes:
        ours: its name in ``plan.OURS``.
        group: ``efficient``, ``models`` (several models in turn), ``rivals`` or ``calibration`` (temperature 1).
        other: name within the group.
        kind: way of handing texts in.
        seeds: that both have.
    """

    ours: str
    group: str
    other: str
    kind: str
    seeds: int
    versus: Versus


@dataclass(frozen=True, slots=True)
class NamedLine:
    """The curve of a rival, or of several models in turn, with a threshold for each exit where there can be.

    Attributes:
        group, name, kind: as those of a comparison.
        seeds: models that the figures are the mean of.
        accuracy: at each of ``curves.SPEEDUPS``; None out of reach.
    """

    group: str
    name: str
    kind: str
    seeds: int
    accuracy: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class CascadeFigures:
    """Words or a small network before a network with exits, or these exits alone, by the gate of ``offramp tune``.

    Attributes:
        exits: the name of the network's method in ``plan.OURS``; empty for words alone.
        stages: what texts pass in turn.
        kind: way of handing texts in.
        seeds: models that the figures are the mean of.
        accuracy: at each of ``curves.SPEEDUPS``; None out of reach.
        ten_times: the same at ten times the standard model's speed.
        area_dev: mean accuracy at speed-ups from 1 to 4, on dev rows.
        selected: what the setting comes to that was selected on dev rows, by what may be lost there; of words alone
            the only setting there is.
        gains: over the same exits alone, in points, at speed-ups that both reach.
    """

    exits: str
    stages: str
    kind: str
    seeds: int
    accuracy: tuple[float | None, ...]
    ten_times: float | None
    area_dev: float
    selected: dict[str, Chosen | None]
    gains: tuple[Versus, ...]


@dataclass(frozen=True, slots=True)
class StepCost:
    """What several exits cost in training over one, as ``benchmarks/training_time.py`` measures it.

    Attributes:
        exits: layers before each.
        ratio, low, high: time of a step over that with one exit: median and quartiles.
        more, share: parameters added, and as a share of those there were.
    """

    exits: tuple[int, ...]
    ratio: float
    low: float
    high: float
    more: int
    share: float

    @classmethod
    def read(cls, file: Path) -> Self:
        """From a result of that benchmark."""
        content = read_json(file)
        low, high = content["time"]["quartiles"]
        parameters = content["parameters"]
        exits = tuple(content["exits"])
        return cls(exits, content["time"]["median"], low, high, parameters["more"], parameters["share"])


@dataclass(frozen=True, slots=True)
class Results:
    """All that is known of one data set with one encoder.

    Attributes:
        rows: by part, and tokens of a test row in the mean.
        truncated: share of the test rows that lost tokens.
        recipes: of the networks with one exit, and of those whose encoder is trained with an exit before full depth, if
            there are any.
        missing: methods of the plan that were not run yet.
        cascades: none where no answers are kept.
    """

    data: str
    encoder: str
    environment: dict[str, Any]
    fingerprints: dict[str, str]
    rows: dict[str, int]
    tokens: float
    truncated: float
    recipes: dict[str, dict[str, Any] | None]
    times: Times
    methods: tuple[MethodFigures, ...]
    lines: tuple[NamedLine, ...]
    comparisons: tuple[Comparison, ...]
    missing: tuple[str, ...]
    cascades: tuple[CascadeFigures, ...] = ()

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.data}-{self.encoder}"

    @property
    def standard(self) -> MethodFigures:
        """The standard model, without which there are no results."""
        return next(one for one in self.methods if one.method == STANDARD)

    @property
    def several(self) -> MethodFigures:
        """A method with several exits: the joint one, if it was run."""
        return self.method(JOINT) or next(one for one in self.methods if len(one.layers) > 1)

    @property
    def cuts(self) -> list[MethodFigures]:
        """The efficient baselines that were run, the shallowest first."""
        return [one for one in self.methods if one.method.startswith("cut")]

    def method(self, name: str) -> MethodFigures | None:
        """One of the methods, if it was run."""
        return next((one for one in self.methods if one.method == name), None)

    @property
    def ours(self) -> dict[str, MethodFigures]:
        """Those of ours that were run, by their names."""
        found = {name: self.method(ours.method) for name, ours in OURS.items()}
        return {name: one for name, one in found.items() if one is not None}

    def line_of(self, ours: str, kind: str) -> Line:
        """The curve of one of ours, by its rule."""
        return self.ours[ours].line(kind, OURS[ours].rule)

    def best_cascade(self, *, alone: bool = False) -> CascadeFigures | None:
        """In batches: of exits alone, or of those with something before them, the best on dev rows, by the area."""
        networks = [one for one in self.cascades if one.exits and one.kind == KINDS[0]]
        found = [one for one in networks if (one.stages == EXITS) == alone]
        return max(found, key=lambda one: one.area_dev, default=None)

    def comparison(
        self, ours: str, group: str, other: str, kind: str, speedup: float | None = None
    ) -> Comparison | None:
        """Of one of ours with something else, at a speed-up or the first there is, if it was made."""
        wanted = (ours, group, other, kind)
        for one in self.comparisons:
            if (one.ours, one.group, one.other, one.kind) == wanted and speedup in (None, one.versus.speedup):
                return one
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to what can be told apart."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
