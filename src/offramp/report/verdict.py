"""The verdict: early exit, a network cut off behind one of its exits, or full depth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from offramp.evaluation import ACCEPTED_LOSS, Evaluation, Point, Truncated, exact_interval, least_rows
from offramp.report.words import count, loss_of, percent, span, times

# Losses of accuracy that are tried, one after the other.
LOSSES = (ACCEPTED_LOSS, 0.01)

# On fewer texts not even a setting that changes no answer can be shown to lose so little.
LEAST_TEXTS = least_rows(LOSSES[-1])

# Less than this is not worth another moving part.
LEAST_SPEEDUP = 1.2

_LOSSES_IN_WORDS = " and ".join(map(loss_of, LOSSES))
_LEAST_LOSS = f"at the least loss of accuracy out of {_LOSSES_IN_WORDS} that buys {LEAST_SPEEDUP:g}×"
_CUT_RULE = (
    f"A network cut off behind one of its exits wins if it is, {_LEAST_LOSS}, clearly faster than the fastest early "
    "exit (quartiles apart), or as fast and as accurate."
)
_EARLY_RULE = (
    f"Early exit wins if it is, {_LEAST_LOSS}, not beaten by the network cut off behind one of its exits: clearly "
    "faster (quartiles apart), or as fast and as accurate."
)
_FULL_RULE = (
    f"Full depth wins if nothing that loses at most {loss_of(LOSSES[-1])} of accuracy is at least {LEAST_SPEEDUP:g}× "
    "as fast."
)


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


def decide(evaluation: Evaluation) -> Finding:
    """Early exit, a cut network or full depth, for the least loss at which anything is worth while.

    Early exit stands for the operating points or, where none loses so little, the thresholds. Too few texts make it a
    guess, which is what it then says.
    """
    found, rows = _decided(evaluation), evaluation.data.rows
    if rows >= LEAST_TEXTS:
        return found
    _, unseen = exact_interval(0, rows)
    few = (
        f"{count(rows, 'text')} cannot settle this: a setting that changes no answer on them may still lose up to "
        f"{100 * unseen:.1f} points of accuracy on others (95 % confidence). Evaluate on {LEAST_TEXTS} labelled texts "
        "or more."
    )
    return replace(found, advice=f"{few} As far as it can be seen: {found.advice}")


def _decided(evaluation: Evaluation) -> Finding:
    full = evaluation.full.accuracy
    named = [_early(here.point) for here in evaluation.operating_points if max(here.point.exits) < 1]
    thresholds = [_early(point) for point in evaluation.points if max(point.exits) < 1]
    cut = [_cut(one) for one in evaluation.truncated]
    for loss in LOSSES:
        # A threshold that is best on these texts was picked on them; an operating point was not.
        best = _fastest(named, full - loss) or _fastest(thresholds, full - loss)
        rival = _fastest(cut, full - loss)
        if best is not None and best.speedup >= LEAST_SPEEDUP and not (rival is not None and _beats(rival, best)):
            return _use_early_exit(loss, best, rival, _fastest(cut, full - LOSSES[-1]))
        if rival is not None and rival.speedup >= LEAST_SPEEDUP:
            return _cut_the_model(loss, rival, best)
    return _stay_at_full_depth(evaluation, [*named, *thresholds, *cut])


def _early(point: Point) -> _Choice:
    low, high = point.measured_speedup_spread
    return _Choice(f"early exit at {point.setting}", point.measured_speedup, low, high, point.accuracy)


def _cut(one: Truncated) -> _Choice:
    low, high = one.measured_speedup_spread
    return _Choice(f"cut after layer {one.layers}", one.measured_speedup, low, high, one.accuracy)


def _fastest(choices: Sequence[_Choice], least_accuracy: float) -> _Choice | None:
    good = [choice for choice in choices if choice.accuracy >= least_accuracy - 1e-9]
    return max(good, key=lambda choice: choice.speedup, default=None)


def _beats(cut: _Choice, early: _Choice) -> bool:
    """Clearly faster, or at least as fast and at least as accurate."""
    return cut.low > early.high or (cut.speedup >= early.speedup and cut.accuracy >= early.accuracy)


def _use_early_exit(loss: float, best: _Choice, rival: _Choice | None, simpler: _Choice | None) -> Finding:
    close = simpler is not None and simpler.high >= best.low
    aside = f" It is close: {simpler} is nearly as good, and simpler." if close else ""
    return Finding(
        rule=_EARLY_RULE,
        figures=f"At most {loss_of(loss)} lost: {best}; {rival or 'no cut network loses so little'}.",
        applies=True,
        advice=f"Use {best.name}.{aside}",
    )


def _cut_the_model(loss: float, rival: _Choice, best: _Choice | None) -> Finding:
    layer = rival.name.removeprefix("cut after ")
    return Finding(
        rule=_CUT_RULE,
        figures=f"At most {loss_of(loss)} lost: {rival}; {best or 'no early exit loses so little'}.",
        applies=True,
        advice=(
            f"Just cut the model: end it after {layer} and let every text leave there. Nothing that loses so little is "
            "faster, and nothing is simpler; a smaller encoder trained for this is worth a try, too."
        ),
    )


def _stay_at_full_depth(evaluation: Evaluation, choices: Sequence[_Choice]) -> Finding:
    best, full = _fastest(choices, evaluation.full.accuracy - LOSSES[-1]), percent(evaluation.full.accuracy)
    nothing = f"No setting stays within {loss_of(LOSSES[-1])} of full depth ({full})."
    return Finding(
        rule=_FULL_RULE,
        figures=nothing if best is None else f"Full depth {full}; {best}.",
        applies=True,
        advice=(
            "Do not use early exit here: these texts need the deep layers. Run the model at full depth, in a faster "
            "runtime ('offramp export'), or train a smaller encoder."
        ),
    )
