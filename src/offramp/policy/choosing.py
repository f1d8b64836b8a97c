"""From a goal to a rule: as fast as a risk allows, as accurate as a speed allows, or a plain threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.errors import OptionError
from offramp.policy.answers import ExitAnswers
from offramp.policy.bounds import least_count
from offramp.policy.candidates import Swept, judging_rows
from offramp.policy.criteria import Array
from offramp.policy.frontier import PerExit
from offramp.policy.points import Promise, Risk
from offramp.policy.replay import replay
from offramp.policy.risk import Choice, Method, check_shares, choose, rows_needed
from offramp.policy.rules import Threshold, check_threshold
from offramp.policy.sweep import at_exits


@dataclass(frozen=True, slots=True)
class AtMost:
    """The fastest threshold whose risk is at most ``target``; see :func:`offramp.policy.choose`.

    Raises:
        OptionError: target or confidence is out of range.
    """

    risk: Risk
    target: float
    method: Method
    confidence: float

    def __post_init__(self) -> None:
        check_shares(self.target, self.confidence, name=f"max_{self.risk.replace(' ', '_')}")


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The most accurate threshold that is expected to be at least this many times as fast as full depth.

    Without labels, the one that agrees with full depth most often.

    Raises:
        OptionError: ``speedup`` is not above 1.
    """

    speedup: float

    def __post_init__(self) -> None:
        if not 1 < self.speedup < np.inf:
            raise OptionError(
                f"speedup is {self.speedup}; use a number above 1, such as 2 for twice as fast",
                option="speedup",
                value=self.speedup,
            )


@dataclass(frozen=True, slots=True)
class Exactly:
    """The given threshold, whatever it does.

    Raises:
        OptionError: it is negative or NaN.
    """

    threshold: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold)


Goal = AtMost | AtLeast | Exactly


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A rule, and its promise if the goal was to bound a risk.

    Attributes:
        exits: the exit that each row took when the rule was chosen, (rows,).
        answers: the answer to each row if it leaves at each exit, (exits, rows, labels).
    """

    rule: Threshold
    promise: Promise | None
    exits: NDArray[np.int64]
    answers: Array


@dataclass(frozen=True, slots=True)
class Missed:
    """No threshold qualified; ``reason`` says why, and what would help."""

    reason: str


def enough_to_fit(goal: Goal, rows: int) -> bool:
    """Whether a goal can be met on the rows that remain after a part of them was used to fit a criterion.

    This depends only on the number of rows, so choosing a criterion by it does not weaken a promise.
    """
    if not isinstance(goal, AtMost):
        return True
    needed = rows_needed(goal.target, goal.method, goal.risk.loss, goal.confidence)
    return needed is not None and judging_rows(rows) >= needed


def choose_rule(goal: Goal, swept: Swept, rows: ExitAnswers, *, fitted: int = 0) -> Chosen | Missed:
    """Chooses the threshold of one criterion.

    A goal is missed if the fastest threshold that keeps the risk is slower than full depth in one go, which keeps every
    promise.

    Args:
        goal: what the threshold has to achieve.
        swept: the criterion on the rows.
        rows: rows that the criterion was not fitted to.
        fitted: number of rows that it was fitted to.

    Raises:
        DataError: the goal needs labels.
    """
    match goal:
        case Exactly():
            rule = Threshold(goal.threshold, swept.criterion)
            return Chosen(rule, None, replay(rows.probabilities, rule).exits, swept.answers)
        case AtLeast():
            return _fast_enough(goal, swept, rows)
        case AtMost():
            return _safe_enough(goal, swept, rows, fitted)


def _fast_enough(goal: AtLeast, swept: Swept, rows: ExitAnswers) -> Chosen | Missed:
    speedups = 1.0 / at_exits(rows.row_costs, swept.exits).mean(axis=1)
    fast = np.flatnonzero(speedups >= goal.speedup)
    if not fast.size:
        return Missed(
            f"no threshold is {goal.speedup:g}x as fast as full depth: even if every text left at the first exit, it "
            f"would be {speedups.max():.2f}x; ask for less"
        )
    right = at_exits(rows.good(swept.answers, rows.best_risk), swept.exits[fast]).mean(axis=1)
    return _chosen(swept, int(fast[right.argmax()]), None)


def _safe_enough(goal: AtMost, swept: Swept, rows: ExitAnswers, fitted: int) -> Chosen | Missed:
    # The first threshold, full depth, is not a candidate.
    losses = at_exits(rows.losses(swept.answers, goal.risk), swept.exits[1:])
    choice = choose(losses, goal.target, goal.method, goal.risk.loss, goal.confidence)
    if choice.index is None or choice.risk is None or choice.bound is None:
        return Missed(_reason(goal, choice, fitted))
    index = choice.index + 1
    speedup = 1.0 / float(at_exits(rows.row_costs, swept.exits[index : index + 1]).mean())
    if speedup < 1.0:
        return Missed(
            f"early exit with a {goal.risk} of {100 * goal.target:.4g}% or less is expected to be slower than full "
            f"depth ({speedup:.2f}x): stay at full depth"
        )
    promise = Promise(goal.risk, goal.target, goal.method, choice.confidence, choice.risk, choice.bound)
    return _chosen(swept, index, promise)


def _chosen(swept: Swept, index: int, promise: Promise | None) -> Chosen:
    return Chosen(_rule(swept, index), promise, swept.exits[index], swept.answers)


def _rule(swept: Swept, index: int) -> Threshold:
    """The rule at a knob, with the safest of the thresholds that make no difference on these rows."""
    same = (swept.exits == swept.exits[index]).all(axis=1)
    threshold = float(swept.thresholds[same.argmax()])
    if isinstance(swept.criterion, PerExit) and threshold >= 1:
        return Threshold(1.0, swept.criterion.vector(int(threshold)))  # the other vectors are no longer needed
    return Threshold(threshold, swept.criterion)


def _reason(goal: AtMost, choice: Choice, fitted: int) -> str:
    needed = choice.needed
    assert needed is not None
    sure = "" if choice.confidence is None else f" with {choice.confidence:.4g} confidence"
    cures = []
    if needed.rows is not None and needed.rows > choice.rows:
        judging = needed.rows
        in_all = least_count(lambda rows: judging_rows(rows) >= judging) if fitted else judging
        cures.append(f"at least {in_all} rows")
    elif goal.method is not Method.EMPIRICAL:
        cures.append("more rows")
    if needed.target < 1:
        cures.append(f"a {goal.risk} of {np.ceil(needed.target * 1e4) / 1e4:.2%} allowed")
    return (
        f"no threshold keeps the {goal.risk} at {100 * goal.target:.4g}% or less{sure}, by method {goal.method} on "
        f"{choice.rows} rows{f', after {fitted} others served to fit the rule' if fitted else ''}; it takes "
        f"{' or '.join(cures) or 'another model'}"
    )
