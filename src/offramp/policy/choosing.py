"""From a goal to a rule: as fast as limits allow, as accurate as a speed allows, or a plain threshold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.policy.answers import ExitAnswers
from offramp.policy.bounds import least_count
from offramp.policy.candidates import Swept, judging_rows
from offramp.policy.criteria import Array
from offramp.policy.frontier import PerExit
from offramp.policy.goals import AtLeast, AtMost, Exactly, Goal
from offramp.policy.limits import Limit, Risk
from offramp.policy.points import Promise
from offramp.policy.risk import Method, bound_at, last_certified, rows_needed
from offramp.policy.rules import Threshold
from offramp.policy.sweep import at_exits


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A rule, and what it keeps if the goal was to keep limits.

    Attributes:
        promises: one for each limit; none for exits at which no row can leave.
        exits: the exit that each row took when the rule was chosen, (rows,).
        answers: the answer to each row if it leaves at each exit, (exits, rows, labels).
        handed_over: whether it was handed over then, (rows,).
    """

    rule: Threshold
    promises: tuple[Promise, ...]
    exits: NDArray[np.int64]
    answers: Array
    handed_over: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Missed:
    """No threshold qualified; ``reason`` says why, and what would help."""

    reason: str


def choose_rule(goal: Goal, swept: Swept, rows: ExitAnswers, *, fitted: int = 0) -> Chosen | Missed:
    """Chooses the threshold of one criterion.

    A goal is missed if the fastest threshold that keeps the risk is slower than full depth in one go, which keeps every
    promise.

    Args:
        goal: what the threshold has to achieve.
        swept: the criterion on the rows; where rows may be handed over, from the knob on that is to be tested first.
        rows: rows that the criterion was not fitted to.
        fitted: number of rows that it was fitted to.

    Raises:
        DataError: the goal needs labels.
    """
    match goal:
        case Exactly():
            rule = Threshold(goal.threshold, swept.criterion)
            taken = rows.replay(rule)
            return Chosen(rule, (), taken.exits, swept.answers, taken.handed_over)
        case AtLeast():
            return _fast_enough(goal, swept, rows)
        case AtMost():
            choose = _answering_enough if goal.abstains else _safe_enough
            return choose(goal, swept, rows, fitted)


def _fast_enough(goal: AtLeast, swept: Swept, rows: ExitAnswers) -> Chosen | Missed:
    speedups = 1.0 / at_exits(rows.row_costs, swept.exits).mean(axis=1)
    fast = np.flatnonzero(speedups >= goal.speedup)
    if not fast.size:
        return Missed(
            f"no threshold is {goal.speedup:g}x as fast as full depth: even if every text left at the first exit, it "
            f"would be {speedups.max():.2f}x; ask for less"
        )
    right = at_exits(rows.good(swept.answers, rows.best_risk), swept.exits[fast]).mean(axis=1)
    return _chosen(swept, int(fast[right.argmax()]), ())


def _safe_enough(goal: AtMost, swept: Swept, rows: ExitAnswers, fitted: int) -> Chosen | Missed:
    judged = [judge(goal, limit, swept, rows) for limit in goal.limits_at(rows.names)]
    # Full depth is no candidate, but has to keep the limits that it does not keep by definition.
    first, index = int(swept.from_full_depth), _last(judged)
    if index < first:
        return Missed(_reason(_failing(judged, index), index + 1, fitted))
    speedup = 1.0 / float(at_exits(rows.row_costs, swept.exits[index : index + 1]).mean())
    if speedup < 1.0:
        return Missed(
            f"early exit with {_and(goal.limits)} is expected to be slower than full depth ({speedup:.2f}x): stay at "
            "full depth"
        )
    return _chosen(swept, index, tuple(one.promise_at(index) for one in judged if not one.empty[index]))


def _answering_enough(goal: AtMost, swept: Swept, rows: ExitAnswers, fitted: int) -> Chosen | Missed:
    """Each knob answers more rows, and no later, than the one before: the last that keeps the limits is the best."""
    judged = [judge(goal, limit, swept, rows) for limit in goal.limits_at(rows.names)]
    index = _last(judged)
    if index < 0:
        return Missed(_reason(_failing(judged, index), 0, fitted))
    chosen = _chosen(swept, index, tuple(one.promise_at(index) for one in judged if not one.empty[index]))
    coverage, least = 1.0 - float(chosen.handed_over.mean()), goal.coverage or 0.0
    if coverage < least:
        return Missed(
            f"with {_and(goal.limits)}, {coverage:.1%} of the rows can be answered, and at least {100 * least:.4g}% "
            "were asked for; ask for fewer, allow more, or give more rows to judge by"
        )
    return chosen


def _last(judged: Sequence["Judged"]) -> int:
    """The last knob that keeps all limits; -1 if the first does not."""
    return min((-1 if one.last is None else one.last for one in judged), default=-1)


def _failing(judged: Sequence["Judged"], last: int) -> "Judged":
    """The limit that the knob after the last one does not keep."""
    return next(one for one in judged if (-1 if one.last is None else one.last) == last)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A limit, judged at every knob on its own.

    Attributes:
        losses: (knobs, rows); NaN where a row does not count.
        empty: where no row can count, since the exits are closed, bool (knobs,).
        last: the last knob that keeps the limit, walking from the first knob to one that does not; None if the first
            does not.
        at_full_depth: the risk at full depth; NaN if it is unknown, or rows may be handed over there, too.
    """

    limit: Limit
    method: Method
    confidence: float
    losses: Array
    empty: NDArray[np.bool_]
    last: int | None
    at_full_depth: float

    def bound_at(self, index: int) -> float:
        """The method's upper bound of the risk at a knob; 1 where no row counts."""
        return bound_at(self.losses, index, self.method, self.limit.risk.loss, self.confidence)

    def promise_at(self, index: int) -> Promise:
        """The limit as kept at a knob."""
        losses = self.losses[index]
        return Promise(
            limit=self.limit,
            method=self.method,
            confidence=self.confidence if self.method in {Method.LTT, Method.UCB} else None,
            seen=float(np.nanmean(losses)),
            bound=self.bound_at(index),
            rows=int((~np.isnan(losses)).sum()),
        )


