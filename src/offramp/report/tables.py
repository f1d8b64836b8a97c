"""The rows of a report's tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from offramp import environment
from offramp.benchmark import Kind
from offramp.data.wording import count
from offramp.evaluation import (
    LOSSES,
    EvaluatedModel,
    EvaluatedPoint,
    Evaluation,
    Group,
    HandingOver,
    Point,
    add_up,
    fastest_within,
)
from offramp.exit_names import in_column
from offramp.policy import Method
from offramp.report import words
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.monitored_file import MonitoredTexts
from offramp.report.summary import Kept, described, kept_promises, worst_promises

# More classes than this are folded into one row.
MOST_CLASSES = 16

_METHODS = {
    Method.EMPIRICAL: "as seen: holds for these texts only",
    Method.CONFORMAL: "conformal risk control: in expectation",
    Method.LTT: "Learn-then-Test",
    Method.UCB: "upper confidence bound",
}


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """A setting that can be chosen.

    Attributes:
        name: of the setting.
        aside: why it is in the table.
        kept: its promise, if it makes one that shows here; of several, the one that stands worst.
        chosen: whether it is in focus.
        handing_over: what it hands over; None if it answers every text.
    """

    point: Point
    name: str
    aside: str
    kept: Kept | None
    chosen: bool
    handing_over: HandingOver | None

    @property
    def accuracy(self) -> float | None:
        """Share of the texts that are right, or of those that are answered; None if none is."""
        if self.handing_over is None:
            return self.point.accuracy
        return None if self.handing_over.accuracy is None else self.handing_over.accuracy.value

    @property
    def agreement(self) -> float | None:
        """Share of the same texts that full depth answers alike."""
        return self.point.agreement if self.handing_over is None else self.handing_over.agreement

    @property
    def answered(self) -> str | None:
        """Which texts the figures are of; None if of all."""
        handing = self.handing_over
        if handing is None:
            return None
        full = "" if handing.full_accuracy is None else f"; full depth {words.percent(handing.full_accuracy)} of these"
        return f"of the {words.percent(handing.coverage, 1)} answered{full}"


@dataclass(frozen=True, slots=True)
class Promised:
    """One of an operating point's promises, on the calibration rows and on those of this evaluation.

    Attributes:
        name: of the point.
        promise: in words.
        method: the method behind the promise.
        rows: calibration rows that counted.
        seen: what is promised, as seen on them; None without a promise.
        bound: the method's own bound of that; None without a promise.
        kept: whether the promise is kept here; None without a promise, or where that is unknown.
        here: what is promised, as seen on the rows of this evaluation, or else the disagreement; None if unknown.
        suspended: the alarms that have suspended it on other texts.
        uncompared: what it is a promise about, where that was not given here; None otherwise.
    """

    operating_point: EvaluatedPoint
    name: str
    promise: str
    method: str
    rows: int
    seen: float | None
    bound: float | None
    kept: Kept | None
    here: float | None
    uncompared: str | None = None
    suspended: str | None = None

    @property
    def stated(self) -> str:
        """The promise in words, with what came of it here."""
        if not self.operating_point.promises:
            return "no promise"
        if self.kept is not None:
            return self.kept.stated
        return f"{self.promise}; not compared with {self.uncompared}" if self.uncompared else self.promise


def choices(evaluation: Evaluation) -> list[ChoiceRow]:
    """Full depth, operating points, the setting in focus, the fastest within some losses, and all cut networks."""
    full, focus, kept = evaluation.full, evaluation.focus.point, worst_promises(evaluation)
    asides: dict[Point, list[str]] = {
        entry.point: ["operating point, default" if entry.default else "operating point"]
        for entry in evaluation.operating_points
    }
    asides.setdefault(focus, []).append("in focus")
    for loss in LOSSES:
        point = fastest_within([point for point in evaluation.points if point.chooses], full, loss)
        if point is not None:
            asides.setdefault(point, []).append(f"fastest threshold within {words.loss_of(loss)}")
    ends = (full, *evaluation.truncated)
    early = sorted((point for point in asides if point not in ends), key=lambda point: point.speedup)
    return [
        ChoiceRow(
            point=point,
            name=point.name or point.setting,
            aside="; ".join(asides.get(point, ())),
            kept=kept.get(point),
            chosen=point == focus,
            handing_over=evaluation.handing_over(point),
        )
        for point in (full, *early, *reversed(evaluation.truncated))
    ]


def promises(evaluation: Evaluation, watched: MonitoredTexts | None = None) -> list[Promised]:
    """A row for each promise of each operating point; one for a point without promises.

    Args:
        evaluation: the measurements.
        watched: what the monitor found of other texts.
    """
    kept = zip(evaluation.operating_points, kept_promises(evaluation), strict=True)
    rows = [row for entry, promises in kept for row in _promised(entry, promises)]
    if watched is None or not watched.alarms:
        return rows
    suspended = f"{', '.join(watched.alarms)} ({words.data_name(watched.source)})"
    concerned = [row.operating_point.promises and row.operating_point.point.name == watched.point for row in rows]
    return [replace(row, suspended=suspended) if its else row for row, its in zip(rows, concerned, strict=True)]


def _promised(entry: EvaluatedPoint, kept: Sequence[Kept | None]) -> list[Promised]:
    name = described(entry)
    if not entry.promises:
        return [
            Promised(entry, name, words.promise(None), "", entry.seen.rows, None, None, None, 1 - entry.point.agreement)
        ]
    return [
        Promised(
            operating_point=entry,
            name=name,
            promise=words.promise(here.promise),
            method=_METHODS[here.promise.method],
            rows=here.promise.rows,
            seen=here.promise.limit.stated(here.promise.seen),
            bound=here.promise.limit.stated(here.promise.bound),
            kept=one,
            here=None if one is None else one.seen,
            uncompared=str(reference) if one is None and (reference := here.promise.limit.reference) else None,
        )
        for here, one in zip(entry.promises, kept, strict=True)
    ]


def fold(groups: Sequence[Group], layers: Sequence[int], most: int = MOST_CLASSES) -> list[Group]:
    """Sorts groups by size, then by layers run; beyond ``most``, the last ones are added up in one row.

    Args:
        groups: of texts.
        layers: run before each exit, (exits,).
        most: rows of the table, at least 2.
    """
    by_size = sorted(groups, key=lambda group: (-group.rows, -group.mean_layers(layers)))
    if len(by_size) <= most:
        return by_size
    listed, rest = by_size[: most - 1], by_size[most - 1 :]
    return [*listed, add_up(rest, f"{len(rest)} other classes")]


def speed_groups(speeds: BenchSpeeds) -> list[tuple[int, list[BenchSpeed]]]:
    """The rows by number of threads, the fastest first; cut networks only if they are as accurate as early exit."""
    return [
        (threads, _shown([row for row in speeds.rows if row.threads == threads]))
        for threads in dict.fromkeys(row.threads for row in speeds.rows)
    ]


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Everything about model, data and machine that the figures depend on."""
    model, data, machine = evaluation.model, evaluation.data, evaluation.environment
    versions = (*environment.packages(), "python")
    threads = count(machine["threads"], "thread")
    return [
        ("Model", f"{model.folder or 'in memory'} ({model.backbone}), {model.fingerprint}"),
        _exits(model),
        *([] if model.words is None else [("Words when it was made", words.dev_figures(model.words))]),
        ("Labels", f"{model.labels:,}, {model.problem_type.replace('_', ' ')}"),
        *([] if not model.label_thresholds else [("A label holds above", _decided(model.label_thresholds))]),
        ("Temperatures fitted to", model.calibrated_on or "nothing"),
        ("Reads at most", count(model.max_tokens, "token")),
        ("Data", f"{data.source}, {data.fingerprint}"),
        ("Measured on", f"{evaluation.date} (UTC)"),
        ("Texts", f"{data.rows:,}; {data.blank:,} empty, {data.truncated:,} longer than the model reads"),
        ("Backend", f"{model.backend} {model.precision}, {model.token_budget:,} tokens a batch"),
        ("Processor", f"{words.processor(evaluation)}, {machine['cores']} cores, {threads} used"),
        ("System", str(machine["platform"])),
        ("Versions", ", ".join(f"{name} {machine[name]}" for name in versions if machine.get(name))),
        ("Seed", str(machine["seed"])),
    ]


def _decided(thresholds: dict[str, float]) -> str:
    return ", ".join(f"{words.short(label)} {threshold:.2g}" for label, threshold in thresholds.items())


def _exits(model: EvaluatedModel) -> tuple[str, str]:
    after, exits = in_column(model.exit_names)
    return "Exits after layers" if after == "after layer" else f"Exits {after}", ", ".join(exits)


def _shown(rows: Sequence[BenchSpeed]) -> list[BenchSpeed]:
    least = min((row.accuracy for row in rows if row.kind is Kind.EARLY_EXIT and row.accuracy is not None), default=0.0)
    shown = [row for row in rows if row.kind is not Kind.TRUNCATED or (row.accuracy or 0.0) >= least]
    return sorted(shown, key=lambda row: -row.texts_per_second)
