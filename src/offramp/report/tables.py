"""What the rows of a report's tables hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from offramp import environment
from offramp.benchmark import Kind
from offramp.data.wording import count
from offramp.evaluation import (
    LOSSES,
    EvaluatedModel,
    Evaluation,
    Group,
    OperatingPointHere,
    Point,
    add_up,
    fastest_within,
    risk_here,
)
from offramp.exit_names import in_column
from offramp.policy import Method
from offramp.report import words
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.summary import Kept, described, kept_here

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
    """A way to run the model.

    Attributes:
        name: what to call it.
        aside: why it is in the table.
        kept: its promise, if it makes one.
        chosen: whether it is in focus.
    """

    point: Point
    name: str
    aside: str
    kept: Kept | None
    chosen: bool


@dataclass(frozen=True, slots=True)
class Promised:
    """An operating point's promise, on the calibration rows and here.

    Attributes:
        name: of the point.
        promise: in words.
        method: that it rests on.
        kept: what became of it here; None without a promise.
        risk: on the rows of this evaluation.
    """

    here: OperatingPointHere
    name: str
    promise: str
    method: str
    kept: Kept | None
    risk: float


def choices(evaluation: Evaluation) -> list[ChoiceRow]:
    """Full depth, operating points, the setting in focus, the fastest within some losses, and all cut networks."""
    full, focus, kept = evaluation.full, evaluation.focus.point, kept_here(evaluation)
    asides: dict[Point, list[str]] = {
        here.point: ["operating point, default" if here.default else "operating point"]
        for here in evaluation.operating_points
    }
    asides.setdefault(focus, []).append("in focus")
    for loss in LOSSES:
        point = fastest_within(evaluation.points, full, loss)
        if point is not None:
            asides.setdefault(point, []).append(f"fastest threshold within {words.loss_of(loss)}")
    others = (full, *evaluation.truncated)
    early = sorted((point for point in asides if point not in others), key=lambda point: point.measured_speedup)
    return [
        ChoiceRow(point, point.name or point.setting, "; ".join(asides.get(point, ())), kept.get(point), point == focus)
        for point in (full, *early, *reversed(evaluation.truncated))
    ]


def promises(evaluation: Evaluation) -> list[Promised]:
    """One row for each operating point."""
    kept = kept_here(evaluation)
    return [
        Promised(
            here=here,
            name=described(here),
            promise=words.promise(here.promise),
            method="" if here.promise is None else _METHODS[here.promise.method],
            kept=kept.get(here.point),
            risk=risk_here(here),
        )
        for here in evaluation.operating_points
    ]


def fold(groups: Sequence[Group], layers: Sequence[int], most: int = MOST_CLASSES) -> list[Group]:
    """Sorts groups by size, those as large by layers run; where there are more than ``most``, the last make one.

    Args:
        groups: of texts.
        layers: run before each exit, (exits,).
        most: rows of the table, at least 2.
    """
    by_size = sorted(groups, key=lambda group: (-group.rows, -group.mean_layers(layers)))
    if len(by_size) <= most:
        return by_size
    shown, others = by_size[: most - 1], by_size[most - 1 :]
    return [*shown, add_up(others, f"{len(others)} other classes")]


def speed_groups(speeds: BenchSpeeds) -> list[tuple[int, list[BenchSpeed]]]:
    """The rows by number of threads, the fastest first; of the cut networks only those as accurate as early exit."""
    return [
        (threads, _shown([row for row in speeds.rows if row.threads == threads]))
        for threads in dict.fromkeys(row.threads for row in speeds.rows)
    ]


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Model, data and machine, as far as figures depend on them."""
    model, data, machine = evaluation.model, evaluation.data, evaluation.environment
    versions = (*environment.packages(), "python")
    threads = count(machine["threads"], "thread")
    return [
        ("Model", f"{model.folder or 'in memory'} ({model.backbone}), {model.fingerprint}"),
        _exits(model),
        ("Labels", f"{model.labels:,}, {model.problem_type.replace('_', ' ')}"),
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


def _exits(model: EvaluatedModel) -> tuple[str, str]:
    after, exits = in_column(model.exit_names)
    return "Exits after layers" if after == "after layer" else f"Exits {after}", ", ".join(exits)


def _shown(rows: Sequence[BenchSpeed]) -> list[BenchSpeed]:
    least = min((row.accuracy for row in rows if row.kind is Kind.EARLY_EXIT and row.accuracy is not None), default=0.0)
    kept = [row for row in rows if row.kind is not Kind.TRUNCATED or (row.accuracy or 0.0) >= least]
    return sorted(kept, key=lambda row: -row.texts_per_second)
