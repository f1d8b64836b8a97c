"""Advice in words, each sentence from a rule over the figures; the rule and its figures are always told with it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from offramp.benchmark import Kind
from offramp.evaluation import ACCEPTED_LOSS, Evaluation, Group, Point, Truncated
from offramp.report.speeds import Speed, Speeds
from offramp.report.words import count, percent, points, signed, span, times, whole

# Losses of accuracy that are tried, one after the other.
LOSSES = (ACCEPTED_LOSS, 0.01)

# Less than this is not worth another moving part.
LEAST_SPEEDUP = 1.2

_WIDE = 0.005
_MISCALIBRATED = 0.05
_OVERTHOUGHT = 0.02
_INEFFICIENT = 0.8
_NOISY = 0.2
_FEW_TIMED = 100
_TRUNCATED_TEXTS = 0.05
_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says.

    Attributes:
        rule: when it applies, in words.
        figures: those that it looked at.
        applies: whether it does.
        advice: what to do if so.
    """

    rule: str
    figures: str
    applies: bool
    advice: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The verdict, and what else there is to say.

    Attributes:
        verdict: which way to run the model; its rule always applies.
        remarks: all other rules, whether they apply or not.
    """

    verdict: Finding
    remarks: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A way to be faster: what to call it, its speed-up with quartiles, its accuracy."""

    name: str
    speedup: float
    low: float
    high: float
    accuracy: float

    def __str__(self) -> str:
        quartiles = span(times(self.low), times(self.high))
        return f"{self.name}: {percent(self.accuracy)} at {times(self.speedup)} (quartiles {quartiles})"


def advise(evaluation: Evaluation, speeds: Speeds | None) -> Advice:
    """Applies every rule to the figures."""
    rules: list[Callable[[Evaluation], Finding]] = [
        _costly,
        _uncertain,
        _miscalibrated,
        _seen_before,
        _unfair,
        _overthinking,
        _inefficient,
        _noisy,
        _long_texts,
    ]
    remarks = [rule(evaluation) for rule in rules]
    if speeds is not None:
        remarks.append(_other_engines(speeds))
    return Advice(_verdict(evaluation), tuple(remarks))


def _verdict(evaluation: Evaluation) -> Finding:
    """Early exit, a cut network or full depth, for the least loss at which anything is worth while."""
    full = evaluation.full.accuracy
    early = [_early(point) for point in evaluation.points if max(point.exits) < 1]
    cut = [_cut(one) for one in evaluation.truncated]
    for loss in LOSSES:
        best, rival = (_fastest(some, full - loss) for some in (early, cut))
        if best is not None and best.speedup >= LEAST_SPEEDUP and not (rival is not None and _beats(rival, best)):
            return _use_early_exit(loss, best, rival, _fastest(cut, full - LOSSES[-1]))
        if rival is not None and rival.speedup >= LEAST_SPEEDUP:
            return _cut_the_model(loss, rival, best)
    return _stay_at_full_depth(evaluation, [*early, *cut])


def _early(point: Point) -> _Choice:
    low, high = point.measured_speedup_spread
    return _Choice(f"early exit at threshold {point.threshold:g}", point.measured_speedup, low, high, point.accuracy)


def _cut(one: Truncated) -> _Choice:
    low, high = one.measured_speedup_spread
    return _Choice(f"cut after layer {one.layers}", one.measured_speedup, low, high, one.accuracy)


def _fastest(choices: Sequence[_Choice], least_accuracy: float) -> _Choice | None:
    good = [choice for choice in choices if choice.accuracy >= least_accuracy - 1e-9]
    return max(good, key=lambda choice: choice.speedup, default=None)


def _beats(cut: _Choice, early: _Choice) -> bool:
    """Clearly faster, or at least as fast and at least as accurate."""
    return cut.low > early.high or (cut.speedup >= early.speedup and cut.accuracy >= early.accuracy)


_CUT_RULE = (
    "A network cut off behind one of its exits wins if it is, at the least loss of accuracy out of "
    f"{' and '.join(f'{100 * loss:g}' for loss in LOSSES)} points that buys a speed-up of {LEAST_SPEEDUP:g}×, clearly "
    "faster than the fastest early exit (quartiles apart), or as fast and as accurate."
)
_EARLY_RULE = (
    "Early exit wins if it is, at the least loss of accuracy out of "
    f"{' and '.join(f'{100 * loss:g}' for loss in LOSSES)} points that buys a speed-up of {LEAST_SPEEDUP:g}×, not "
    "beaten by the network cut off behind one of its exits: clearly faster (quartiles apart), or as fast and as accurate."
)
_FULL_RULE = (
    f"Full depth wins if nothing that loses at most {100 * LOSSES[-1]:g} point of accuracy is at least "
    f"{LEAST_SPEEDUP:g}× as fast."
)


