"""The verdict in words: early exit, a network cut off after one of its exits, or full depth."""

from dataclasses import dataclass, replace

from offramp.data.wording import count
from offramp.evaluation import (
    LEAST_ROWS,
    LEAST_SPEEDUP,
    LOSSES,
    Evaluation,
    Point,
    Recommendation,
    Way,
    fastest_within,
    learned_nothing,
    recommend,
)
from offramp.exit_names import WORDS, name_in_model
from offramp.policy.bounds import exact_interval
from offramp.report.words import loss_of, percent, rate, span, times

_LOSSES_IN_WORDS = " and ".join(map(loss_of, LOSSES))
_LEAST_LOSS = f"at the least loss of accuracy out of {_LOSSES_IN_WORDS} that buys {LEAST_SPEEDUP:g}×"
_COMPARED = (
    "Early exits are all thresholds and operating points at which texts leave at different exits, except operating "
    "points whose promise is broken here."
)
_WINS = (
    f"wins if it is, {_LEAST_LOSS}, clearly faster than every early exit "
    "that loses as little (quartiles apart), or as fast and as accurate; or if those are less than "
    f"{LEAST_SPEEDUP:g}× as fast as full depth. {_COMPARED}"
)
_CUT_RULE = f"A network cut off after one of its exits {_WINS}"
_ENOUGH_RULE = f"What needs nothing after it, such as a model of words or the first model of a chain, {_WINS}"
_EARLY_RULE = (
    f"Early exit wins if it is, {_LEAST_LOSS}, not beaten by the network cut off after one of its exits: clearly "
    "faster (quartiles apart), or as fast and as accurate. Of early exits that are as fast (quartiles that overlap, or "
    f"5\u202f% apart) the one with the strictest promise is taken. {_COMPARED}"
)
_FULL_RULE = (
    f"Full depth wins if nothing that loses at most {loss_of(LOSSES[-1])} of accuracy is at least {LEAST_SPEEDUP:g}× "
    f"as fast. {_COMPARED}"
)
_NOTHING_RULE = "No setting is recommended if no exit is right more often than one and the same answer to every text."


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says.

    Attributes:
        rule: when it applies, in words.
        figures: the figures it looked at.
        applies: whether it applies.
        advice: what to do if it applies.
    """

    rule: str
    figures: str
    applies: bool
    advice: str


def recommended(evaluation: Evaluation) -> Recommendation:
    """The setting that the figures favor."""
    return recommend(
        evaluation.full,
        evaluation.points,
        evaluation.operating_points,
        evaluation.truncated,
        evaluation.data.constant,
    )


def useless(evaluation: Evaluation) -> str | None:
    """Says that the model has learned nothing, judging by these texts; None if it has."""
    return learned_nothing([point.accuracy for point in _exits(evaluation)], evaluation.data.constant)


def _exits(evaluation: Evaluation) -> tuple[Point, ...]:
    return (*evaluation.truncated, evaluation.full)


def decide(evaluation: Evaluation) -> Finding:
    """What is recommended, and why; on too few texts it is called a guess."""
    if (nothing := useless(evaluation)) is not None:
        return _use_none(evaluation, nothing)
    finding, few = _decided(evaluation), too_few(evaluation)
    return finding if few is None else replace(finding, advice=f"{few} As far as it can be seen: {finding.advice}")


def too_few(evaluation: Evaluation) -> str | None:
    """Says that there are too few texts to settle what is best; None if there are enough."""
    rows = evaluation.data.rows
    if rows >= LEAST_ROWS:
        return None
    _, unseen = exact_interval(0, rows)
    return (
        f"{count(rows, 'text')} cannot settle this: a setting that changes no answer on them may still lose up to "
        f"{100 * unseen:.1f} points of accuracy on others (95 % confidence). Evaluate on {LEAST_ROWS} labeled texts "
        "or more."
    )


def _decided(evaluation: Evaluation) -> Finding:
    choice = recommended(evaluation)
    if choice.point.way is Way.FULL:
        return _stay_at_full_depth(evaluation, choice)
    if choice.point.way is Way.ALONE:
        return _go_without_the_rest(evaluation, choice)
    return _cut_the_model(choice) if choice.point.way is Way.CUT else _use_early_exit(choice)


def enough(point: Point) -> str:
    """That a stage or a model alone will do, as the beginning of a sentence."""
    if name_in_model(point.end or "") == WORDS:
        return "Words are enough here"
    return f"{point.setting[:1].upper()}{point.setting[1:]} is enough here"


def _figures(point: Point) -> str:
    low, high = point.speedup_spread
    name = f"early exit at {point.setting}" if point.end is None else point.setting
    quartiles = f" (quartiles {span(times(low), times(high))})" if times(low) != times(high) else ""
    return f"{name}: {percent(point.accuracy)} at {times(point.speedup)}{quartiles}"


def _use_none(evaluation: Evaluation, nothing: str) -> Finding:
    best = max(_exits(evaluation), key=lambda point: point.accuracy)
    constant = evaluation.data.constant.accuracy
    return Finding(
        rule=_NOTHING_RULE,
        figures=f"{best.setting}: {percent(best.accuracy)}; the most frequent answer: {percent(constant)}.",
        applies=True,
        advice=nothing,
    )


def _left_out(choice: Recommendation) -> str:
    """The operating point that would be faster if it kept its promise; empty if there is none."""
    broken = choice.broken
    if broken is None or broken.speedup <= choice.point.speedup:
        return ""
    return f" Left out, since its promise is broken here: {_figures(broken)}."


def _use_early_exit(choice: Recommendation) -> Finding:
    best, simpler = choice.point, choice.simpler
    close = simpler is not None and simpler.speedup_spread[1] >= best.speedup_spread[0]
    aside = (
        f" It is close: {_figures(simpler)} is nearly as good, and simpler." if simpler is not None and close else ""
    )
    rival = "no cut network loses so little" if choice.cut is None else _figures(choice.cut)
    sure = choice.promised if best.way is Way.THRESHOLD else None
    guarded = "" if sure is None else f" Where you need a promise for other texts, use {_figures(sure)}."
    return Finding(
        rule=_EARLY_RULE,
        figures=f"At most {loss_of(choice.loss)} lost: {_figures(best)}; {rival}.{_left_out(choice)}",
        applies=True,
        advice=f"Use early exit at {best.setting}.{guarded}{aside}",
    )


def _cut_the_model(choice: Recommendation) -> Finding:
    rival = "no early exit loses so little" if choice.early is None else _figures(choice.early)
    return Finding(
        rule=_CUT_RULE,
        figures=f"At most {loss_of(choice.loss)} lost: {_figures(choice.point)}; {rival}.{_left_out(choice)}",
        applies=True,
        advice=(
            f"Just cut the model: end it after {choice.point.end} and let every text leave there. "
            "No early exit here that loses so little is clearly faster, and a cut network is simpler. A smaller "
            "encoder trained for this is worth a try, too."
        ),
    )


def _go_without_the_rest(evaluation: Evaluation, choice: Recommendation) -> Finding:
    point, full = choice.point, evaluation.full
    rival = "no early exit loses so little" if choice.early is None else _figures(choice.early)
    replaced = (
        " Of the folder, words.safetensors is all that this takes: offramp.words.Words.load(FOLDER).logits(texts)."
        if point.end == WORDS
        else ""
    )
    return Finding(
        rule=_ENOUGH_RULE,
        figures=f"At most {loss_of(choice.loss)} lost: {_figures(point)}; {rival}.{_left_out(choice)}",
        applies=True,
        advice=(
            f"{enough(point)}: right on {percent(point.accuracy)} at {rate(point.texts_per_second)} texts a second, "
            f"where full depth is right on {percent(full.accuracy)} at {rate(full.texts_per_second)}. "
            f"No early exit here that loses so little is clearly faster.{replaced}"
        ),
    )


def _stay_at_full_depth(evaluation: Evaluation, choice: Recommendation) -> Finding:
    full = evaluation.full
    rivals = [point for point in (choice.early, choice.cut) if point is not None]
    best = fastest_within(rivals, full, LOSSES[-1])
    nothing = f"No setting stays within {loss_of(LOSSES[-1])} of full depth ({percent(full.accuracy)})."
    return Finding(
        rule=_FULL_RULE,
        figures=(nothing if best is None else f"Full depth {percent(full.accuracy)}; {_figures(best)}.")
        + _left_out(choice),
        applies=True,
        advice=(
            f"Do not use early exit here: none that loses at most {loss_of(LOSSES[-1])} is {LEAST_SPEEDUP:g}× as fast. "
            "Run the model at full depth, in a faster runtime ('offramp export'), or train a smaller encoder."
        ),
    )
