"""Advice in words: each piece comes from a rule over the figures, and is shown with that rule and those figures."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import scipy

from offramp.benchmark import Kind
from offramp.calibration import FEW_ROWS
from offramp.data.wording import count
from offramp.evaluation import LOSSES, Evaluation, Group, Standing, Way
from offramp.exit_names import WORDS
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.monitored_file import MonitoredTexts
from offramp.report.summary import kept_promises
from offramp.report.verdict import Finding, decide
from offramp.report.words import (
    data_name,
    dev_figures,
    loss_of,
    percent,
    points,
    possible,
    short,
    signed,
    span,
    times,
    whole,
)

_WIDE = 0.005
_MISCALIBRATED = 0.05
_OVERTHOUGHT = 0.02
_INEFFICIENT = 0.8
_NOISY = 0.2
_FEW_TIMED = 100
_TRUNCATED_TEXTS = 0.05
_USED = 0.05
_SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Advice:
    """The verdict and further remarks.

    Attributes:
        verdict: which way to run the model; its rule always applies.
        remarks: all other rules, whether they apply or not.
    """

    verdict: Finding
    remarks: tuple[Finding, ...]


def advise(evaluation: Evaluation, speeds: BenchSpeeds | None, watched: MonitoredTexts | None = None) -> Advice:
    """Applies every rule to the figures."""
    rules: list[Callable[[Evaluation], Finding]] = [
        words_left_out,
        _costly,
        _untuned,
        _broken,
        _uncertain,
        _miscalibrated,
        _used_before,
        _unfair,
        _overthinking,
        _inefficient,
        _noisy,
        _long_texts,
    ]
    remarks = [rule(evaluation) for rule in rules]
    if speeds is not None:
        remarks += [_other_ways(speeds), _other_engines(evaluation, speeds)]
    if watched is not None:
        remarks.insert(0, _alarmed(watched))
    return Advice(decide(evaluation), tuple(remarks))


def words_left_out(evaluation: Evaluation) -> Finding:
    """What the training knew of words alone, where it left them out."""
    trial, model = evaluation.model.words, evaluation.model
    known = trial if trial is not None and not trial.kept else None
    exits = f"--exits {','.join(map(str, (WORDS, *model.exits)))}"
    return Finding(
        rule="The model has no words before its encoder, and words alone lost at most "
        f"{loss_of(LOSSES[-1])} of full depth's accuracy on the dev texts when it was made.",
        figures=dev_figures(known) if known is not None else "the model has words, or none were tried",
        applies=known is not None and known.full_right - known.alone <= LOSSES[-1] + 1e-9,
        advice=f"Words alone may be enough: train with {exits}, or put them before this model with 'offramp attach "
        f"{model.folder or 'MODEL'} --data TEXTS {exits} --output DIR', and evaluate again.",
    )


def _costly(evaluation: Evaluation) -> Finding:
    point = evaluation.focus.point
    change = point.accuracy_difference
    return Finding(
        rule=f"The setting in focus loses more than {loss_of(LOSSES[-1])} of accuracy, over the whole interval.",
        figures=f"{points(change.value)} (95 % interval {span(signed(change.low), signed(change.high))})",
        applies=change.high < -LOSSES[-1],
        advice=f"The {point.setting} costs much accuracy: see the table for a setting that loses less.",
    )


def _untuned(evaluation: Evaluation) -> Finding:
    tuned, by_threshold = len(evaluation.operating_points), evaluation.focus.point.way is Way.THRESHOLD
    return Finding(
        rule="There is no operating point for this backend and precision, or none that is up to date.",
        figures=count(tuned, "operating point"),
        applies=not tuned,
        advice="'offramp tune' picks thresholds on other texts, without labels, with a guarantee"
        + (
            ": the threshold above was picked on the texts it is measured on, and looks better there than elsewhere."
            if by_threshold
            else "."
        ),
    )


def _broken(evaluation: Evaluation) -> Finding:
    judged = list(zip(evaluation.operating_points, kept_promises(evaluation), strict=True))
    known = [(tuned.point.name, kept) for tuned, promises in judged for kept in promises if kept is not None]
    return Finding(
        rule="An operating point does not keep its promise here, by more than chance explains "
        f"({percent(1 - _SIGNIFICANT, 0)} confidence, over all points).",
        figures="; ".join(f"{name}: {percent(kept.seen)}, promised {kept.promise}" for name, kept in known)
        or "no promises",
        applies=any(kept.standing is Standing.BROKEN for _, kept in known),
        advice="These texts are not like those that the operating points were tuned on: tune on others like these.",
    )


def _alarmed(watched: MonitoredTexts) -> Finding:
    return Finding(
        rule="'offramp monitor' raised an alarm on other texts, which happens falsely with a chance of at most 1 %.",
        figures=watched.sentence,
        applies=bool(watched.alarms),
        advice=f"Do not rely on what {watched.point} promises for texts such as those of {data_name(watched.source)}: "
        "tune on some of them, which takes no labels; until then, use full depth.",
    )


def _uncertain(evaluation: Evaluation) -> Finding:
    change = evaluation.focus.point.accuracy_difference
    half = (change.high - change.low) / 2
    needed = evaluation.data.rows * (half / _WIDE) ** 2
    return Finding(
        rule=f"The difference from full depth is uncertain by more than ±{loss_of(_WIDE)}.",
        figures=f"±{100 * half:.2f} points on {count(evaluation.data.rows, 'text')}",
        applies=half > _WIDE,
        advice=f"Evaluate on more labeled texts: about {whole(round(needed, -2))} would narrow this to "
        f"±{loss_of(_WIDE)}.",
    )


def _miscalibrated(evaluation: Evaluation) -> Finding:
    worst, rows = max(evaluation.calibration, key=lambda exit_: exit_.ece_after), evaluation.data.rows
    return Finding(
        rule=f"An exit's calibration error (ECE) is above {_MISCALIBRATED:g}, on {FEW_ROWS} texts or more; on fewer, "
        "chance alone can cause that.",
        figures=f"{worst.ece_after:.3f} at the exit after {worst.name}, on {count(rows, 'text')}",
        applies=worst.ece_after > _MISCALIBRATED and rows >= FEW_ROWS,
        advice="Confidence is not the chance of being right here: run 'offramp calibrate' on other texts like these.",
    )


def _used_before(evaluation: Evaluation) -> Finding:
    uses = {use: share for use, share in evaluation.data.used_before.items() if share > _USED}
    return Finding(
        rule=f"More than {percent(_USED, 0)} of these texts were used to make the model, its temperatures or its "
        "operating points.",
        figures="; ".join(f"{percent(share, 0)} for {use}" for use, share in uses.items())
        or "none, as far as is known",
        applies=bool(uses),
        advice="These figures look better than they would on new texts: evaluate on texts that were not used to make "
        "the model.",
    )


def warning(evaluation: Evaluation) -> str | None:
    """A warning to read before any figure, if the texts were used to make the model."""
    finding = _used_before(evaluation)
    return f"{finding.advice} Used before: {finding.figures}." if finding.applies else None


def _unfair(evaluation: Evaluation) -> Finding:
    classes = evaluation.focus.classes
    worst = min(classes, key=_chance)
    chance = min(1.0, _chance(worst) * len(classes))
    name = short(worst.name)
    accuracies = f"{percent(worst.full_accuracy)} to {percent(worst.accuracy)}"
    return Finding(
        rule="A class loses accuracy through early exit, and chance alone would cause that in less than "
        f"{percent(_SIGNIFICANT, 0)} of cases (sign test on texts won and lost, times the number of classes).",
        figures=f"{name}: {accuracies} on {count(worst.rows, 'text')}, {worst.lost} lost and {worst.won} won, "
        f"chance {percent(chance, 1)}",
        applies=chance < _SIGNIFICANT,
        advice=f"Texts of the class {name!r} pay for the speed: make sure that this is acceptable.",
    )


def _chance(group: Group) -> float:
    """The p-value of a group's losses if winning and losing a row were equally likely."""
    discordant = group.won + group.lost
    return float(scipy.stats.binomtest(group.lost, discordant, alternative="greater").pvalue) if discordant else 1.0


