"""From a goal and the name of a criterion to a rule: which rows fit the criterion, and which judge it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offramp.calibration.evidence import added
from offramp.policy.answers import ExitAnswers
from offramp.policy.candidates import FITTED, FITTING_SHARE, Swept, make_criterion, sweep, sweep_gate
from offramp.policy.choosing import AtLeast, AtMost, Chosen, Exactly, Goal, Missed, choose_rule
from offramp.policy.limits import Risk
from offramp.policy.risk import Method
from offramp.policy.sweep import at_exits


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """What a criterion came to.

    Attributes:
        choice: the rule, or why there is none.
        rows: that judged it; stages that it passes over take no time.
        places: positions of these among the rows given, (rows,).
    """

    choice: Chosen | Missed
    rows: ExitAnswers
    places: NDArray[np.int64]


def select(goal: Goal, name: str, rows: ExitAnswers, seed: int = 0) -> Selected:
    """Chooses the threshold of a criterion; one of :data:`FITTED` is fitted before.

    What is promised is judged by rows that nothing was fitted to. Where nothing is promised, a gate is fitted to all
    rows, and each judges by a gate fitted to others.

    An exit before the first layer takes a stage of its own. Where a gate meets the goal better without it, by the
    rows that it is fitted to, it is passed over.

    Args:
        goal: what is wanted.
        name: of :data:`offramp.policy.CRITERIA`.
        rows: with costs.
        seed: decides which rows fit.

    Raises:
        DataError: the goal needs labels, there are too few rows to fit and to judge, or no stage was measured.
    """
    everyone = np.arange(len(rows))
    if name not in FITTED:
        swept = sweep(rows, make_criterion(name, rows, _risk(goal, rows)))
        return Selected(choose_rule(goal, swept, rows), rows, everyone)
    if name == "gate" and not _promises(goal):
        passed_over, swept = _better_gate(goal, rows, _may_be_passed_over(goal, rows), seed)
        judging = rows.passing_over(passed_over)
        return Selected(choose_rule(goal, swept, judging), judging, everyone)
    fitting_places, places = rows.split_places(FITTING_SHARE, seed)
    fitting, judging = rows.subset(fitting_places), rows.subset(places)
    passed_over = _may_be_passed_over(goal, fitting) if name == "gate" else ()
    if passed_over:
        passed_over, _ = _better_gate(goal, fitting, passed_over, seed)
    judging = judging.passing_over(passed_over)
    swept = sweep(judging, make_criterion(name, fitting, _risk(goal, rows), passed_over))
    return Selected(choose_rule(goal, swept, judging, fitted=len(fitting)), judging, places)


def _promises(goal: Goal) -> bool:
    return isinstance(goal, AtMost) and goal.method is not Method.EMPIRICAL


def _risk(goal: Goal, rows: ExitAnswers) -> Risk:
    """The risk that a criterion which is fitted to a risk keeps low."""
    risks = [limit.risk for limit in goal.limits] if isinstance(goal, AtMost) else []
    return Risk.DISAGREEMENT if Risk.DISAGREEMENT in risks else rows.best_risk


def _may_be_passed_over(goal: Goal, rows: ExitAnswers) -> tuple[int, ...]:
    """The exits before the first layer, but for those whose answers others add; none if nothing can be compared."""
    if isinstance(goal, Exactly) or len(rows) < 2:
        return ()
    asked = added(rows.evidence, rows.sources)
    return tuple(index for index, layers in enumerate(rows.layers[:-1]) if layers == 0 and index not in asked)


def _better_gate(goal: Goal, rows: ExitAnswers, skippable: tuple[int, ...], seed: int) -> tuple[tuple[int, ...], Swept]:
    """The exits to pass over, if the goal is met as well without them, otherwise none; and the gate without these."""
    asking = sweep_gate(rows, (), seed)
    if not skippable or isinstance(goal, Exactly):
        return (), asking
    skipping = sweep_gate(rows, skippable, seed)
    seen = replace(goal, method=Method.EMPIRICAL) if isinstance(goal, AtMost) else goal
    enough = _worth(seen, skipping, rows.passing_over(skippable)) >= _worth(seen, asking, rows)
    return (skippable, skipping) if enough else ((), asking)


def _worth(goal: AtMost | AtLeast, swept: Swept, rows: ExitAnswers) -> float:
    """How well a goal is met: the less time the better, or the more right answers."""
    choice = choose_rule(goal, swept, rows)
    if isinstance(choice, Missed):
        return -float("inf")
    if isinstance(goal, AtMost):
        return -rows.cost(choice.exits)
    return -float(at_exits(rows.losses(choice.answers, rows.best_risk), choice.exits[None]).mean())
