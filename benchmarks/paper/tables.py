"""The tables behind the summary in Markdown, each from the results alone; what was not run shows as missing."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, product

import numpy as np

from benchmarks.paper import cells
from benchmarks.paper.analysis import ANY, CALIBRATION, COMPARED_AT, EFFICIENT, MODELS, RIVAL
from benchmarks.paper.cells import MISSING, grid, title_of
from benchmarks.paper.pictures import HANDED_IN
from benchmarks.paper.plan import ATTACHED, JOINT, ON_CLASSIFIER, OURS, PER_EXIT, Plan
from benchmarks.paper.results import KINDS, LOSSES, Results, StepCost
from benchmarks.rivals.recipes import RIVALS
from offramp.data.wording import count
from offramp.report.words import loss_of, percent, times, whole

# Spearman's rho of the first exit's confidence with length and with consistency: Schwartz et al. 2020, analysis.
PAPER_CORRELATIONS = {
    "ag_news": (0.13, 0.37),
    "imdb": (-0.17, 0.47),
    "sst2": (-0.19, 0.36),
    "snli": (-0.08, 0.44),
    "multinli": (-0.13, 0.39),
}


def set_up(plan: Plan, results: Sequence[Results]) -> str:
    """What was trained on how much."""

    def row(one: Results) -> list[str]:
        rows = one.rows
        cut = plan.data_sets[one.data].max_length
        return [
            title_of(plan, one),
            " / ".join(whole(rows[part]) for part in ("train", "dev", "test")),
            f"{one.tokens:.0f}" + (f", cut at {cut}: {percent(one.truncated, 0)} of the texts" if cut else ""),
            cells.recipe(one.recipes["one exit"]),
            cells.recipe(one.recipes["several exits"]),
            " and ".join(sorted({found.precision for found in one.methods if found.precision})) or MISSING,
            str(one.standard.seeds),
        ]

    header = (
        "data and encoder",
        "train / dev / test rows",
        "tokens of a text",
        "with one exit at full depth",
        "with earlier ones",
        "trained in",
        "seeds",
    )
    return grid(header, map(row, results))


def preserved(plan: Plan, results: Sequence[Results]) -> str:
    """How much faster without losing more than so much against the standard model."""

    def row(one: Results, ours: str) -> list[str]:
        lines = {kind: one.line_of(ours, kind) for kind in KINDS}
        return [
            title_of(plan, one),
            cells.last_accuracy(one.standard),
            ours,
            cells.at_exits(one.ours[ours]),
            *(cells.chosen(lines[kind].chosen[f"{loss:g}"]) for kind in KINDS for loss in LOSSES),
            *(cells.reach(lines[kind].within[f"{loss:g}"]) for kind in KINDS for loss in LOSSES),
            " / ".join(times(line.fastest) for line in lines.values()),
        ]

    losses = [f"{HANDED_IN[kind]}, {loss_of(loss)}" for kind in KINDS for loss in LOSSES]
    header = (
        "data and encoder",
        "standard model",
        "ours",
        "accuracy at each exit",
        *(f"chosen on dev rows, {one}" for one in losses),
        *(f"allowed by the test rows, {one}" for one in losses),
        "all at the first exit",
    )
    return grid(header, [row(one, ours) for one in results for ours in one.ours])


def efficient(plan: Plan, results: Sequence[Results]) -> str:
    """Ours at the speed of each efficient baseline."""

    def rows() -> Iterable[list[str]]:
        for one in results:
            for cut in one.cuts:
                layers, accuracy = cut.method.removeprefix("cut "), percent(cut.accuracies[-1])
                for ours in one.ours:
                    against = (
                        cells.speed_and_gain(one.comparison(ours, EFFICIENT, cut.method, kind)) for kind in KINDS
                    )
                    yield [title_of(plan, one), layers, accuracy, ours, *chain.from_iterable(against)]

    columns = [f"{what} {HANDED_IN[kind]}" for kind in KINDS for what in ("speed-up", "ours less theirs,")]
    return grid(("data and encoder", "layers", "accuracy", "ours", *columns), rows())


def efficient_line(plan: Plan, results: Sequence[Results]) -> str:
    """Ours at fixed speeds against the line that joins the standard and the efficient models."""

    def rows() -> Iterable[list[str]]:
        for one in results:
            for ours in one.ours:
                gains = [
                    one.comparison(ours, EFFICIENT, ANY, kind, speedup) for kind in KINDS for speedup in COMPARED_AT
                ]
                if any(gains):
                    yield [title_of(plan, one), ours, *map(cells.gain, gains)]

    columns = [f"{HANDED_IN[kind]}, {speedup:g}×" for kind in KINDS for speedup in COMPARED_AT]
    return grid(("data and encoder", "ours", *columns), rows())


def in_turn(plan: Plan, results: Sequence[Results]) -> str:
    """Ours against several models in turn."""

    def rows() -> Iterable[list[str]]:
        for one in results:
            names = dict.fromkeys(line.name for line in one.lines if line.group == MODELS)
            for name, ours in product(names, one.ours):
                gains = [one.comparison(ours, MODELS, name, kind, speedup) for kind in KINDS for speedup in (2.0, 3.0)]
                if any(gains):
                    yield [title_of(plan, one), name, ours, *map(cells.gain, gains)]

    columns = [f"{HANDED_IN[kind]}, {speedup:g}×" for kind in KINDS for speedup in (2, 3)]
    return grid(("data and encoder", "models", "ours", *columns), rows())


def rivals(plan: Plan, results: Sequence[Results], kind: str) -> str:
    """Accuracies of all of ours and of all rivals at fixed speeds, with thresholds for each exit where there can be."""

    def rows() -> Iterable[list[str]]:
        for one in results:
            own = [
                (f"**ours: {name}**", found.seeds, one.line_of(name, kind).accuracy) for name, found in one.ours.items()
            ]
            others = [
                (found.name, found.seeds, found.accuracy)
                for found in one.lines
                if (found.group, found.kind) == (RIVAL, kind)
            ]
            for name, seeds, accuracy in [*own, *others] if others else ():
                yield [
                    title_of(plan, one),
                    name,
                    str(seeds),
                    *(cells.accuracy_at(accuracy, speedup) for speedup in COMPARED_AT),
                ]

    return grid(("data and encoder", "method", "seeds", *(f"{one:g}×" for one in COMPARED_AT)), rows())


def against_rivals(plan: Plan, results: Sequence[Results]) -> str:
    """By how much each of ours is better than each rival in batches."""

    def rows() -> Iterable[list[str]]:
        for one in results:
            for name in dict.fromkeys(found.name for found in one.lines if found.group == RIVAL):
                gains = (one.comparison(ours, RIVAL, name, "lot", speedup) for ours in OURS for speedup in (2.0, 3.0))
                yield [title_of(plan, one), name, *map(cells.gain, gains)]

    return grid(("data and encoder", "rival", *(f"{ours}, {speedup}×" for ours in OURS for speedup in (2, 3))), rows())


def recipes() -> str:
    """What the rivals are here."""
    header = ("rival", "source", "exits are taught", "rule", "what differs from the source")
    return grid(header, [[one.name, one.source, one.method, one.rule, one.differs or MISSING] for one in RIVALS])


def regimes(plan: Plan, results: Sequence[Results], part: str) -> str:
    """Area under the curve of every way to get exits."""

    def value(found: Results, method: str) -> float | None:
        one = found.method(method)
        return None if one is None else (one.area_dev if part == "dev" else one.area_test)

    def mean(method: str, encoder: str) -> str:
        values = [value(found, method) for found in results if found.encoder == encoder]
        known = [one for one in values if one is not None]
        return percent(float(np.mean(known))) if known and len(known) == len(values) else MISSING

    names = _with_exits(results)
    means = {f"mean, {one.title}": [mean(name, key) for name in names] for key, one in plan.encoders.items()}
    # An encoder no method was run with on all of its data sets has no means to compare.
    means = {title: those for title, those in means.items() if set(those) != {MISSING}}
    rows = [
        [name, *cells.bold_best(results, names, name, value, percent), *of_all]
        for name, *of_all in zip(names, *means.values(), strict=True)
    ]
    return grid(("method", *(title_of(plan, found) for found in results), *means), rows)


def faster(plan: Plan, results: Sequence[Results], loss: float) -> str:
    """How much faster every way to get exits is, without losing more than so much against the standard model."""

    def value(found: Results, method: str) -> float | None:
        one = found.method(method)
        return None if one is None else one.line("lot", PER_EXIT).within[f"{loss:g}"].speedup

    names = _with_exits(results)
    rows = [[name, *cells.bold_best(results, names, name, value, times)] for name in names]
    return grid(("method", *(title_of(plan, found) for found in results)), rows)


def attached(plan: Plan, results: Sequence[Results]) -> str:
    """Exits put on a model that is fine-tuned already, beside joint training."""

    def rows() -> Iterable[list[str]]:
        for found in results:
            for name in (JOINT, *ATTACHED, *ON_CLASSIFIER):
                one = found.method(name)
                if one is not None:
                    yield [
                        title_of(plan, found),
                        name,
                        cells.at_exits(one),
                        *(cells.reach(one.line(kind).within["0.01"]) for kind in KINDS),
                        MISSING if one.seconds is None else f"{one.seconds:.0f} s",
                    ]

    header = (
        "data and encoder",
        "exits",
        "accuracy at each exit",
        *(f"{HANDED_IN[kind]}, at most 1 point lost" for kind in KINDS),
        "processor time",
    )
    return grid(header, rows())


def training_cost(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost]) -> str:
    """What exits cost in training, and what a model for each exit's depth would."""

    def row(name: str) -> list[str]:
        step = steps.get(name)
        measured = [MISSING] * 3
        if step is not None:
            measured = [
                ", ".join(map(str, step.exits)),
                f"{step.ratio:.3f} ({step.low:.3f}–{step.high:.3f})",
                f"{step.more:,}: {percent(step.share, 4)}",
            ]
        separate = [_separate_parameters(found) for found in results if found.encoder == name]
        return [plan.encoders[name].title, *measured, next(filter(None, separate), MISSING)]

    header = (
        "encoder",
        "exits after layers",
        "time of a step, over that with one exit",
        "more parameters",
        "parameters of the standard model and those cut off, over those of one model with exits",
    )
    return grid(header, map(row, plan.encoders))