def _overthinking(evaluation: Evaluation) -> Finding:
    share, rows = evaluation.overthinking.overthought, evaluation.data.rows
    chance = scipy.stats.binomtest(round(share * rows), rows, _OVERTHOUGHT, alternative="greater").pvalue
    return Finding(
        rule=f"An earlier exit is right and the last one wrong on more than {percent(_OVERTHOUGHT, 0)} of texts, by "
        f"more than chance explains ({percent(1 - _SIGNIFICANT, 0)} confidence).",
        figures=f"{percent(share)} of {count(rows, 'text')}; a perfect rule would be right on "
        f"{percent(evaluation.overthinking.ceiling)}",
        applies=bool(chance < _SIGNIFICANT),
        advice="A rule that uses several exits may be better than full depth: try 'offramp tune --compare-rules'.",
    )


def _inefficient(evaluation: Evaluation) -> Finding:
    point = evaluation.focus.point
    return Finding(
        rule=f"Less than {percent(_INEFFICIENT, 0)} of the highest possible speed-up is reached.",
        figures=f"{times(point.speedup, 2)}; {possible(point)}",
        applies=point.efficiency < _INEFFICIENT,
        advice="Pass more texts at once, and let 'offramp bench --autotune' find the best batch size.",
    )


def _noisy(evaluation: Evaluation) -> Finding:
    point, data = evaluation.focus.point, evaluation.data
    low, high = point.speedup_spread
    width = (high - low) / point.speedup
    few = data.timed_rows < min(_FEW_TIMED, data.rows)
    return Finding(
        rule=f"The speed-up's quartiles are apart by more than {percent(_NOISY, 0)} of it, or fewer than {_FEW_TIMED} "
        "texts were timed.",
        figures=f"quartiles {span(times(low, 2), times(high, 2))}, {percent(width, 0)} apart; "
        f"{count(data.timed_rows, 'text')} timed",
        applies=width > _NOISY or few,
        advice="The speed-ups are rough: measure again on a quiet machine, and for more seconds.",
    )


