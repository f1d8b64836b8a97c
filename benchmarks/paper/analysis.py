"""From what runs left to the figures of each data set and encoder; minutes of arithmetic, no network is run."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.paper.cascading import figures_of_cascades
from benchmarks.paper.curves import (
    SPEEDUPS,
    accuracy_at,
    area,
    chosen,
    correlations,
    fastest,
    mean_correlations,
    reach,
    versus,
)
from benchmarks.paper.plan import OURS, PER_EXIT, STANDARD
from benchmarks.paper.results import KINDS, LOSSES, RULES, Comparison, Line, MethodFigures, NamedLine, Results
from benchmarks.paper.ways import Model, Models, Way
from benchmarks.rivals.recipes import RIVALS
from offramp import environment
from offramp.data.wording import count
from offramp.policy import Outcomes

COMPARED_AT = (1.5, 2.0, 3.0, 5.0)
# Groups of what ours is compared with.
EFFICIENT, MODELS, RIVAL, CALIBRATION = "efficient", "models", "rivals", "calibration"
IN_TURN, ANY = "all in turn", "any"
# Of a baseline's speed: as near as this our first exit has to come to be compared with it.
_NEAR = 0.85


def analyse(models: Models) -> Results:
    """All figures of a data set with an encoder, of which there are enough models."""
    place, data, several = models.place, models.data, models.several
    assert several is not None  # there would not be enough
    answers = models.answers(several, models.seeds(several)[0])
    rows = {part: len(place.rows(data, part)) for part in ("train", "dev", "test")}
    return Results(
        data=data,
        encoder=models.encoder,
        environment=environment.describe(),
        fingerprints=place.fingerprints(data),
        rows=rows,
        tokens=float(answers.tokens.mean()),
        truncated=float(answers.truncated.mean()),
        recipes={"one exit": models.recipe(early=False), "several exits": models.recipe(early=True)},
        times=models.times,
        methods=tuple(_figures(models, method) for method in models.planned if models.seeds(method)),
        lines=tuple(_lines(models)),
        comparisons=tuple(_comparisons(models)),
        missing=tuple(method for method in models.planned if not models.seeds(method)),
        cascades=tuple(figures_of_cascades(models)),
    )


def _figures(models: Models, method: str) -> MethodFigures:
    seeds = models.seeds(method)
    answers = [models.answers(method, seed) for seed in seeds]
    accuracies = np.array([one.accuracies for one in answers])
    several = len(answers[0].layers) > 1
    records = [models.place.record_of(models.run(method, seed)) for seed in seeds]
    seconds = [record["processor_seconds"] for record in records if record["processor_seconds"] is not None]

    def area_on(part: str) -> float | None:
        return area(models.alone(method).outcomes("lot", seeds, part)) if several else None

    return MethodFigures(
        method=method,
        seeds=len(seeds),
        layers=answers[0].layers,
        accuracies=tuple(accuracies.mean(axis=0).tolist()),
        spread=float(accuracies[:, -1].std(ddof=1)) if len(seeds) > 1 else None,
        lines={rule: {kind: _line(models, method, kind, rule) for kind in KINDS} for rule in RULES},
        area_dev=area_on("dev"),
        area_test=area_on("test"),
        seconds=float(np.mean(seconds)) if seconds else None,
        precision=" and ".join(dict.fromkeys(record["precision"] for record in records)),
        parameters=records[0]["parameters"],
        correlations=mean_correlations([correlations(one) for one in answers]) if several else None,
    )


def _line(models: Models, method: str, kind: str, rule: str) -> Line:
    """Against the standard models of the same seeds, as far as there are any."""
    seeds = models.seeds(method)
    test, dev = (models.alone(method, rule).outcomes(kind, seeds, part) for part in ("test", "dev"))
    standard = models.alone(STANDARD)
    paired = [seed for seed in seeds if seed in standard.seeds] or standard.seeds
    against, dev_against = (standard.outcomes(kind, paired, part) for part in ("test", "dev"))
    return Line(
        accuracy=tuple(accuracy_at(test, SPEEDUPS)),
        fastest=fastest(test),
        within={f"{loss:g}": reach(test, against, loss) for loss in LOSSES},
        chosen={f"{loss:g}": chosen(dev, dev_against, test, against, loss) for loss in LOSSES},
    )


def _lines(models: Models) -> Iterator[NamedLine]:
    for way in (*_rivals(models, PER_EXIT), *_chains(models, PER_EXIT)):
        seeds = way.seeds
        for kind in KINDS if seeds else ():
            accuracy = tuple(accuracy_at(way.outcomes(kind, seeds), SPEEDUPS))
            yield NamedLine(way.group, way.name, kind, len(seeds), accuracy)


def _comparisons(models: Models) -> Iterator[Comparison]:
    """Ours against each efficient baseline at that one's speed, and against all others at fixed speeds."""
    for name, ours in OURS.items():
        own = models.alone(ours.method, ours.rule)
        for kind in KINDS if own.seeds else ():
            for other in _others(models, own):
                seeds = [seed for seed in own.seeds if seed in other.seeds]
                if seeds:
                    outcomes, theirs = own.outcomes(kind, seeds), other.outcomes(kind, seeds)
                    for found in versus(outcomes, theirs, _speedups(other, outcomes, theirs)):
                        yield Comparison(name, other.group, other.name, kind, len(seeds), found)


def _others(models: Models, own: Way) -> Iterator[Way]:
    """What one of ours is compared with, with thresholds like its own."""
    for cut in models.cuts:
        yield Way(EFFICIENT, cut, ((models, cut),))
    every: list[Model] = [(models, method) for method in (STANDARD, *models.cuts)]
    yield Way(EFFICIENT, ANY, tuple(every), choice=True)
    yield from _rivals(models, own.rule)
    yield from _chains(models, own.rule)
    if own.rule != PER_EXIT:  # which follows any temperature
        yield Way(CALIBRATION, "temperature 1", own.models, own.rule, calibrated=False)


def _rivals(models: Models, rule: str) -> Iterator[Way]:
    for rival in RIVALS:
        yield Way(RIVAL, rival.name, ((models, rival.method),), rival.thresholds or rule, rival.rule)


def _chains(models: Models, rule: str) -> Iterator[Way]:
    """A small model first and the standard one where it is not sure, or one model of each depth in turn."""
    whole = (models, STANDARD)
    for cut in models.cuts:
        name = f"{count(int(cut.removeprefix('cut ')), 'layer')}, then all"
        yield Way(MODELS, name, ((models, cut), whole), rule)
    if len(models.cuts) > 1:
        yield Way(MODELS, IN_TURN, (*((models, cut) for cut in models.cuts), whole), rule)
    encoders = models.place.plan.encoders
    for name, encoder in encoders.items():
        other = Models(models.place, models.data, name)
        if encoder.layers < encoders[models.encoder].layers and other.are_enough:
            yield Way(MODELS, f"{encoder.title}, then all", ((other, STANDARD), whole), rule)


def _speedups(other: Way, ours: Outcomes, theirs: Outcomes) -> Sequence[float]:
    """Where to compare: at the speed of a network that is cut off, and all else at fixed ones.

    A network that ends where ours has its first exit has no others to pass by, and may be a little faster.
    """
    if other.group != EFFICIENT or other.choice:
        return COMPARED_AT
    wanted, first = fastest(theirs), fastest(ours)
    return (min(wanted, first) if first >= _NEAR * wanted else wanted,)
