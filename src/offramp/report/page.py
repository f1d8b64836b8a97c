"""A report as one self-contained HTML page, without scripts, in light and dark."""

import functools
import re
from collections.abc import Sequence

import jinja2
from markupsafe import Markup, escape

from offramp.calibration import ProblemType
from offramp.data.wording import count
from offramp.evaluation import Evaluation
from offramp.exit_names import in_column
from offramp.report import accuracy_chart, words
from offramp.report.coverage_chart import draw_coverage
from offramp.report.exit_charts import draw_accuracies, draw_overthinking
from offramp.report.reliability_chart import draw_reliability
from offramp.report.report import Report
from offramp.report.svg import CIRCLE, DIAMOND, FOCUS, RING, SQUARE
from offramp.report.tables import choices, facts, fold, promises, speed_groups

_SHAPES = {
    "early": CIRCLE,
    "computed": CIRCLE.hollow,
    "beaten": CIRCLE.faint,
    "focus": FOCUS,
    "named": DIAMOND,
    "cut": SQUARE,
    "before": RING,
}

# Colors of the exits: one hue from light (early) to dark (late), so that their order shows. Both ends stand out from
# white pages as well as from black ones.
_EARLY, _LATE = (0xA9, 0xD6, 0xF0), (0x1A, 0x56, 0x8C)
# Below this luminance white text has a contrast of at least 4.5, above it black text has.
_BRIGHTEST_FOR_WHITE = 0.179

# Characters that texts may hold but HTML must not.
_UNREADABLE = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)], "\ufffd")


def render(report: Report) -> str:
    """Renders the report as HTML."""
    evaluation, speeds = report.evaluation, report.speeds
    chart = accuracy_chart.speed_chart(evaluation)
    leaving = [exit_.right + exit_.wrong + exit_.handed_over for exit_ in evaluation.focus.exits]
    after, exits = in_column(evaluation.model.exit_names)
    template = _environment().get_template("page.html")
    page = template.render(
        title=evaluation.model.name,
        summary=report.summary,
        advice=report.advice,
        data_name=words.data_name(evaluation.data.source),
        evaluation=evaluation,
        multi_label=evaluation.model.problem_type == ProblemType.MULTI_LABEL,
        processor=words.processor(evaluation),
        after=after,
        exits=exits,
        exit_style=exit_style(len(evaluation.model.exits)),
        shapes={name: shape.swatch for name, shape in _SHAPES.items()},
        charts=_charts(evaluation, chart),
        beaten=any(spot.beaten for spot in chart.seen),
        everything={"exits": leaving, "rows": evaluation.data.rows},
        unseen=accuracy_chart.named(chart.unseen),
        choices=choices(evaluation),
        promises=promises(evaluation, report.watched),
        watched=report.watched,
        handing=evaluation.handing_over(evaluation.focus.point),
        handing_over=[entry for entry in evaluation.operating_points if entry.handing_over is not None],
        classes=fold(evaluation.focus.classes, evaluation.model.exits),
        speeds=speeds,
        speed_groups=[] if speeds is None else speed_groups(speeds),
        fastest=max((row.texts_per_second for row in speeds.rows), default=1.0) if speeds else 1.0,
        facts=facts(evaluation),
    )
    return page.translate(_UNREADABLE).encode("utf-8", "replace").decode("utf-8")


def exit_style(n_exits: int) -> Markup:
    """Style rules ``.x0`` to ``.xN``: for each exit the color of its parts of bars, and of the text in them."""
    rules = []
    for index in range(n_exits):
        share = index / max(1, n_exits - 1)
        color = tuple(round(early + share * (late - early)) for early, late in zip(_EARLY, _LATE, strict=True))
        ink = "#fff" if _luminance(color) < _BRIGHTEST_FOR_WHITE else "#000"
        rules.append(f".x{index} {{ background: #{bytes(color).hex()}; color: {ink}; }}")
    return Markup("\n".join(rules))


def _luminance(color: tuple[int, ...]) -> float:
    """Relative luminance, from 0 (black) to 1 (white), of an sRGB color (WCAG 2.2)."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _charts(evaluation: Evaluation, speed: accuracy_chart.SpeedChart) -> dict[str, Markup | list[Markup]]:
    return {
        "speed": accuracy_chart.draw(speed, "curve"),
        "accuracies": draw_accuracies(evaluation.overthinking, "accuracies"),
        "overthinking": draw_overthinking(evaluation.overthinking, "against-last"),
        "coverage": draw_coverage(evaluation.risk_coverage, evaluation.operating_points, "coverage"),
        "reliability": [draw_reliability(curve, f"reliability-{curve.exit}") for curve in evaluation.reliability],
    }


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("offramp.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": _breakable,
        "at": words.at,
        "bare": words.bare,
        "count": count,
        "flags": _flags,
        "fixed": lambda value, digits: f"{value:.{digits}f}",
        "labels": _labels,
        "percent": words.percent,
        "quartiles": words.quartiles,
        "milliseconds": words.milliseconds,
        "possible": words.possible,
        "rate": words.rate,
        "signed": words.signed,
        "times": words.times,
        "whole": words.whole,
    }
    return environment


def _flags(text: str) -> Markup:
    """Escapes prose or a command, and keeps options such as ``--output`` from breaking across lines."""
    return Markup(re.sub(r"(--\w[\w-]*)", r'<span class="flag">\1</span>', str(escape(text))))


def _labels(names: Sequence[str]) -> Markup:
    return Markup(", ").join(map(_breakable, names)) or Markup("(none)")


def _breakable(name: str) -> Markup:
    """A name, shortened if very long, that may wrap after punctuation."""
    return Markup(re.sub(r"([_/:.-])", r"\1<wbr>", str(escape(words.short(name)))))