def judge(goal: AtMost, limit: Limit, swept: Swept, rows: ExitAnswers) -> Judged:
    """Judges one limit of a goal at every knob.

    Raises:
        DataError: the limit needs labels or a reference, and there are none.
    """
    by_exit = rows.limited(swept.answers, limit)
    losses, empty = limited(limit, by_exit, swept, rows)
    kept = empty.copy()
    kept[0] = bool(empty[0]) or (swept.from_full_depth and limit.kept_at_full_depth)
    method = goal.judged_by(limit)
    last = last_certified(losses, limit.target, method, limit.risk.loss, goal.confidence, kept)
    full = by_exit[-1][~np.isnan(by_exit[-1])]
    at_full_depth = np.nan if goal.abstains or not len(full) else float(full.mean())
    return Judged(limit, method, goal.confidence, losses, empty, last, at_full_depth)


def limited(limit: Limit, by_exit: Array, swept: Swept, rows: ExitAnswers) -> tuple[Array, NDArray[np.bool_]]:
    """A limit's losses at every knob, (knobs, rows), NaN where a row does not count; and where none can, bool (knobs,).

    Args:
        by_exit: the losses at every exit, from :meth:`ExitAnswers.limited`.
    """
    losses = at_exits(by_exit, swept.exits)
    if swept.handed_over is not None:
        losses = np.where(swept.handed_over, np.nan, losses)
    if limit.exit is None:
        return losses, np.zeros(len(losses), dtype=np.bool_)
    place = rows.names.index(limit.exit)
    empty = np.asarray(~swept.open[:, : place + 1].any(axis=1))
    return np.where(swept.exits <= place, losses, np.nan), empty


def _chosen(swept: Swept, index: int, promises: tuple[Promise, ...]) -> Chosen:
    handed_over = np.zeros(swept.exits.shape[1], np.bool_) if swept.handed_over is None else swept.handed_over[index]
    return Chosen(_rule(swept, index), promises, swept.exits[index], swept.answers, handed_over)


def _rule(swept: Swept, index: int) -> Threshold:
    """The rule at a knob, with the safest of the thresholds that make no difference on these rows."""
    same = (swept.exits == swept.exits[index]).all(axis=1)
    if swept.handed_over is not None:
        same &= (swept.handed_over == swept.handed_over[index]).all(axis=1)
    threshold = float(swept.thresholds[same.argmax()])
    if swept.answer_from is not None:
        return Threshold(threshold, swept.criterion, answer_from=float(swept.answer_from[same.argmax()]))
    if isinstance(swept.criterion, PerExit) and threshold >= 1:
        return Threshold(1.0, swept.criterion.vector(int(threshold)))  # the other vectors are no longer needed
    return Threshold(threshold, swept.criterion)


def _a(what: str) -> str:
    """With the indefinite article."""
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _and(limits: Sequence[Limit]) -> str:
    """Limits in words, such as ``a disagreement of 5% or less``."""
    return " and ".join(
        f"{_a(limit.what)} of {100 * limit.stated(limit.target):.4g}% or {'more' if limit.at_least else 'less'}"
        for limit in limits
    )


def _reason(judged: Judged, first: int, fitted: int) -> str:
    """Why a limit is not kept at the first knob that was judged, and what it would take."""
    limit, method = judged.limit, judged.method
    counting, rows = int((~np.isnan(judged.losses[first])).sum()), judged.losses.shape[1]
    sure = f" with {judged.confidence:.4g} confidence" if method in {Method.LTT, Method.UCB} else ""
    needed, cures = rows_needed(limit.target, method, limit.risk.loss, judged.confidence), []
    hopeless = not limit.kept_at_full_depth and judged.at_full_depth > limit.target
    if hopeless:
        cures.append("handing over the texts that it is least sure of")
    elif needed is not None and needed > counting:
        in_all = least_count(lambda number: judging_rows(number) >= needed) if fitted else needed
        cures.append(f"at least {in_all} rows" + (f" {_which(limit)}" if limit.conditional else ""))
    elif method is not Method.EMPIRICAL:
        cures.append("more rows")
    bound = judged.bound_at(first)
    if bound < 1:
        most = np.ceil(bound * 1e4) / 1e4
        cures.append(f"{_a(limit.what)} of {limit.stated(most):.2%} allowed")
    own = limit.stated(judged.at_full_depth)
    counted = f"{rows} rows" if counting == rows else f"{counting} of {rows} rows"
    wanted = f"{100 * limit.stated(limit.target):.4g}% or {'more' if limit.at_least else 'less'}"
    return (
        f"no threshold keeps the {limit.what} at {wanted}{sure}, by method {method} on {counted}"
        f"{f', after {fitted} others served to fit the rule' if fitted else ''}"
        f"{'' if limit.kept_at_full_depth or np.isnan(own) else f' (full depth itself: {own:.2%})'}; it takes "
        f"{' or '.join(cures) or 'another model'}"
    )


def _which(limit: Limit) -> str:
    """Which rows count, as a clause."""
    if limit.label is not None:
        return f"{'predicted as' if limit.risk is Risk.PRECISION else 'with the label'} {limit.label!r}"
    if limit.exit is None:
        return "that are answered"
    return f"that leave up to {limit.exit}"
