"""Handing over: a row that is sure enough at no exit, not even at the last, is not answered.

One knob walks from handing everything over to answering everything at the first exit. Limits are kept among the rows
that are answered, and at the safest knobs hardly any are: no test of so few rows can pass. Where the walk begins is
therefore decided by other rows, those that a gate is fitted to. So is by how much an early exit has to be surer than
the last, where nothing more can be learned: that costs time, and more rows can be answered.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.errors import OptionError
from offramp.policy.answers import ExitAnswers
from offramp.policy.candidates import KNOBS, Swept, make_criterion
from offramp.policy.choosing import limited
from offramp.policy.criteria import Array, Criterion
from offramp.policy.gate import fit_gate
from offramp.policy.goals import AtMost
from offramp.policy.limits import Risk
from offramp.policy.sweep import exits_taken

GAPS = (0.0, 0.5, 1.0, 2.0)
"""By how much the threshold of early exits is above that of the last, in log-odds."""

PRICE = 4.0
"""What handing a row over counts, in passes at full depth, where a gap is chosen: about a model four times as large."""

DOUBT = 0.5
"""Losses that are added to those seen, so that none among few rows does not count as none at all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How knobs are tested, as decided by rows that are not those of the test.

    Attributes:
        gap: one of :data:`GAPS`.
        first: the knob to begin with.
    """

    gap: float
    first: int


def make_abstaining(goal: AtMost, name: str, rows: ExitAnswers) -> Criterion:
    """Makes a criterion that scores the last exit, too; a gate foretells which answers are right.

    Args:
        goal: what counts as right: what the labels say, or else the reference of the limits.
        name: of :data:`offramp.policy.CRITERIA`, but for ``per-exit``.
        rows: what a gate is fitted to.

    Raises:
        DataError: there are no labels or reference to tell right from wrong.
        OptionError: the criterion cannot score the last exit.
    """
    if name == "per-exit":
        raise no_last_threshold()
    if name == "gate":
        return fit_gate(rows.probabilities, _right(rows, goal), rows.problem, last=True, ends=rows.ends)
    return make_criterion(name, rows, Risk.ERROR)


def no_last_threshold() -> OptionError:
    """The error where a rule has thresholds for early exits only."""
    return OptionError(
        "the rule 'per-exit' has no threshold for the last exit, below which texts are handed over; use gate or "
        "confidence",
        option="rule",
        value="per-exit",
    )


def sweep_abstaining(rows: ExitAnswers, criterion: Criterion, plan: Plan) -> Swept:
    """Tries the thresholds of :meth:`offramp.policy.Knob.grid` from the plan's first on, the safest first."""
    scored, last = rows.scores(criterion, last=True), len(rows.layers) - 1
    answer_from = criterion.knob(len(rows.layers)).grid(KNOBS)[::-1][plan.first :]
    early = _surer(answer_from, plan.gap)
    taken = exits_taken(scored.scores, np.column_stack([np.repeat(early[:, None], last, axis=1), answer_from]))
    ends = np.full(len(rows), last) if rows.ends is None else rows.ends
    return Swept(criterion, early, np.minimum(taken, ends), scored.answers, taken > last, answer_from)


def plan_knobs(goal: AtMost, criterion: Criterion, rows: ExitAnswers, judging: int) -> Plan:
    """Plans the test of knobs: with the gap that is worth most, from the knob on that is most likely to pass.

    Knobs are likely to pass where little is lost and many rows are answered. A gap is worth the time that it costs, and
    as much more for each row that is handed over as :data:`PRICE` says; those that answer too few rows for the goal are
    worth least.

    Args:
        goal: with its limits.
        criterion: that is to be tested.
        rows: not those of the test; a gate may have been fitted to them, as it has few weights.
        judging: number of rows of the test.
    """
    gaps = GAPS[:1] if criterion.knob(len(rows.layers)).whole else GAPS
    plans = [_planned(goal, sweep_abstaining(rows, criterion, Plan(gap, 0)), rows, judging, gap) for gap in gaps]
    return min(plans, key=lambda planned: planned[0])[1]


def _planned(
    goal: AtMost, swept: Swept, rows: ExitAnswers, judging: int, gap: float
) -> tuple[tuple[bool, float, float], Plan]:
    """The plan for a gap, after what it costs: whether it misses the goal, what a row costs, and how unlikely it is."""
    chances = _chances(goal, swept, rows, judging)
    first = int(chances.argmin())
    failing = chances[first:] > 1.0 - goal.confidence
    last = first + (int(failing.argmax()) if failing.any() else len(failing)) - 1
    if last < first:
        return (True, np.inf, float(chances[first])), Plan(gap, first)
    assert swept.handed_over is not None
    handed_over = float(swept.handed_over[last].mean())
    cost = rows.cost(swept.exits[last]) + PRICE * handed_over
    return (1.0 - handed_over < (goal.coverage or 0.0), cost, 0.0), Plan(gap, first)


def _chances(goal: AtMost, swept: Swept, rows: ExitAnswers, judging: int) -> Array:
    """How likely each knob is to lose no more than here among the rows of the test if it broke a limit, (knobs,)."""
    each, chances = judging / len(rows), np.zeros(len(swept.thresholds))
    for limit in goal.limits_at(rows.names):
        losses, empty = limited(limit, rows.limited(swept.answers, limit), swept, rows)
        lost = (np.nansum(np.maximum(losses, 0.0), axis=1) + DOUBT) * each
        counting = (~np.isnan(losses)).sum(axis=1) * each
        kept = counting - lost
        # The tail of the binomial distribution, also for counts that are no whole numbers.
        tail = scipy.special.betainc(np.maximum(kept, 1e-9), lost + 1.0, 1.0 - limit.target)
        chances = np.maximum(chances, np.where(empty, 0.0, np.where(kept > 0, tail, 1.0)))
    return chances


def _surer(thresholds: Array, gap: float) -> Array:
    """Thresholds that are higher by a gap in log-odds; 0 and what is above 1 stay, since they have none."""
    if not gap:
        return thresholds
    with np.errstate(divide="ignore"):
        return np.where(
            thresholds < 1, scipy.special.expit(scipy.special.logit(thresholds.clip(max=1)) + gap), thresholds
        )


def _right(rows: ExitAnswers, goal: AtMost) -> NDArray[np.bool_]:
    """Which answers of each exit are right, (exits, rows)."""
    compared = any(limit.reference is not None and not limit.risk.needs_labels for limit in goal.limits)
    return rows.problem.right(rows.probabilities, rows.compared if compared else rows.truth)
