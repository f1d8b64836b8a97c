"""The summary that opens a report: one setting, its gains, its promise, and the command to use it."""

import shlex
from dataclasses import dataclass

from offramp.data.wording import count
from offramp.evaluation import EvaluatedPoint, Evaluation, HandingOver, Point, PromiseHere, Standing, Way, standings
from offramp.exit_names import layer_of, window_of
from offramp.report import words
from offramp.report.verdict import enough, recommended, too_few, useless

_NONE = "Do not use this model yet"


# What the reader puts in.
_FILE = "FILE"


@dataclass(frozen=True, slots=True)
class Kept:
    """An operating point's promise on the evaluated rows.

    Attributes:
        promise: in words.
        seen: what is promised, as seen here: a share.
        standing: whether that keeps the promise.
    """

    promise: str
    seen: float
    standing: Standing

    @property
    def mark(self) -> str:
        """A tick, a cross, or the sign for about."""
        return {Standing.KEPT: "✓", Standing.CHANCE: "≈", Standing.BROKEN: "✗"}[self.standing]

    @property
    def stated(self) -> str:
        """In words, with what was seen."""
        return f"{self.promise}: {words.percent(self.seen)} here ({self.standing})"


@dataclass(frozen=True, slots=True)
class Summary:
    """One setting: the recommended one, or the one that was asked for.

    Attributes:
        recommended: whether it is the recommended one.
        otherwise: what is recommended instead; None if this one is.
        heading: what to do.
        speed: texts a second, at this setting and at full depth.
        accuracy: at this setting and at full depth, with the interval of their difference; of one that hands texts
            over, how many are answered and how often those are right.
        kept: its promise, of several the one that stands worst; None if it makes none, or none that shows here.
        caveat: why the figures may mislead; None if nothing suggests so.
        command: the command to use it; None for a classifier in memory.
        python: the same in Python.
    """

    recommended: bool
    otherwise: str | None
    heading: str
    speed: str
    accuracy: str
    kept: Kept | None
    caveat: str | None
    command: str | None
    python: str | None

    @property
    def sentence(self) -> str:
        """Speed and accuracy."""
        return f"{self.speed} {self.accuracy}"


def summarize(evaluation: Evaluation) -> Summary:
    """Sums up the setting in focus."""
    point, best, nothing = evaluation.focus.point, recommended(evaluation).point, useless(evaluation)
    otherwise = f"{_heading(best)}: {_speed(best, evaluation)} {_accuracy(best, evaluation)}"
    if evaluation.handing_over(point) is not None and evaluation.handing_over(best) is None:
        otherwise += " It answers every text, whereas this one hands some over: compare accuracies with care."
    if nothing is not None:
        otherwise = f"{_NONE}. {nothing}"
    return Summary(
        recommended=point == best,
        otherwise=None if point == best else otherwise,
        heading=_NONE if nothing is not None and point == best else _heading(point),
        speed=_speed(point, evaluation),
        accuracy=_accuracy(point, evaluation),
        kept=worst_promises(evaluation).get(point),
        caveat=_caveat(point, evaluation) if nothing is None else nothing if point == best else None,
        command=_command(point, evaluation) if nothing is None else None,
        python=_python(point, evaluation) if nothing is None else None,
    )


def kept_promises(evaluation: Evaluation) -> list[list[Kept | None]]:
    """Each operating point's promises, and whether they are kept on the evaluated rows; None where that is unknown."""
    points = evaluation.operating_points
    return [
        [_kept(here, standing) for here, standing in zip(entry.promises, judged, strict=True)]
        for entry, judged in zip(points, standings(points), strict=True)
    ]


def _kept(here: PromiseHere, standing: Standing | None) -> Kept | None:
    if standing is None or here.risk is None:
        return None
    return Kept(words.promise(here.promise), here.promise.limit.stated(here.risk.value), standing)


def worst_promises(evaluation: Evaluation) -> dict[Point, Kept]:
    """For each operating point with a promise, the one that stands worst; of those, the last."""
    worst = {}
    for entry, promises in zip(evaluation.operating_points, kept_promises(evaluation), strict=True):
        known = [kept for kept in promises if kept is not None]
        if known:
            worst[entry.point] = max(reversed(known), key=lambda kept: list(Standing).index(kept.standing))
    return worst


def _heading(point: Point) -> str:
    match point.way:
        case Way.ALONE:
            return enough(point)
        case Way.CUT:
            return f"End the network after {point.end}"
        case Way.FULL:
            return "Stay at full depth"
        case _:
            return f"Use {_option(point)}"