def _use_early_exit(loss: float, best: _Choice, rival: _Choice | None, simpler: _Choice | None) -> Finding:
    close = simpler is not None and simpler.high >= best.low
    aside = f" It is close: {simpler} is nearly as good, and simpler." if close else ""
    return Finding(
        rule=_EARLY_RULE,
        figures=f"At most {100 * loss:g} points lost: {best}; {rival or 'no cut network loses so little'}.",
        applies=True,
        advice=f"Use {best.name}.{aside}",
    )


def _cut_the_model(loss: float, rival: _Choice, best: _Choice | None) -> Finding:
    layer = rival.name.removeprefix("cut after ")
    return Finding(
        rule=_CUT_RULE,
        figures=f"At most {100 * loss:g} points lost: {rival}; {best or 'no early exit loses so little'}.",
        applies=True,
        advice=(
            f"Just cut the model: end it after {layer} and let every text leave there. That is no worse than early "
            "exit, and simpler. A smaller encoder trained for this is worth a try, too."
        ),
    )


def _stay_at_full_depth(evaluation: Evaluation, choices: Sequence[_Choice]) -> Finding:
    best = _fastest(choices, evaluation.full.accuracy - LOSSES[-1])
    return Finding(
        rule=_FULL_RULE,
        figures=f"Full depth {percent(evaluation.full.accuracy)}; {best or 'nothing loses so little'}.",
        applies=True,
        advice=(
            "Do not use early exit here: these texts need the deep layers. Run the model at full depth, in a faster "
            "runtime ('offramp export'), or train a smaller encoder."
        ),
    )


def _costly(evaluation: Evaluation) -> Finding:
    point = evaluation.focus.point
    change = point.accuracy_difference
    return Finding(
        rule=f"The setting in focus loses more than {100 * LOSSES[-1]:g} point of accuracy, by the whole interval.",
        figures=f"{points(change.value)} (95 % interval {span(signed(change.low), signed(change.high))})",
        applies=change.high < -LOSSES[-1],
        advice=f"Threshold {point.threshold:g} is dear: see the table for one that loses less.",
    )


def _uncertain(evaluation: Evaluation) -> Finding:
    change = evaluation.focus.point.accuracy_difference
    half = (change.high - change.low) / 2
    needed = evaluation.data.rows * (half / _WIDE) ** 2
    return Finding(
        rule=f"The difference to full depth is known less well than to ±{100 * _WIDE:g} points.",
        figures=f"±{100 * half:.2f} points on {count(evaluation.data.rows, 'text')}",
        applies=half > _WIDE,
        advice=f"Evaluate on more labelled texts: about {whole(round(needed, -2))} would do.",
    )


def _miscalibrated(evaluation: Evaluation) -> Finding:
    worst = max(evaluation.calibration, key=lambda one: one.ece_after)
    return Finding(
        rule=f"An exit's calibration error (ECE) is above {_MISCALIBRATED:g}.",
        figures=f"{worst.ece_after:.3f} at the exit after layer {worst.layers}",
        applies=worst.ece_after > _MISCALIBRATED,
        advice="Confidence is not the chance of being right on these texts: run 'offramp calibrate' on others like them.",
    )


def _seen_before(evaluation: Evaluation) -> Finding:
    return Finding(
        rule="The temperatures were fitted to these very texts.",
        figures=f"fitted to {evaluation.model.calibrated_on or 'none'}, evaluated on {evaluation.data.fingerprint}",
        applies=evaluation.model.calibrated_on == evaluation.data.fingerprint,
        advice="The figures flatter: evaluate on texts that were used for nothing before.",
    )