def _long_texts(evaluation: Evaluation) -> Finding:
    share = evaluation.data.truncated / evaluation.data.rows
    return Finding(
        rule=f"More than {percent(_TRUNCATED_TEXTS, 0)} of texts are longer than the model reads.",
        figures=f"{percent(share, 1)} are longer than {evaluation.model.max_tokens} tokens",
        applies=share > _TRUNCATED_TEXTS,
        advice="Their ends are not read: if these matter, let the model read on (offramp calibrate --long read-on), "
        "with more windows where it does already, or train it with a larger maximum length.",
    )


def _other_engines(evaluation: Evaluation, speeds: BenchSpeeds) -> Finding:
    model = evaluation.model
    early = [row for row in speeds.rows if row.kind is Kind.EARLY_EXIT]
    current = _quickest(row for row in early if (row.backend, row.precision) == (model.backend, model.precision))
    best = _quickest(row for row in early if current is not None and row.threads == current.threads)
    return Finding(
        rule="In the benchmark, early exit is faster in another backend or precision than here (quartiles apart).",
        figures="; ".join(_fast(row) for row in (current, best) if row is not None) or "nothing to compare",
        applies=current is not None and best is not None and best.low > current.high,
        advice=""
        if best is None
        else f"Run early exit in {best.backend} {best.precision}: evaluate and tune it there.",
    )


def _other_ways(speeds: BenchSpeeds) -> Finding:
    best = _quickest(row for row in speeds.rows if row.kind is Kind.EARLY_EXIT)
    rival = _quickest(row for row in speeds.rows if best is not None and _rivals(row, best))
    return Finding(
        rule="In the benchmark, something without early exit is faster (quartiles apart) and not less accurate.",
        figures="; ".join(_fast(row) for row in (best, rival) if row is not None) or "nothing to compare",
        applies=best is not None and rival is not None and rival.low > best.high,
        advice="" if rival is None else f"Run {rival.name} instead.",
    )


def _quickest(rows: Iterable[BenchSpeed]) -> BenchSpeed | None:
    return max(rows, key=lambda row: row.texts_per_second, default=None)


def _rivals(row: BenchSpeed, best: BenchSpeed) -> bool:
    """Whether a row may be compared with the best early exit: as many threads, no less accurate."""
    accurate = best.accuracy is None or (row.accuracy is not None and row.accuracy >= best.accuracy)
    return row.kind is not Kind.EARLY_EXIT and row.threads == best.threads and accurate


def _fast(row: BenchSpeed) -> str:
    accuracy = "" if row.accuracy is None else f", {percent(row.accuracy)}"
    return f"{row.name}, {count(row.threads, 'thread')}: {whole(row.texts_per_second)} texts a second{accuracy}"
