"""From a goal and the name of a criterion to a rule: which rows fit the criterion, and which judge it."""

from dataclasses import dataclass, replace

from offramp.policy.answers import ExitAnswers
from offramp.policy.candidates import FITTED, FITTING_SHARE, Swept, make_criterion, sweep, sweep_gate
from offramp.policy.choosing import AtLeast, AtMost, Chosen, Exactly, Goal, Missed, choose_rule
from offramp.policy.points import Risk
from offramp.policy.risk import Method
from offramp.policy.sweep import at_exits


@dataclass(frozen=True, slots=True, eq=False)
class Selected:
    """What a criterion came to.

    Attributes:
        choice: the rule, or why there is none.
        rows: that judged it; stages that it passes over take no time.
    """

    choice: Chosen | Missed
    rows: ExitAnswers


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
    if name not in FITTED:
        return Selected(choose_rule(goal, sweep(rows, make_criterion(name, rows, _risk(goal, rows))), rows), rows)
    if name == "gate" and not _promises(goal):
        passed_over = _not_worth_asking(goal, rows, seed)
        judging = rows.passing_over(passed_over)
        return Selected(choose_rule(goal, sweep_gate(judging, passed_over, seed), judging), judging)
    fitting, judging = rows.split(FITTING_SHARE, seed)
    passed_over = _not_worth_asking(goal, fitting, seed) if name == "gate" else ()
    judging = judging.passing_over(passed_over)
    swept = sweep(judging, make_criterion(name, fitting, _risk(goal, rows), passed_over))
    return Selected(choose_rule(goal, swept, judging, fitted=len(fitting)), judging)


def _promises(goal: Goal) -> bool:
    return isinstance(goal, AtMost) and goal.method is not Method.EMPIRICAL


def _risk(goal: Goal, rows: ExitAnswers) -> Risk:
    return goal.risk if isinstance(goal, AtMost) else rows.best_risk


def _not_worth_asking(goal: Goal, rows: ExitAnswers, seed: int) -> tuple[int, ...]:
    """The exits before the first layer, if the goal is met as well without them; otherwise none.

    Exits whose answers others add are asked in any case.
    """
    added = {source for source, weight in zip(rows.sources, rows.evidence, strict=False) if weight}
    first = tuple(index for index, layers in enumerate(rows.layers[:-1]) if layers == 0 and index not in added)
    if not first or isinstance(goal, Exactly) or len(rows) < 2:
        return ()
    seen = replace(goal, method=Method.EMPIRICAL) if isinstance(goal, AtMost) else goal
    asked, unasked = (_worth(seen, sweep_gate(rows, exits, seed), rows.passing_over(exits)) for exits in ((), first))
    return first if unasked >= asked else ()


def _worth(goal: AtMost | AtLeast, swept: Swept, rows: ExitAnswers) -> float:
    """How well a goal is met: the less time the better, or the more right answers."""
    choice = choose_rule(goal, swept, rows)
    if isinstance(choice, Missed):
        return -float("inf")
    if isinstance(goal, AtMost):
        return -rows.cost(choice.exits)
    return -float(at_exits(rows.losses(choice.answers, rows.best_risk), choice.exits[None]).mean())
