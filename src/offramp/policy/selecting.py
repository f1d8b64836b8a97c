"""From goals and the name of a criterion to rules: which rows fit the criterion, and which judge it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offramp.calibration.evidence import added
from offramp.exit_names import part_of
from offramp.policy.abstaining import make_abstaining, plan_knobs, sweep_abstaining
from offramp.policy.answers import ExitAnswers
from offramp.policy.candidates import (
    FITTED,
    FITTING_SHARE,
    KNOBS,
    Swept,
    cross_fitted_gate,
    make_criterion,
    sweep,
    sweep_gate,
)
from offramp.policy.choosing import Chosen, Missed, choose_rule
from offramp.policy.criteria import Criterion
from offramp.policy.goals import AtMost, Exactly, Goal
from offramp.policy.limits import Risk
from offramp.policy.risk import Method
from offramp.policy.sequence import begin, doubted, shaped
from offramp.policy.sweep import at_exits, exits_taken


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
    """:func:`select_all` for one goal."""
    (selected,) = select_all([goal], name, rows, seed)
    return selected


def select_all(goals: Sequence[Goal], name: str, rows: ExitAnswers, seed: int = 0) -> list[Selected]:
    """Chooses the threshold of a criterion for each goal; one of :data:`FITTED` is fitted before, once for all.

    Where rows may be handed over, a part of the rows always decides with which threshold the test begins, and a gate
    foretells whether an answer is right.

    Where full depth does not keep the limits by definition, or not all rows count for them, the rows that fit the
    criterion also say at which threshold to begin, and at which exits rows may leave; see
    :mod:`offramp.policy.sequence`.

    What is promised is judged by rows that nothing was fitted to. Where nothing is promised, a gate is fitted to all
    rows, and each judges by a gate fitted to others.

    A text stage, or a model of a chain that is not the last, takes time of its own. Where a gate meets the goals better
    without it, by the rows that it is fitted to, it is passed over.

    Goals that differ in how much risk they allow come out in order: one that allows more is never slower. For all walk
    along the same thresholds of one criterion, judged by the same rows, and whoever may lose more walks at least as
    far. With a criterion for each goal the laxer one could come out slower; to take the faster of both afterwards would
    let the rows that judge them choose between them, and each could break its promise.

    Args:
        goals: what is wanted; several differ in how much risk they allow, and in nothing else.
        name: of :data:`offramp.policy.CRITERIA`.
        rows: with costs.
        seed: decides which rows fit.

    Raises:
        DataError: a goal needs labels, there are too few rows to fit and to judge, or no stage was measured.
    """
    goal, fitting, judging, places = goals[0], rows, rows, np.arange(len(rows))
    if isinstance(goal, AtMost) and goal.abstains:
        return [_select_abstaining(one, name, rows, seed) for one in goals if isinstance(one, AtMost)]
    if isinstance(goal, AtMost) and not goal.walks_from_full_depth:
        return [_select_in_sequence(one, name, rows, seed) for one in goals]
    fits = name in FITTED and (name != "gate" or _promises(goal))
    if fits:
        fitting, judging, places = _parted(rows, seed)
    passed_over: tuple[int, ...] = ()
    if name == "gate":
        passed_over = _worthless(goals, fitting, seed)
        judging = judging.passing_over(passed_over)
    if name == "gate" and not fits:
        swept = sweep_gate(rows, passed_over, seed)
    else:
        swept = sweep(judging, make_criterion(name, fitting, _risk(goal, rows), passed_over))
    fitted = len(fitting) if fits else 0
    return [Selected(choose_rule(goal, swept, judging, fitted=fitted), judging, places) for goal in goals]


def _select_abstaining(goal: AtMost, name: str, rows: ExitAnswers, seed: int) -> Selected:
    fitting, judging, places = _parted(rows, seed)
    criterion = make_abstaining(goal, name, fitting)
    swept = sweep_abstaining(judging, criterion, plan_knobs(goal, criterion, fitting, len(judging)))
    return Selected(choose_rule(goal, swept, judging, fitted=len(fitting)), judging, places)


def _select_in_sequence(goal: Goal, name: str, rows: ExitAnswers, seed: int) -> Selected:
    fitting, judging, places = _parted(rows, seed)
    walk = plan_walk(goal, name, fitting, len(judging), seed)
    judging = judging.passing_over(walk.passed_over)
    return Selected(choose_rule(goal, walk.over(judging), judging, fitted=len(fitting)), judging, places)


def _parted(rows: ExitAnswers, seed: int) -> tuple[ExitAnswers, ExitAnswers, NDArray[np.int64]]:
    """The rows that fit, those that judge, and the positions of the latter."""
    fitting, places = rows.split_places(FITTING_SHARE, seed)
    return rows.subset(fitting), rows.subset(places), places


@dataclass(frozen=True, slots=True)
class Walk:
    """What rows that do not judge decide.

    Attributes:
        criterion: fitted to them.
        passed_over: exits that it does without.
        knob: place of the first knob to be judged.
    """

    criterion: Criterion
    passed_over: tuple[int, ...]
    knob: int

    def over(self, rows: ExitAnswers) -> Swept:
        """The knobs to be judged, tried on rows that judge."""
        return sweep(rows, self.criterion).starting_at(self.knob)


def plan_walk(goal: Goal, name: str, rows: ExitAnswers, judging: int, seed: int = 0) -> Walk:
    """Fits a criterion, and chooses which exits it passes over and where the walk over its knobs begins.

    Args:
        goal: what other rows judge.
        name: of :data:`offramp.policy.CRITERIA`.
        rows: with costs, to fit to; none of those that judge.
        judging: number of these.
        seed: of the parts that are judged in turn.

    Raises:
        DataError: the goal needs labels, there are too few rows to fit, or no stage was measured.
    """
    if not isinstance(goal, AtMost) or goal.walks_from_full_depth:
        passed_over = _worthless([goal], rows, seed) if name == "gate" else ()
        return Walk(make_criterion(name, rows, _risk(goal, rows), passed_over), passed_over, 0)
    asked = added(rows.evidence, rows.sources)
    parts = [part for part in _parts(rows) if asked.isdisjoint(part)] if name == "gate" else []
    options = [
        (begin(goal, swept, rows.passing_over(passed_over), judging), passed_over)
        for passed_over in ((), *parts)
        for swept in _sequences(goal, name, rows, passed_over, seed)
    ]
    best, passed_over = max(options, key=lambda option: option[0].saving)
    return Walk(best.criterion, passed_over, best.knob)


def _sequences(goal: AtMost, name: str, rows: ExitAnswers, passed_over: tuple[int, ...], seed: int) -> Iterator[Swept]:
    """Sequences of knobs to choose from, tried on the rows that a criterion is fitted to."""
    if name != "gate":
        yield sweep(rows, make_criterion(name, rows, _risk(goal, rows)))
        return
    criterion, scores = cross_fitted_gate(rows, passed_over, seed)
    thresholds = criterion.knob(len(rows.layers)).grid(KNOBS)[::-1]
    swept = Swept(criterion, thresholds, exits_taken(scores, thresholds), rows.probabilities)
    yield from shaped(swept, scores) if goal.each_exit else [swept, *doubted(goal, swept, scores, rows)]


def _promises(goal: Goal) -> bool:
    return isinstance(goal, AtMost) and goal.method is not Method.EMPIRICAL


def _risk(goal: Goal, rows: ExitAnswers) -> Risk:
    """The risk that a criterion which is fitted to a risk keeps low."""
    risks = [limit.risk for limit in goal.limits] if isinstance(goal, AtMost) else []
    compared = (risk for risk in (Risk.DISAGREEMENT, Risk.LABELS_CHANGED) if risk in risks)
    return next(compared, rows.best_risk)


def _worthless(goals: Sequence[Goal], rows: ExitAnswers, seed: int) -> tuple[int, ...]:
    """The exits without which a gate meets the goals as well: of text stages, and of all but the last model of a chain.

    They are left out one part after the other, the costliest, which come last, first.
    """
    passed_over: tuple[int, ...] = ()
    parts = _parts(rows)
    if len(rows) < 2 or not parts or isinstance(goals[0], Exactly):
        return passed_over
    worth = _worth(goals, sweep_gate(rows, passed_over, seed), rows)
    for part in reversed(parts):
        asked = [weight * (index not in passed_over) for index, weight in enumerate(rows.evidence)]
        if not added(asked, rows.sources).isdisjoint(part):
            continue
        fewer = (*part, *passed_over)
        without = _worth(goals, sweep_gate(rows, fewer, seed), rows.passing_over(fewer))
        if without >= worth:
            passed_over, worth = fewer, without
    return passed_over


def _parts(rows: ExitAnswers) -> list[tuple[int, ...]]:
    """The exits of each text stage and each model of a chain, but for the last."""
    parts = part_of(rows.names)
    return [tuple(index for index, own in enumerate(parts) if own == part) for part in range(parts[-1])]


def _worth(goals: Sequence[Goal], swept: Swept, rows: ExitAnswers) -> float:
    """How well goals are met: the more times faster the better, or the more right answers."""
    return sum(_worth_of(goal, swept, rows) for goal in goals)


def _worth_of(goal: Goal, swept: Swept, rows: ExitAnswers) -> float:
    seen = replace(goal, method=Method.EMPIRICAL) if isinstance(goal, AtMost) else goal
    choice = choose_rule(seen, swept, rows)
    if isinstance(goal, AtMost):
        return 0.0 if isinstance(choice, Missed) else -float(np.log(rows.cost(choice.exits)))
    if isinstance(choice, Missed):
        return -float("inf")
    return -float(at_exits(rows.losses(choice.answers, rows.best_risk), choice.exits[None]).mean())
