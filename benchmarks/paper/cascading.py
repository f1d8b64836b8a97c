"""The figures of words and of small networks before a network with exits."""

from collections.abc import Iterator, Sequence

from benchmarks.paper.cascades import Cascade, words_alone
from benchmarks.paper.curves import SPEEDUPS, Chosen, accuracy_at, area, judged, versus
from benchmarks.paper.plan import CASCADED, OURS, STANDARD
from benchmarks.paper.results import KINDS, LOSSES, PROMISED, WORDS, CascadeFigures
from benchmarks.paper.ways import Model, Models
from offramp.policy import AtMost, Limit, Method, Outcomes, Risk

COMPARED_AT = (2.0, 3.0, 5.0)
TEN = 10.0
# What may be lost of accuracy on the dev rows; a promise is the default of ``offramp tune``.
GOALS = {
    PROMISED: AtMost((Limit(Risk.ACCURACY_DROP, 0.01),), Risk.ACCURACY_DROP.best_method, 0.95),
    **{f"{loss:g}": AtMost((Limit(Risk.ACCURACY_DROP, loss),), Method.EMPIRICAL, 0.95) for loss in LOSSES},
}


def figures_of_cascades(models: Models) -> Iterator[CascadeFigures]:
    """Of a data set with an encoder: words alone, and for attached and for tuned exits all that is put before them."""
    place = models.place
    words = place.words(models.data).is_file() and place.words_times(models.data).is_file()
    if words:
        yield from _words_alone(models)
    for name in CASCADED:
        method = OURS[name].method
        if not models.seeds(method):
            continue
        for kind in KINDS:
            alone = Cascade(((models, method),))
            yield _figures(models, name, alone, kind, None)
            for cascade in _longer(models, method, words=words):
                if cascade.seeds:
                    yield _figures(models, name, cascade, kind, alone)


def _longer(models: Models, method: str, *, words: bool) -> Iterator[Cascade]:
    whole = (models, method)
    rows: list[tuple[Model, ...]] = [(whole,)]
    encoders = models.place.plan.encoders
    for name, encoder in encoders.items():
        other = Models(models.place, models.data, name)
        if encoder.layers < encoders[models.encoder].layers and other.are_enough:
            rows.append(((other, method), whole))
    for networks in rows:
        if len(networks) > 1:
            yield Cascade(networks)
        if words:
            yield Cascade(networks, words=True)
            yield Cascade(networks, words=True, added=True)


def _figures(models: Models, name: str, cascade: Cascade, kind: str, alone: Cascade | None) -> CascadeFigures:
    seeds = cascade.seeds
    test, standard = cascade.outcomes(kind, seeds), _standard(models, kind, seeds)
    selected: dict[str, Chosen | None] = {}
    for goal, wanted in GOALS.items():
        setting = cascade.selected(kind, seeds, wanted)
        selected[goal] = None if setting is None else judged(setting, standard)
    return CascadeFigures(
        exits=name,
        stages=cascade.name,
        kind=kind,
        seeds=len(seeds),
        accuracy=tuple(accuracy_at(test, SPEEDUPS)),
        ten_times=accuracy_at(test, [TEN])[0],
        area_dev=area(cascade.outcomes(kind, seeds, "dev")),
        selected=selected,
        gains=() if alone is None else tuple(versus(test, alone.outcomes(kind, seeds), COMPARED_AT)),
    )


def _words_alone(models: Models) -> Iterator[CascadeFigures]:
    """One setting, whatever it loses."""
    seeds = models.seeds(STANDARD)
    for kind in KINDS:
        dev, test = (
            words_alone(models, kind, part, models.lot(kind).full.of(models.answers(STANDARD, seeds[0], part).tokens))
            for part in ("dev", "test")
        )
        found = judged(test, _standard(models, kind, seeds))
        yield CascadeFigures(
            exits="",
            stages=WORDS,
            kind=kind,
            seeds=1,
            accuracy=tuple(accuracy_at(test, SPEEDUPS)),
            ten_times=accuracy_at(test, [TEN])[0],
            area_dev=area(dev),
            selected={WORDS: found},
            gains=(),
        )


def _standard(models: Models, kind: str, seeds: Sequence[int]) -> Outcomes:
    """Of the same seeds, as far as there are any."""
    standard = models.alone(STANDARD)
    return standard.outcomes(kind, [seed for seed in seeds if seed in standard.seeds] or standard.seeds)
