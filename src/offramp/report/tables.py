"""What the rows of a report's tables hold."""

from collections.abc import Sequence
from dataclasses import dataclass

from offramp.benchmark import Kind
from offramp.evaluation import Evaluation, Group, OperatingPointHere, Point, Truncated, add_up
from offramp.policy import Interval, Method
from offramp.report import words
from offramp.report.advice import risk_here
from offramp.report.bench_file import Speed, Speeds
from offramp.report.verdict import LOSSES

# More classes than this are folded into one row.
MOST_CLASSES = 16

_METHODS = {
    Method.EMPIRICAL: "as seen: holds for these texts only",
    Method.CONFORMAL: "conformal risk control: in expectation",
    Method.LTT: "Learn-then-Test",
    Method.UCB: "upper confidence bound",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to run the model; shares, factors and mean layers.

    Attributes:
        aside: why it is in the table.
        difference: of accuracy to full depth; None for full depth itself.
        chosen: whether it is in focus.
    """

    name: str
    aside: str
    accuracy: float
    difference: Interval | None
    agreement: float
    speedup: float
    spread: tuple[float, float]
    layers: float
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """An operating point's promise, on the calibration rows and here.

    Attributes:
        name: of the point.
        rule: when a text leaves.
        promise: in words.
        method: behind it.
        seen, bound: risk on the calibration rows and what the method says it is at most; None without a promise.
        rows: of calibration.
        here: the risk on the rows of this evaluation.
    """

    name: str
    rule: str
    promise: str
    method: str
    seen: float | None
    bound: float | None
    rows: int
    here: float


def choices(evaluation: Evaluation) -> list[Choice]:
    """Full depth, operating points, the setting in focus, the fastest within some losses, and all cut networks."""
    full, focus = evaluation.full, evaluation.focus.point
    asides: dict[Point, list[str]] = {
        here.point: ["operating point, default" if here.default else "operating point"]
        for here in evaluation.operating_points
    }
    asides.setdefault(focus, []).append("in focus")
    for loss in LOSSES:
        point = evaluation.fastest_within(loss)
        if point is not None:
            asides.setdefault(point, []).append(f"fastest threshold within {words.loss_of(loss)}")
    early = sorted(asides, key=lambda point: point.measured_speedup)
    return [
        Choice("full depth", "", full.accuracy, None, 1.0, 1.0, (1.0, 1.0), evaluation.model.exits[-1]),
        *(_early(point, "; ".join(asides[point]), point == focus) for point in early),
        *(_cut(one) for one in reversed(evaluation.truncated)),
    ]


def promises(evaluation: Evaluation) -> list[Kept]:
    """One row for each operating point."""
    return [_kept(here) for here in evaluation.operating_points]


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


def speed_groups(speeds: Speeds) -> list[tuple[int, list[Speed]]]:
    """The rows by number of threads, the fastest first; of the cut networks only those as accurate as early exit."""
    return [
        (threads, _shown([row for row in speeds.rows if row.threads == threads]))
        for threads in dict.fromkeys(row.threads for row in speeds.rows)
    ]


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Model, data and machine, as far as figures depend on them."""
    model, data, machine = evaluation.model, evaluation.data, evaluation.environment
    versions = ("offramp", "torch", "transformers", "tokenizers", "numpy", "onnxruntime", "openvino", "python")
    threads = words.count(machine["threads"], "thread")
    return [
        ("Model", f"{model.folder or 'in memory'} ({model.backbone}), {model.fingerprint}"),
        ("Exits after layers", ", ".join(map(str, model.exits))),
        ("Labels", f"{model.labels:,}, {model.problem_type.replace('_', ' ')}"),
        ("Temperatures fitted to", model.calibrated_on or "nothing"),
        ("Reads at most", words.count(model.max_tokens, "token")),
        ("Data", f"{data.source}, {data.fingerprint}"),
        ("Texts", f"{data.rows:,}; {data.blank:,} empty, {data.truncated:,} longer than the model reads"),
        ("Backend", f"{model.backend} {model.precision}, {model.token_budget:,} tokens a batch"),
        ("Processor", f"{words.processor(evaluation)}, {machine['cores']} cores, {threads} used"),
        ("System", str(machine["platform"])),
        ("Versions", ", ".join(f"{name} {machine[name]}" for name in versions if machine.get(name))),
        ("Seed", str(machine["seed"])),
    ]


def _early(point: Point, aside: str, chosen: bool) -> Choice:
    return Choice(
        name=point.name or point.setting,
        aside=aside,
        accuracy=point.accuracy,
        difference=point.accuracy_difference,
        agreement=point.agreement,
        speedup=point.measured_speedup,
        spread=point.measured_speedup_spread,
        layers=point.mean_layers,
        chosen=chosen,
    )


def _cut(one: Truncated) -> Choice:
    return Choice(
        name=f"cut after layer {one.layers}",
        aside="",
        accuracy=one.accuracy,
        difference=one.accuracy_difference,
        agreement=one.agreement,
        speedup=one.measured_speedup,
        spread=one.measured_speedup_spread,
        layers=one.layers,
    )


def _kept(here: OperatingPointHere) -> Kept:
    promise, point = here.promise, here.point
    return Kept(
        name=f"{point.name} (default)" if here.default else str(point.name),
        rule=point.rule,
        promise=words.promise(promise),
        method="" if promise is None else _METHODS[promise.method],
        seen=None if promise is None else promise.seen,
        bound=None if promise is None else promise.bound,
        rows=here.seen.rows,
        here=risk_here(here),
    )


def _shown(rows: Sequence[Speed]) -> list[Speed]:
    least = min((row.accuracy for row in rows if row.kind is Kind.EARLY_EXIT and row.accuracy is not None), default=0.0)
    kept = [row for row in rows if row.kind is not Kind.TRUNCATED or (row.accuracy or 0.0) >= least]
    return sorted(kept, key=lambda row: -row.texts_per_second)