def _speed(point: Point, evaluation: Evaluation) -> str:
    full = evaluation.full
    rate = f"{words.rate(point.texts_per_second)} texts a second"
    if point.way is Way.FULL:
        return f"{rate}."
    return f"{rate} instead of {words.rate(full.texts_per_second)}: {words.times(point.speedup)} as fast."


def _accuracy(point: Point, evaluation: Evaluation) -> str:
    handing = evaluation.handing_over(point)
    if handing is not None:
        return _accuracy_of_answered(handing, evaluation.data.rows)
    change = point.accuracy_difference
    right = f"Right on {words.percent(point.accuracy)} of {count(evaluation.data.rows, 'text')}"
    if point.way is Way.FULL:
        return f"{right}."
    sure = words.span(words.signed(change.low), words.signed(change.high))
    return (
        f"{right} instead of {words.percent(evaluation.full.accuracy)}: {words.points(change.value)} "
        f"(95\u202f% interval {sure})."
    )


def _accuracy_of_answered(handing: HandingOver, rows: int) -> str:
    if handing.accuracy is None or handing.full_accuracy is None:
        return f"Answers none of {count(rows, 'text')}: all are handed over."
    sure = words.span(words.bare(handing.accuracy.low), words.percent(handing.accuracy.high))
    return (
        f"Answers {words.whole(handing.answered)} of {count(rows, 'text')} ({words.percent(handing.coverage)}) and "
        f"hands over {words.whole(handing.handed_over)}. Right on {words.percent(handing.accuracy.value)} of those "
        f"answered (95\u202f% interval {sure}), full depth on {words.percent(handing.full_accuracy)} of the same."
    )


def _caveat(point: Point, evaluation: Evaluation) -> str | None:
    few = too_few(evaluation)
    if point.way is not Way.THRESHOLD:
        return few
    sure = recommended(evaluation).promised
    picked = (
        "A threshold promises nothing for other texts, and one picked by these figures looks better on "
        f"{words.data_name(evaluation.data.source)} than elsewhere: "
    ) + (
        "'offramp tune' chooses operating points on other texts, without labels, with a guarantee."
        if sure is None
        else f"{_option(sure)} ({words.times(sure.speedup)} as fast as full depth) was chosen on other texts, "
        "with a guarantee."
    )
    return picked if few is None else f"{few} {picked}"


def _option(point: Point) -> str:
    return f"--threshold {_threshold(point):g}" if point.name is None else f"--at {shlex.quote(point.name)}"


def _threshold(point: Point) -> float:
    """The threshold of a setting without a name: 0 where all texts leave at the first exit, above 1 at full depth."""
    return (0.0 if _at_the_first(point) else 1.01) if point.threshold is None else point.threshold


def _at_the_first(point: Point) -> bool:
    return point.way is Way.ALONE and point.exits[0] == 1


def _command(point: Point, evaluation: Evaluation) -> str | None:
    model = evaluation.model
    if model.folder is None:
        return None
    if point.way is Way.ALONE and window_of(point.end or "") == 1:
        return f"offramp calibrate {shlex.quote(model.folder)} --data LABELED --long cut"
    if point.way is Way.ALONE and not _at_the_first(point):
        return None
    if point.way is Way.CUT:
        layers = layer_of(point.end or "")
        if layers is None:
            return None
        return f"offramp train TRAIN --model BACKBONE --layers {layers} --exits {layers} --output DIR"
    engine = "" if model.automatic else f" --backend {model.backend} --precision {model.precision}"
    use = f"offramp predict {shlex.quote(model.folder)} --input {_FILE} --output {_FILE} {_option(point)}"
    return use + ("" if evaluation.handing_over(point) is None else f" --handed-over {_FILE}") + engine


def _python(point: Point, evaluation: Evaluation) -> str | None:
    model = evaluation.model
    if point.way is Way.CUT or (point.way is Way.ALONE and not _at_the_first(point)):
        return None
    engine = "" if model.automatic else f", backend={model.backend!r}, precision={model.precision!r}"
    loaded = "classifier" if model.folder is None else f"offramp.load({model.folder!r}{engine})"
    asked = f"threshold={_threshold(point):g}" if point.name is None else f"at={point.name!r}"
    return f"{loaded}.predict(texts, {asked})"


def described(entry: EvaluatedPoint) -> str:
    """An operating point's name, marked if it is the default."""
    return f"{entry.point.name} (default)" if entry.default else str(entry.point.name)
