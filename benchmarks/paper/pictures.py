"""Accuracy against measured speed-up, as pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper.analysis import MODELS, RIVAL
from benchmarks.paper.curves import SPEEDUPS
from benchmarks.paper.plan import OURS
from benchmarks.paper.results import KINDS, Results
from benchmarks.rivals.recipes import RIVALS
from offramp.report.pictures import BLUE, GREY, ORANGE, write_picture

HANDED_IN = {"lot": "in batches", "single": "one by one"}
# Of the rivals: Wong's palette, Nature Methods 2011, of which ours has BLUE, and a brown.
_PALETTE = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#D55E00", "#8C510A")
_COLORS = {rival.name: color for rival, color in zip(RIVALS, _PALETTE, strict=True)}
# Of ours: dots, dashes, both, none.
_DASHES: tuple[Any, ...] = ((0, (1, 1)), (0, (3, 1)), (0, (4, 1, 1, 1, 1, 1)), "-", (0, (5, 1, 1, 1)))
# Points of accuracy below the standard model that a picture shows.
_DEEPEST = 8.0


def draw_curves(results: Results, title: str, file: Path) -> None:
    """Draws our curve beside the efficient baselines and several models in turn, both ways of handing texts in."""
    _write(file, lambda: _curves(results, title))


def draw_rivals(results: Sequence[Results], titles: Sequence[str], file: Path) -> None:
    """Draws all rivals' curves in batches, a panel for each data set and encoder."""
    _write(file, lambda: _rivals(results, titles))


def _write(file: Path, draw: Callable[[], Any]) -> None:
    import matplotlib

    # Letters as text, not as outlines: a third of the size.
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        write_picture(file, draw)


def _curves(results: Results, title: str) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), KINDS, strict=True):
        for named in results.lines:
            if (named.group, named.kind) == (MODELS, kind):
                _plot(axes, named.accuracy, color=ORANGE, linewidth=0.8, linestyle=":", label="two or more models")
        _plot_efficient(axes, results, kind)
        _plot_ours(axes, results, kind)
        _frame(axes, results, f"{title}, {HANDED_IN[kind]}")
    figure.axes[0].set_ylabel("accuracy (%)")
    _legend(figure)
    return figure


def _plot_ours(axes: Any, results: Results, kind: str) -> None:
    for name, style in zip(OURS, _DASHES, strict=True):
        if name in results.ours:
            accuracy = results.line_of(name, kind).accuracy
            _plot(axes, accuracy, color=BLUE, linewidth=1.8, linestyle=style, label=f"ours: {name}")


def _plot_efficient(axes: Any, results: Results, kind: str) -> None:
    """The standard model and those that are cut off, each trained on its own."""
    single = [one for one in results.methods if len(one.layers) == 1]
    points = sorted((one.line(kind).fastest, 100 * one.accuracies[-1], one.layers[-1]) for one in single)
    axes.plot(
        [speed for speed, *_ in points],
        [accuracy for _, accuracy, _ in points],
        color=GREY,
        marker="s",
        markersize=4,
        linewidth=0.8,
        label="networks of their own depth",
    )
    for speed, accuracy, layers in points:
        axes.annotate(f"{layers}", (speed, accuracy), xytext=(3, 4), textcoords="offset points", fontsize=7)


def _rivals(results: Sequence[Results], titles: Sequence[str]) -> Any:
    from matplotlib.figure import Figure

    rows = -(-len(results) // 3)
    figure = Figure(figsize=(9.6, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False).flatten().tolist()
    for axes, one, title in zip(panels, results, titles, strict=False):
        for named in one.lines:
            if (named.group, named.kind) == (RIVAL, "lot"):
                _plot(axes, named.accuracy, color=_COLORS[named.name], linewidth=0.9, label=named.name)
        _plot_ours(axes, one, "lot")
        _frame(axes, one, title)
    for axes in panels[len(results) :]:
        axes.set_axis_off()
    _legend(figure)
    return figure


def _legend(figure: Any) -> None:
    """Below all panels; what several of them show is named once."""
    shown = [axes.get_legend_handles_labels() for axes in figure.axes]
    once = {label: handle for handles, labels in shown for handle, label in zip(handles, labels, strict=True)}
    figure.legend(once.values(), once.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=8)


def _plot(axes: Any, accuracy: Sequence[float | None], **style: Any) -> None:
    shown = [(speed, 100 * one) for speed, one in zip(SPEEDUPS, accuracy, strict=True) if one is not None]
    axes.plot([speed for speed, _ in shown], [accuracy for _, accuracy in shown], **style)


def _frame(axes: Any, results: Results, title: str) -> None:
    """The standard model's accuracy, and the range around it that matters."""
    full = 100 * results.standard.accuracies[-1]
    axes.axhline(full, color=GREY, linestyle="--", linewidth=0.8)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(max(lowest, full - _DEEPEST), highest)
    axes.set_xlim(0.9, None)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("speed-up over the standard model (times)", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
