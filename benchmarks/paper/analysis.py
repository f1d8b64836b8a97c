"""From what runs left to the figures of each data set and encoder; minutes of arithmetic, no network is run."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

from benchmarks.paper.curves import (
    CONFIDENCE,
    SPEEDUPS,
    Answers,
    accuracy_at,
    area,
    at_thresholds,
    choice_between,
    chosen,
    correlations,
    criterion_named,
    early_exit,
    fastest,
    in_turn,
    mean_correlations,
    mean_over_seeds,
    one_exit,
    per_exit,
    reach,
    read_answers,
    versus,
)
from benchmarks.paper.measuring import read_times
from benchmarks.paper.place import Place
from benchmarks.paper.plan import CLASSIFIER, OURS, PER_EXIT, SHARED, STANDARD, Run
from benchmarks.paper.results import KINDS, LOSSES, RULES, Comparison, Line, MethodFigures, NamedLine, Results
from benchmarks.paper.times import Array, Lot, Times
from benchmarks.rivals.recipes import RIVALS, Rival
from offramp import environment
from offramp.policy import Criterion, Outcomes
from offramp.report.words import count

COMPARED_AT = (1.5, 2.0, 3.0, 5.0)
# Groups of what ours is compared with.
EFFICIENT, MODELS, RIVAL, CALIBRATION = "efficient", "models", "rivals", "calibration"
IN_TURN, ANY = "all in turn", "any"
# Of a baseline's speed: as near as this our first exit has to come to be compared with it.
_NEAR = 0.85


@dataclass(frozen=True)
class Analysis:
    """One data set with one encoder, of which the standard and the joint model are there."""

    place: Place
    data: str
    encoder: str

    @classmethod
    def possible(cls, place: Place, runs: Sequence[Run]) -> "Iterator[Analysis]":
        """All that can be made of what was run so far, of the data sets and encoders of some runs."""
        pairs = dict.fromkeys((run.data, run.encoder) for run in runs)
        for data, encoder in pairs:
            found = cls(place, data, encoder)
            if found.is_possible:
                yield found

    @property
    def is_possible(self) -> bool:
        """Whether there is enough to compare."""
        timed = self.place.is_prepared(self.data) and self.place.times(self.data, self.encoder).is_file()
        return timed and bool(self.seeds(STANDARD)) and self.several is not None

    @property
    def several(self) -> str | None:
        """A method with several exits that was run: what is known of their network and its recipe."""
        ours = (one.method for one in OURS.values())
        return next((method for method in ours if self.seeds(method)), None)

    @cached_property
    def times(self) -> Times:
        """Of the network's parts."""
        return read_times(self.place.times(self.data, self.encoder))

    @cached_property
    def planned(self) -> list[str]:
        """Methods in the plan's order."""
        runs = (run for run in self.place.plan.runs() if (run.data, run.encoder) == (self.data, self.encoder))
        return list(dict.fromkeys(run.method for run in runs if run.method != CLASSIFIER))

    @cached_property
    def cuts(self) -> list[str]:
        """The efficient baselines that were run, the shallowest first."""
        return [method for method in self.planned if method.startswith("cut") and self.seeds(method)]

    def run(self, method: str, seed: int) -> Run:
        """One run."""
        return Run(self.data, self.encoder, method, seed)

    def seeds(self, *methods: str) -> tuple[int, ...]:
        """Those that all of some methods were run with."""
        every = sorted({run.seed for run in self.place.plan.runs()})
        return tuple(seed for seed in every if all(self.place.is_done(self.run(one, seed)) for one in methods))

    def answers(self, method: str, seed: int, part: str = "test", *, calibrated: bool = True) -> Answers:
        """What a model says."""
        return _answers(self.place.logits(self.run(method, seed)), part, calibrated)

    def lot(self, kind: str) -> Lot:
        """Times of a way of handing texts in."""
        found: Lot = getattr(self.times, kind)
        return found

    def own_costs(self, method: str, seed: int, kind: str, part: str = "test") -> Array:
        """What rows cost in a model with one exit, (rows,)."""
        exits = self.place.plan.encoders[self.encoder].exits
        answers = self.answers(method, seed, part)
        return self.lot(kind).cut_shares(exits.index(answers.layers[-1]), answers.tokens)

    def outcomes(
        self, method: str, seed: int, kind: str, rule: str = SHARED, criterion: str = "confidence", part: str = "test"
    ) -> Outcomes:
        """What a method's model gets right, and at what cost.

        Args:
            rule: one threshold for all exits, or one for each.
            criterion: what is compared with it.
        """
        answers = self.answers(method, seed, part)
        if len(answers.layers) == 1:
            return one_exit(answers, self.own_costs(method, seed, kind, part))
        lot = self.lot(kind)
        if rule == PER_EXIT:
            return early_exit(answers, lot, _per_exit(self.place.logits(self.run(method, seed)), lot, criterion))
        return early_exit(answers, lot, criterion_named(criterion, answers.layers))

    def mean_outcomes(
        self,
        method: str,
        kind: str,
        seeds: Sequence[int],
        rule: str = SHARED,
        criterion: str = "confidence",
        part: str = "test",
    ) -> Outcomes:
        """The same, mean over seeds."""
        return mean_over_seeds([self.outcomes(method, seed, kind, rule, criterion, part) for seed in seeds])

    def chain(self, models: "Sequence[Member]", kind: str, seeds: Sequence[int], rule: str) -> Outcomes:
        """Several models in turn; costs are shares of this encoder's standard model."""

        def of(seed: int, part: str) -> tuple[Answers, Array]:
            full = self.lot(kind).full.of(self.answers(STANDARD, seed, part).tokens).mean()
            return in_turn([owner.member(method, seed, kind, part, full) for owner, method in models])

        def outcomes(seed: int) -> Outcomes:
            by = per_exit(*of(seed, "dev")) if rule == PER_EXIT else CONFIDENCE
            return at_thresholds(*of(seed, "test"), by)

        return mean_over_seeds([outcomes(seed) for seed in seeds])

    def member(self, method: str, seed: int, kind: str, part: str, full: float) -> tuple[Answers, Array]:
        """A model of a chain: its answers, and what it costs as a share of ``full``, (rows,)."""
        answers = self.answers(method, seed, part)
        unit = self.lot(kind).full.of(answers.tokens).mean() / full
        return answers, self.own_costs(method, seed, kind, part) * unit


