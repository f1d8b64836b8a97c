"""What stands in the cells of tables: Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.paper.curves import SPEEDUPS, Chosen, Reach
from benchmarks.paper.plan import Plan
from benchmarks.paper.results import Comparison, MethodFigures, Results
from offramp.report.words import interval, percent, times

MISSING = "–"


def title_of(plan: Plan, results: Results) -> str:
    """Data set and encoder as people write them."""
    return f"{plan.data_sets[results.data].title}, {plan.encoders[results.encoder].title}"


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def speed_and_gain(found: Comparison | None) -> list[str]:
    """A baseline's speed, and the gain there."""
    return [MISSING if found is None else times(found.versus.speedup), gain(found)]


def gain(found: Comparison | None) -> str:
    """In points, with its interval; bold where that leaves 0 out."""
    if found is None:
        return MISSING
    shown = interval(found.versus.gain)
    return shown if found.versus.verdict == "even" else f"**{shown}**"


def accuracy_at(accuracies: Sequence[float | None], speedup: float) -> str:
    """On a curve."""
    value = accuracies[int(np.flatnonzero(np.isclose(SPEEDUPS, speedup))[0])]
    return MISSING if value is None else percent(value)


def at_exits(method: MethodFigures) -> str:
    """Accuracies of all exits."""
    return " / ".join(percent(accuracy, 1) for accuracy in method.accuracies)


def last_accuracy(method: MethodFigures) -> str:
    """With the spread over seeds, in points."""
    spread = "" if method.spread is None else f" ± {100 * method.spread:.2f}"
    return percent(method.accuracies[-1]) + spread


def chosen(found: Chosen | None) -> str:
    """A speed-up, and the accuracy there less the standard model's."""
    return "none" if found is None else f"{times(found.speedup)}: {interval(found.gain)}"


def reach(found: Reach) -> str:
    """A speed-up with its interval."""
    best = "none" if found.speedup is None else times(found.speedup)
    return f"{best} ({times(found.low)}–{times(found.high)})"


def recipe(found: Mapping[str, Any] | None) -> str:
    """Epochs, learning rate of the encoder, at which norm gradients are cut, and dropout if it is not the encoder's."""
    if found is None:
        return "none: exits alone"
    norm, dropout = found["max_grad_norm"], found["dropout"]
    parts = [f"{found['epochs']:g} epochs", f"{found['learning_rates'][0]:g}"]
    parts.append(f"gradients cut at {norm:g}" if norm else "gradients whole")
    return ", ".join(parts if dropout is None else [*parts, f"dropout {dropout:g}" if dropout else "no dropout"])


def rho(value: float | None) -> str:
    """A correlation."""
    return MISSING if value is None else f"{value:.2f}"


def load(found: Results) -> str:
    """Of the machine while times were measured."""
    value = found.times.environment.get("load")
    return MISSING if value is None else f"{value:.1f}"


def bold_best(
    results: Sequence[Results],
    names: Sequence[str],
    name: str,
    value: Callable[[Results, str], float | None],
    form: Callable[[float], str],
) -> list[str]:
    """A row of a table, with the figures that are the best of their columns in bold."""

    def cell(found: Results) -> str:
        here = value(found, name)
        if here is None:
            return MISSING
        best = max(one for one in (value(found, other) for other in names) if one is not None)
        return f"**{form(here)}**" if here == best else form(here)

    return [cell(found) for found in results]