def _unfair(evaluation: Evaluation) -> Finding:
    classes = evaluation.focus.classes
    worst = min(classes, key=_chance)
    chance = min(1.0, _chance(worst) * len(classes))
    return Finding(
        rule=f"A class loses accuracy by early exit, and chance explains it in less than {percent(_SIGNIFICANT, 0)} of cases "
        "(sign test on rows won and lost, times the number of classes).",
        figures=f"{worst.name}: {percent(worst.full_accuracy)} to {percent(worst.accuracy)} on {count(worst.rows, 'text')}, "
        f"{worst.lost} lost and {worst.won} won, chance {percent(chance, 1)}",
        applies=chance < _SIGNIFICANT,
        advice=f"Texts of the class {worst.name!r} pay for the speed: make sure that this is acceptable.",
    )


def _chance(group: Group) -> float:
    """Of so many rows lost if won and lost were equally likely."""
    discordant = group.won + group.lost
    return float(binomtest(group.lost, discordant, alternative="greater").pvalue) if discordant else 1.0


def _overthinking(evaluation: Evaluation) -> Finding:
    share = evaluation.overthinking.overthought
    return Finding(
        rule=f"An earlier exit is right and the last one wrong on more than {percent(_OVERTHOUGHT, 0)} of texts.",
        figures=f"{percent(share)} of texts; a rule that always knew would be right on "
        f"{percent(evaluation.overthinking.ceiling)}",
        applies=share > _OVERTHOUGHT,
        advice="A rule that uses several exits may be better than full depth: try 'offramp tune --compare-rules'.",
    )


def _inefficient(evaluation: Evaluation) -> Finding:
    point = evaluation.focus.point
    return Finding(
        rule=f"Less than {percent(_INEFFICIENT, 0)} of the speed-up possible at most is reached.",
        figures=f"{times(point.measured_speedup, 2)} of {times(point.bound_speedup, 2)}",
        applies=point.efficiency < _INEFFICIENT,
        advice="Hand in more texts at once, and let 'offramp bench --autotune' find the best batches.",
    )


def _noisy(evaluation: Evaluation) -> Finding:
    point, data = evaluation.focus.point, evaluation.data
    low, high = point.measured_speedup_spread
    width = (high - low) / point.measured_speedup
    few = data.timed_rows < min(_FEW_TIMED, data.rows)
    return Finding(
        rule=f"The speed-up's quartiles are more than {percent(_NOISY, 0)} of it apart, or fewer than {_FEW_TIMED} texts were "
        "timed.",
        figures=f"quartiles {span(times(low, 2), times(high, 2))}, {percent(width, 0)} apart; "
        f"{count(data.timed_rows, 'text')} timed",
        applies=width > _NOISY or few,
        advice="The speed-ups are rough: measure again on a quiet machine, with a larger --seconds.",
    )


def _long_texts(evaluation: Evaluation) -> Finding:
    share = evaluation.data.truncated / evaluation.data.rows
    return Finding(
        rule=f"More than {percent(_TRUNCATED_TEXTS, 0)} of texts are longer than the model reads.",
        figures=f"{percent(share, 1)} are longer than {evaluation.model.max_tokens} tokens",
        applies=share > _TRUNCATED_TEXTS,
        advice="Their ends are not read: train with a larger --max-length if what is there matters.",
    )


def _other_engines(speeds: Speeds) -> Finding:
    best = _quickest(row for row in speeds.rows if row.kind is Kind.EARLY_EXIT)
    rival = _quickest(row for row in speeds.rows if best is not None and _rivals(row, best))
    return Finding(
        rule="In the benchmark, something without early exit is faster (quartiles apart) and not less accurate.",
        figures="; ".join(_fast(row) for row in (best, rival) if row is not None) or "nothing to compare",
        applies=best is not None and rival is not None and rival.low > best.high,
        advice="" if rival is None else f"Run {rival.name} instead.",
    )


def _quickest(rows: Iterable[Speed]) -> Speed | None:
    return max(rows, key=lambda row: row.texts_per_second, default=None)


def _rivals(row: Speed, best: Speed) -> bool:
    """Whether a row may be compared with the best early exit: as many threads, no less accurate."""
    accurate = best.accuracy is None or (row.accuracy is not None and row.accuracy >= best.accuracy)
    return row.kind is not Kind.EARLY_EXIT and row.threads == best.threads and accurate


def _fast(row: Speed) -> str:
    accuracy = "" if row.accuracy is None else f", {percent(row.accuracy)}"
    return f"{row.name}, {count(row.threads, 'thread')}: {whole(row.texts_per_second)} texts a second{accuracy}"
