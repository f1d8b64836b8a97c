"""Accuracy against measured speed-up, as pictures."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.lines import Line, joined, legend, lines_panel, style_of
from benchmarks.paper.analysis import MODELS, RIVAL
from benchmarks.paper.curves import SPEEDUPS
from benchmarks.paper.plan import OURS
from benchmarks.paper.results import KINDS, Results
from benchmarks.rivals.recipes import RIVALS
from offramp.report.frame import Axis
from offramp.report.pictures import Key, Panel, Picture, write_picture
from offramp.report.svg import SQUARE

HANDED_IN = {"lot": "in batches", "single": "one by one"}
_OURS = {name: f"ours-{number}" for number, name in enumerate(OURS)}
_RIVALS = {rival.name: f"rival-{number}" for number, rival in enumerate(RIVALS)}
_COLORS = ("green", "purple", "amber", "orange", "ink", "grey", "brown")
# Of ours: dots, dashes, both, none, long dashes.
_DASHES = ("2 2.5", "6 3", "8 3 2 3", "none", "11 3")
_STYLE = """
:root { --amber: #c08a00; --brown: #8c510a; }
@media screen and (prefers-color-scheme: dark) { :root { --amber: #f0c419; --brown: #a9744f; } }
svg polyline { stroke-width: 1.1; }
svg polyline[class^=ours] { stroke-width: 2; }
""" + style_of(
    {
        "several": "var(--purple); stroke-dasharray: 2 2.5",
        "efficient": "var(--orange)",
        "ours-cascade": "var(--green)",
    }
    | {name: f"var(--{color})" for name, color in zip(_RIVALS.values(), _COLORS, strict=True)}
    | {name: f"var(--blue); stroke-dasharray: {dashes}" for name, dashes in zip(_OURS.values(), _DASHES, strict=True)}
)
# Points of accuracy below the standard model that a picture shows.
_DEEPEST = 8.0


def draw_curves(results: Results, title: str, file: Path) -> None:
    """Draws our curve beside the efficient baselines and several models in turn, both ways of handing texts in."""
    shown = {
        kind: [*_several(results, kind), _efficient(results, kind), *_ours(results, kind), *_cascade(results, kind)]
        for kind in KINDS
    }
    every = [one for lines in shown.values() for one in lines]
    up = _upward(every, results)
    panels = [
        _panel(lines, results, f"{title}, {HANDED_IN[kind]}", up, (400.0, 290.0)) for kind, lines in shown.items()
    ]
    _write(file, f"Accuracy against speed-up, {title}", [panels], every)


def draw_rivals(results: Sequence[Results], titles: Sequence[str], file: Path) -> None:
    """Draws all rivals' curves in batches, a panel for each data set and encoder."""
    shown = [[*_rivals(one), *_ours(one, "lot")] for one in results]
    panels = [
        _panel(lines, one, title, _upward(lines, one), (320.0, 270.0))
        for lines, one, title in zip(shown, results, titles, strict=True)
    ]
    every = [one for lines in shown for one in lines]
    _write(file, "Accuracy of all rivals against speed-up", joined(panels, 3), every)


def _write(file: Path, title: str, rows: Sequence[Sequence[Panel]], lines: Sequence[Line]) -> None:
    write_picture(
        file,
        Picture(
            title=title,
            description=", ".join(dict.fromkeys(one.name for one in lines)),
            rows=rows,
            keys=[Key.line("full", "standard model"), *legend(lines)],
            style=_STYLE,
        ),
    )


def _several(results: Results, kind: str) -> Iterator[Line]:
    for named in results.lines:
        if (named.group, named.kind) == (MODELS, kind):
            yield Line("two or more models", _points(named.accuracy), "several")


def _rivals(results: Results) -> Iterator[Line]:
    for named in results.lines:
        if (named.group, named.kind) == (RIVAL, "lot"):
            yield Line(named.name, _points(named.accuracy), _RIVALS[named.name])


def _ours(results: Results, kind: str) -> Iterator[Line]:
    for name, class_ in _OURS.items():
        if name in results.ours:
            yield Line(f"ours: {name}", _points(results.line_of(name, kind).accuracy), class_)


def _cascade(results: Results, kind: str) -> Iterator[Line]:
    """What is best in batches on dev rows, of all that has words or a small network before the exits."""
    best = results.best_cascade()
    for one in results.cascades:
        if best is not None and (one.exits, one.stages, one.kind) == (best.exits, best.stages, kind):
            yield Line(f"ours: {one.exits}, {one.stages}", _points(one.accuracy), "ours-cascade")


def _efficient(results: Results, kind: str) -> Line:
    """The standard model and those that are cut off, each trained on its own."""
    single = [one for one in results.methods if len(one.layers) == 1]
    points = sorted((one.line(kind).fastest, 100 * one.accuracies[-1], one.layers[-1]) for one in single)
    return Line(
        "networks of their own depth",
        [(speed, accuracy) for speed, accuracy, _ in points],
        "efficient",
        SQUARE,
        [f"{layers}" for *_, layers in points],
    )


def _points(accuracy: Sequence[float | None]) -> list[tuple[float, float]]:
    return [(float(speed), 100 * one) for speed, one in zip(SPEEDUPS, accuracy, strict=True) if one is not None]


def _full(results: Results) -> float:
    """The standard model's accuracy, per cent."""
    return 100 * results.standard.accuracies[-1]


def _upward(lines: Sequence[Line], results: Results) -> Axis:
    """The range around the standard model's accuracy that matters."""
    full = _full(results)
    accuracies = [full, *(accuracy for one in lines for _, accuracy in one.points)]
    low, high = max(min(accuracies), full - _DEEPEST), max(accuracies)
    room = 0.06 * (high - low) + 0.1
    return Axis("Accuracy (%)", low - room, high + 1.5 * room)


def _panel(lines: Sequence[Line], results: Results, title: str, up: Axis, size: tuple[float, float]) -> Panel:
    fastest = max([1.5, *(speed for one in lines for speed, accuracy in one.points if accuracy >= up.low)])
    axes = Axis("Speed-up (times)", 0.9, fastest + 0.15), up
    return lines_panel(lines, axes, re.sub(r"\W+", "-", title), title=title, size=size, level=_full(results))