# A model of several in turn: where it belongs, and its method.
Member = tuple[Analysis, str]


@cache
def _answers(file: Path, part: str, calibrated: bool) -> Answers:
    return read_answers(file, part, calibrated=calibrated)


@cache
def _per_exit(file: Path, lot: Lot, criterion: str) -> Criterion:
    """Thresholds that a model's dev rows ask for."""
    answers = _answers(file, "dev", True)
    return per_exit(answers, lot.shares(answers.tokens), criterion_named(criterion, answers.layers))


def analyse(analysis: Analysis) -> Results:
    """All figures."""
    place, data, several = analysis.place, analysis.data, analysis.several
    assert several is not None  # see is_possible
    first = {name: analysis.seeds(name)[0] for name in (STANDARD, several)}
    answers = analysis.answers(several, first[several])
    recipes = (place.record_of(analysis.run(name, seed))["settings"]["recipe"] for name, seed in first.items())
    rows = {part: len(place.rows(data, part)) for part in ("train", "dev", "test")}
    return Results(
        data=data,
        encoder=analysis.encoder,
        environment=environment.describe(),
        fingerprints=place.fingerprints(data),
        rows=rows,
        tokens=float(answers.tokens.mean()),
        truncated=answers.truncated,
        recipes=dict(zip(("one exit", "several exits"), recipes, strict=True)),
        times=analysis.times,
        methods=tuple(_figures(analysis, method) for method in analysis.planned if analysis.seeds(method)),
        lines=tuple(_lines(analysis)),
        comparisons=tuple(_comparisons(analysis)),
        missing=tuple(method for method in analysis.planned if not analysis.seeds(method)),
    )


def _figures(analysis: Analysis, method: str) -> MethodFigures:
    seeds = analysis.seeds(method)
    answers = [analysis.answers(method, seed) for seed in seeds]
    accuracies = np.array([one.accuracies for one in answers])
    several = len(answers[0].layers) > 1
    records = [analysis.place.record_of(analysis.run(method, seed)) for seed in seeds]
    seconds = [record["processor_seconds"] for record in records if record["processor_seconds"] is not None]

    def area_on(part: str) -> float | None:
        return area(analysis.mean_outcomes(method, "lot", seeds, part=part)) if several else None

    return MethodFigures(
        method=method,
        seeds=len(seeds),
        layers=answers[0].layers,
        accuracies=tuple(accuracies.mean(axis=0).tolist()),
        spread=float(accuracies[:, -1].std(ddof=1)) if len(seeds) > 1 else None,
        lines={rule: {kind: _line(analysis, method, kind, rule) for kind in KINDS} for rule in RULES},
        area_dev=area_on("dev"),
        area_test=area_on("test"),
        seconds=float(np.mean(seconds)) if seconds else None,
        parameters=records[0]["parameters"],
        correlations=mean_correlations([correlations(one) for one in answers]) if several else None,
    )


def _line(analysis: Analysis, method: str, kind: str, rule: str) -> Line:
    """Against the standard models of the same seeds, as far as there are any."""
    seeds = analysis.seeds(method)
    test, dev = (analysis.mean_outcomes(method, kind, seeds, rule, part=part) for part in ("test", "dev"))
    paired = [seed for seed in seeds if seed in analysis.seeds(STANDARD)] or analysis.seeds(STANDARD)

    def standard(part: str) -> Array:
        return np.asarray(np.mean([analysis.answers(STANDARD, seed, part).right() for seed in paired], axis=0))

    return Line(
        accuracy=tuple(accuracy_at(test, SPEEDUPS)),
        fastest=fastest(test),
        within={f"{loss:g}": reach(test, standard("test"), loss) for loss in LOSSES},
        chosen={f"{loss:g}": chosen(dev, standard("dev"), test, standard("test"), loss) for loss in LOSSES},
    )