def _separate_parameters(found: Results) -> str | None:
    """Of the standard and all efficient models, over those of one with several exits; None if there are no such."""
    models = [found.standard, *found.cuts]
    if len(models) == 1:
        return None
    ratio = sum(one.parameters["total"] for one in models) / found.several.parameters["total"]
    return f"{ratio:.1f} for {len(models)}"


def calibration(plan: Plan, results: Sequence[Results]) -> str:
    """What fitted temperatures change for one threshold over all exits."""

    def row(found: Results) -> list[str]:
        gains = (found.comparison("paper", CALIBRATION, "temperature 1", "lot", speedup) for speedup in COMPARED_AT)
        return [title_of(plan, found), *map(cells.gain, gains)]

    known = (found for found in results if "paper" in found.ours)
    return grid(("data and encoder", *(f"at {one:g}×" for one in COMPARED_AT)), map(row, known))


def confidence(plan: Plan, results: Sequence[Results]) -> str:
    """What the first exit's confidence goes with."""

    def row(found: Results) -> list[str]:
        here, paper = found.several.correlations, PAPER_CORRELATIONS.get(found.data)
        assert here is not None  # it has several exits
        length, consistency = (None, None) if paper is None else paper
        figures = map(cells.rho, (here.length, length, here.consistency, consistency))
        return [title_of(plan, found), found.several.method, *figures]

    header = ("data and encoder", "exits", "length, here", "length, paper", "consistency, here", "consistency, paper")
    return grid(header, map(row, results))


def clock(plan: Plan, results: Sequence[Results]) -> str:
    """Early exit itself on the clock, beside what the sum over stages says."""

    def rows() -> Iterable[list[str]]:
        for found in results:
            for kind in KINDS:
                lot = getattr(found.times, kind)
                handed_in = f"{HANDED_IN[kind]}, {count(lot.rows, 'text')}"
                for one in lot.real:
                    setting = f"{one.threshold:.5g}"
                    measured = f"{times(one.measured, 2)} ({one.low:.2f}–{one.high:.2f})"
                    yield [
                        title_of(plan, found),
                        handed_in,
                        setting,
                        measured,
                        times(one.summed, 2),
                        cells.load(found),
                    ]

    return grid(("data and encoder", "handed in", "threshold", "timed", "sum over stages", "load"), rows())


def _with_exits(results: Sequence[Results]) -> list[str]:
    """Methods that give several exits."""
    return list(dict.fromkeys(one.method for found in results for one in found.methods if len(one.layers) > 1))
