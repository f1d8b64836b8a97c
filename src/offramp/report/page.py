"""A report as one page of HTML: no script, nothing from elsewhere, light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from offramp.calibration import Problem
from offramp.evaluation import Evaluation, Group, Point, add_up
from offramp.policy import Interval
from offramp.report import speed_chart, words
from offramp.report.colors import exit_style
from offramp.report.exit_charts import draw_accuracies, draw_leaving, draw_overthinking
from offramp.report.reliability_chart import draw_reliability
from offramp.report.report import Report
from offramp.report.speeds import Speed, Speeds
from offramp.report.svg import CIRCLE, FOCUS, RING, SQUARE, TRIANGLE

# More classes than this are folded into one row.
MOST_CLASSES = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """A row of the table of what can be chosen; shares, factors and mean layers."""

    name: str
    aside: str
    accuracy: float
    difference: Interval | None
    agreement: float
    speedup: float
    spread: tuple[float, float]
    layers: float
    chosen: bool


def render(report: Report) -> str:
    """Makes the page; everything in it comes from the report."""
    evaluation = report.evaluation
    classes = fold(evaluation.focus.classes)
    clock = speed_chart.by_clock(evaluation)
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=report.title,
            headline=words.headline(evaluation),
            advice=report.advice,
            evaluation=evaluation,
            environment=evaluation.environment,
            model=evaluation.model,
            data=evaluation.data,
            full=evaluation.full,
            truncated=evaluation.truncated,
            overthinking=evaluation.overthinking,
            focus=evaluation.focus,
            processor=words.processor(evaluation),
            multi_label=evaluation.model.problem_type == Problem.MULTI_LABEL,
            exit_style=exit_style(len(evaluation.model.exits)),
            charts=_charts(evaluation, clock),
            shapes={
                "early": CIRCLE.swatch,
                "focus": FOCUS.swatch,
                "cut": SQUARE.swatch,
                "full": TRIANGLE.swatch,
                "before": RING.swatch,
            },
            unseen=", ".join(spot.hint for spot in clock.unseen),
            choices_=choices(evaluation),
            classes=classes,
            folded=len(classes) < len(evaluation.focus.classes),
            with_texts=any(one.text is not None for one in evaluation.focus.disagreements),
            speeds=report.speeds,
            speed_groups=[] if report.speeds is None else speed_groups(report.speeds),
            fastest=max((row.texts_per_second for row in report.speeds.rows), default=1.0) if report.speeds else 1.0,
            facts_=facts(evaluation),
        )
    )


def fold(groups: Sequence[Group], most: int = MOST_CLASSES) -> list[Group]:
    """Sorts groups by size; where there are more than ``most``, the smallest make one."""
    by_size = sorted(groups, key=lambda group: -group.rows)
    if len(by_size) <= most:
        return by_size
    shown, others = by_size[: most - 1], by_size[most - 1 :]
    return [*shown, add_up(others, f"{len(others)} other classes")]


def choices(evaluation: Evaluation) -> list[Choice]:
    """Full depth, the setting in focus and the fastest within some losses, and the network cut off at each exit."""
    full, focus = evaluation.full, evaluation.focus.point
    depth = evaluation.model.exits[-1]
    asides = {focus.threshold: ["in focus"]}
    for loss in (0.003, 0.01):
        point = evaluation.fastest_within(loss)
        if point is not None:
            asides.setdefault(point.threshold, []).append(
                f"fastest within {100 * loss:g} point{'s' if loss != 0.01 else ''}"
            )
    chosen = [point for point in evaluation.points if point.threshold in asides]
    return [
        Choice("full depth", "", full.accuracy, None, 1.0, 1.0, (1.0, 1.0), depth, False),
        *(_early(point, "; ".join(asides[point.threshold]), point == focus) for point in chosen),
        *(
            Choice(
                f"cut after layer {one.layers}",
                "",
                one.accuracy,
                one.accuracy_difference,
                one.agreement,
                one.measured_speedup,
                one.measured_speedup_spread,
                one.layers,
                False,
            )
            for one in reversed(evaluation.truncated)
        ),
    ]


def speed_groups(speeds: Speeds) -> list[tuple[int, list[Speed]]]:
    """The rows by number of threads, the fastest first; of the cut networks only the fastest of each engine."""
    groups = []
    for threads in dict.fromkeys(row.threads for row in speeds.rows):
        rows = [row for row in speeds.rows if row.threads == threads]
        groups.append((threads, sorted(rows, key=lambda row: -row.texts_per_second)))
    return groups


def facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Model, data and machine, as far as figures depend on them."""
    model, data, machine = evaluation.model, evaluation.data, evaluation.environment
    versions = ("offramp", "torch", "transformers", "tokenizers", "numpy", "onnxruntime", "openvino", "python")
    return [
        ("Model", f"{model.folder or 'in memory'} ({model.backbone}), {model.fingerprint}"),
        ("Exits after layers", ", ".join(map(str, model.exits))),
        ("Labels", f"{model.labels:,}, {model.problem_type.replace('_', ' ')}"),
        ("Temperatures fitted to", model.calibrated_on or "nothing"),
        ("Reads at most", words.count(model.max_tokens, "token")),
        ("Data", f"{data.source}, {data.fingerprint}"),
        ("Texts", f"{data.rows:,}; {data.blank:,} empty, {data.truncated:,} longer than the model reads"),
        ("Backend", f"{model.backend} {model.precision}, {model.token_budget:,} tokens a batch"),
        (
            "Processor",
            f"{words.processor(evaluation)}, {machine['cores']} cores, {words.count(machine['threads'], 'thread')} used",
        ),
        ("System", str(machine["platform"])),
        ("Versions", ", ".join(f"{name} {machine[name]}" for name in versions if machine.get(name))),
        ("Seed", str(machine["seed"])),
    ]


def _early(point: Point, aside: str, chosen: bool) -> Choice:
    return Choice(
        f"threshold {point.threshold:g}",
        aside,
        point.accuracy,
        point.accuracy_difference,
        point.agreement,
        point.measured_speedup,
        point.measured_speedup_spread,
        point.mean_layers,
        chosen,
    )


def _charts(evaluation: Evaluation, clock: speed_chart.SpeedChart) -> dict[str, Markup | list[Markup]]:
    return {
        "clock": speed_chart.draw(clock, "clock", "Measured speed-up"),
        "layers": speed_chart.draw(speed_chart.by_layers(evaluation), "layers", "Layer speed-up"),
        "leaving": draw_leaving(evaluation.focus.exits, "leaving"),
        "accuracies": draw_accuracies(evaluation.overthinking, "accuracies"),
        "overthinking": draw_overthinking(evaluation.overthinking, "against-last"),
        "reliability": [draw_reliability(one, f"reliability-{one.exit}") for one in evaluation.reliability],
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("offramp.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": words.count,
        "labels": _labels,
        "percent": words.percent,
        "percent_bare": lambda share, digits=2: f"{100 * share:.{digits}f}",
        "quartiles": lambda spread: words.span(f"{spread[0]:.2f}", f"{spread[1]:.2f}"),
        "rate": lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.1f}",
        "signed": words.signed,
        "times": words.times,
        "whole": words.whole,
    }
    return environment


def _labels(names: Sequence[str]) -> str:
    return ", ".join(names) or "(none)"