@dataclass(frozen=True)
class _Other:
    """Something to compare with: its outcomes for a way of handing texts in, some seeds, and thresholds like ours."""

    group: str
    name: str
    methods: tuple[str, ...]
    outcomes: Callable[[str, Sequence[int], str], Outcomes]


def _others(analysis: Analysis) -> Iterator[_Other]:
    """All rivals, and several models in turn."""

    def of_rival(rival: Rival, kind: str, seeds: Sequence[int], rule: str) -> Outcomes:
        own = {"any": rule, "each": PER_EXIT, "one": SHARED}[rival.thresholds]
        return analysis.mean_outcomes(rival.method, kind, seeds, own, rival.rule)

    for rival in RIVALS:
        yield _Other(RIVAL, rival.name, (rival.method,), partial(of_rival, rival))
    for name, models in _chains(analysis):
        methods = tuple(method for owner, method in models if owner is analysis)
        yield _Other(MODELS, name, methods, partial(analysis.chain, models))


def _chains(analysis: Analysis) -> Iterator[tuple[str, list[Member]]]:
    """A small model first and the standard one where it is not sure, or one model of each depth in turn."""
    whole = (analysis, STANDARD)
    for cut in analysis.cuts:
        yield f"{count(int(cut.removeprefix('cut ')), 'layer')}, then all", [(analysis, cut), whole]
    if len(analysis.cuts) > 1:
        yield IN_TURN, [*((analysis, cut) for cut in analysis.cuts), whole]
    encoders = analysis.place.plan.encoders
    for name, encoder in encoders.items():
        other = Analysis(analysis.place, analysis.data, name)
        if encoder.layers < encoders[analysis.encoder].layers and other.is_possible:
            yield f"{encoder.title}, then all", [(other, STANDARD), whole]


def _lines(analysis: Analysis) -> Iterator[NamedLine]:
    for other in _others(analysis):
        seeds = analysis.seeds(*other.methods)
        for kind in KINDS if seeds else ():
            accuracy = tuple(accuracy_at(other.outcomes(kind, seeds, PER_EXIT), SPEEDUPS))
            yield NamedLine(other.group, other.name, kind, len(seeds), accuracy)


def _comparisons(analysis: Analysis) -> Iterator[Comparison]:
    """Ours against each efficient baseline at that one's speed, and against all others at fixed speeds."""
    for name, ours in OURS.items():
        for kind in KINDS if analysis.seeds(ours.method) else ():
            yield from _compared_with(analysis, name, kind)


def _compared_with(analysis: Analysis, ours: str, kind: str) -> Iterator[Comparison]:
    method, rule = OURS[ours].method, OURS[ours].rule
    for cut in analysis.cuts:
        if seeds := analysis.seeds(method, cut):
            theirs = analysis.mean_outcomes(cut, kind, seeds)
            speedup = _nearest(fastest(theirs), fastest(analysis.mean_outcomes(method, kind, seeds, rule)))
            yield from _compared(analysis, ours, EFFICIENT, cut, kind, seeds, theirs, (speedup,))
    if seeds := analysis.seeds(method, STANDARD, *analysis.cuts):
        choice = choice_between([analysis.mean_outcomes(one, kind, seeds) for one in (STANDARD, *analysis.cuts)])
        yield from _compared(analysis, ours, EFFICIENT, ANY, kind, seeds, choice, COMPARED_AT)
    for other in _others(analysis):
        if seeds := analysis.seeds(method, *other.methods):
            theirs = other.outcomes(kind, seeds, rule)
            yield from _compared(analysis, ours, other.group, other.name, kind, seeds, theirs, COMPARED_AT)
    if rule != PER_EXIT:  # which follows any temperature
        seeds = analysis.seeds(method)
        raw = _uncalibrated(analysis, method, kind, seeds)
        yield from _compared(analysis, ours, CALIBRATION, "temperature 1", kind, seeds, raw, COMPARED_AT)


def _nearest(wanted: float, ours: float) -> float:
    """The speed-up to compare at: a network that ends where our first exit is has no others to pass by."""
    return min(wanted, ours) if ours >= _NEAR * wanted else wanted


def _uncalibrated(analysis: Analysis, method: str, kind: str, seeds: Sequence[int]) -> Outcomes:
    raw = [analysis.answers(method, seed, calibrated=False) for seed in seeds]
    return mean_over_seeds([early_exit(one, analysis.lot(kind)) for one in raw])


def _compared(
    analysis: Analysis,
    ours: str,
    group: str,
    name: str,
    kind: str,
    seeds: Sequence[int],
    theirs: Outcomes,
    speedups: Sequence[float],
) -> Iterator[Comparison]:
    own = analysis.mean_outcomes(OURS[ours].method, kind, seeds, OURS[ours].rule)
    for found in versus(own, theirs, speedups):
        yield Comparison(ours, group, name, kind, len(seeds), found)
