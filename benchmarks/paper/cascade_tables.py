"""Words or a small network before the exits of a network: Markdown, from the results alone."""

from collections.abc import Sequence

from benchmarks.paper import cells
from benchmarks.paper.cascading import COMPARED_AT
from benchmarks.paper.cells import MISSING, grid, title_of
from benchmarks.paper.curves import Chosen
from benchmarks.paper.pictures import HANDED_IN
from benchmarks.paper.plan import Plan
from benchmarks.paper.results import EXITS, KINDS, LOSSES, PROMISED, WORDS, CascadeFigures, Comparison, Results
from offramp.report.words import interval, loss_of, percent

_SPEEDUPS = (2.0, 3.0, 5.0)


def words_alone(plan: Plan, results: Sequence[Results]) -> str:
    """What a model of words is worth without any network."""

    def row(one: Results) -> list[str]:
        found = {kind: of_words(one, kind) for kind in KINDS}
        gains = [setting.gain for setting in found.values() if setting is not None]
        standard = one.standard.accuracies[-1]
        return [
            title_of(plan, one),
            percent(standard),
            percent(standard + gains[0].value),
            interval(gains[0]),
            *(MISSING if setting is None else f"{setting.speedup:.0f}×" for setting in found.values()),
        ]

    header = (
        "data and encoder",
        "standard",
        "words",
        "words less standard",
        *(f"speed-up {HANDED_IN[kind]}" for kind in KINDS),
    )
    return grid(header, [row(one) for one in results if of_words(one, "lot") is not None])


def of_words(results: Results, kind: str) -> Chosen | None:
    """Words alone beside the standard model."""
    return next((one.selected[WORDS] for one in results.cascades if (one.stages, one.kind) == (WORDS, kind)), None)


def cascades(plan: Plan, results: Sequence[Results], kind: str) -> str:
    """All of them that have a network."""
    every = [(one, found) for one in results for found in one.cascades]
    return _table(plan, [(one, found) for one, found in every if found.exits and found.kind == kind])


def best_cascades(plan: Plan, results: Sequence[Results]) -> str:
    """In batches: the best on dev rows of exits alone, and of all that has more before them."""
    both = [(one, one.best_cascade(alone=alone)) for one in results for alone in (True, False)]
    return _table(plan, [(one, found) for one, found in both if found is not None])


def _table(plan: Plan, rows: Sequence[tuple[Results, CascadeFigures]]) -> str:
    header = (
        "data and encoder",
        "standard",
        "exits",
        "stages",
        "promised: at most 1 point",
        *(f"chosen: {loss_of(loss)}" for loss in LOSSES),
        *(f"{speedup:g}×" for speedup in _SPEEDUPS),
        "10×",
        *(f"over exits alone, at {speedup:g}×" for speedup in COMPARED_AT),
    )
    return grid(header, [_row(plan, *one) for one in rows])


def _row(plan: Plan, results: Results, found: CascadeFigures) -> list[str]:
    gains = {one.speedup: one for one in found.gains}
    return [
        title_of(plan, results),
        percent(results.standard.accuracies[-1]),
        found.exits or MISSING,
        found.stages,
        *(cells.chosen(found.selected[goal]) for goal in (PROMISED, *(f"{loss:g}" for loss in LOSSES))),
        *(cells.accuracy_at(found.accuracy, speedup) for speedup in _SPEEDUPS),
        MISSING if found.ten_times is None else percent(found.ten_times),
        *(
            cells.gain(Comparison(found.exits, EXITS, EXITS, found.kind, found.seeds, gains[speedup]))
            if speedup in gains
            else MISSING
            for speedup in COMPARED_AT
        ),
    ]
