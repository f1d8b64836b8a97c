"""Where the walk over knobs begins, for limits that full depth does not keep by definition or that are about some rows.

At the safest knobs hardly any row leaves at the first exits, and few rows prove nothing about those that do; a walk
from there would end at once. Any sequence of knobs is valid if it does not depend on the rows that judge them. So rows
of their own, which fit the criterion, say from which knob on the limits are likely to be kept, at which of the first
exits too few rows would leave, so that they are better closed, and whether the first open one has to be surer.

Source: Laufer-Goldenshluger et al., "Efficiently Controlling Multiple Risks with Pareto Testing", ICLR 2023 (a sequence
of hypotheses that other rows choose); Ringel et al., "Early Time Classification with Accumulated Accuracy Gap Control",
ICML 2024 (thresholds for each exit, from other rows).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.policy.answers import ExitAnswers
from offramp.policy.candidates import Swept
from offramp.policy.choosing import limited
from offramp.policy.criteria import Array, Criterion
from offramp.policy.frontier import PerExit
from offramp.policy.gate import Gate
from offramp.policy.goals import AtMost
from offramp.policy.limits import Limit
from offramp.policy.sweep import at_exits, exits_taken

# The walk begins at the fastest knob that is all but certain to be kept.
_CERTAIN = 0.98
# How much less may be doubted at the first open exit than at the others.
_DOUBTS = (1.0, 0.5, 0.25)
# By how much log-odds are lowered where the answer would be a label that a limit is about.
_LABEL_DOUBTS = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)


@dataclass(frozen=True, slots=True, eq=False)
class Beginning:
    """Where a walk begins, and what it is worth.

    Attributes:
        criterion: fitted to the rows that chose this.
        knob: the first of its knobs to be judged.
        saving: the share of full depth's cost that is saved at the best knob, times its chance to be certified.
    """

    criterion: Criterion
    knob: int
    saving: float


def begin(goal: AtMost, swept: Swept, rows: ExitAnswers, judging: int) -> Beginning:
    """Chooses where to begin, by rows that do not judge; arguments as for :func:`chances_to_pass`."""
    chances = chances_to_pass(goal, swept, rows, judging)
    if swept.from_full_depth:
        chances[0] = 0.0  # which is no candidate
    certain = np.flatnonzero(chances >= _CERTAIN)
    first = int(certain[-1]) if certain.size else int(chances.argmax())
    savings = chances * (1.0 - at_exits(rows.row_costs, swept.exits).mean(axis=1))
    return Beginning(swept.criterion, first, float(savings.max()))


def shaped(swept: Swept, scores: Array) -> Iterator[Swept]:
    """The same knobs with some of the first exits closed, or with the first open one surer than the others.

    Args:
        swept: a criterion whose scores are probabilities.
        scores: what it says of the rows, (exits - 1, rows).
    """
    yield swept
    levels, n_early = swept.thresholds[1:-1], len(scores)  # neither full depth nor the first exit
    closed = swept.criterion.knob(n_early + 1).full_depth
    for number in range(n_early):
        for doubt in _DOUBTS:
            if number or doubt < 1:
                vectors = np.repeat(levels[:, None], n_early, axis=1)
                vectors[:, :number] = closed
                vectors[:, number] = 1.0 - doubt * (1.0 - levels)
                criterion = PerExit(swept.criterion, tuple(map(tuple, vectors[::-1].tolist())))
                knobs = criterion.knob(n_early + 1).grid(len(swept.thresholds))[::-1]
                exits = np.concatenate([swept.exits[:1], exits_taken(scores, vectors), np.zeros_like(swept.exits[:1])])
                yield replace(swept, criterion=criterion, thresholds=knobs, exits=exits)


def doubted(goal: AtMost, swept: Swept, scores: Array, rows: ExitAnswers) -> Iterator[Swept]:
    """The same knobs with a threshold of its own for a label that a limit is about, stricter or laxer than the others'.

    What is limited is the precision or recall of that label: of rows that are answered otherwise, few or all can spoil
    it, so to treat all alike is too careful with one of both.
    With several limits there are none: the few rows that fit choose badly then (``benchmarks/labels.py``).

    Args:
        goal: with a limit on a label, or other limits.
        swept: a gate.
        scores: what it says of the rows, (exits - 1, rows).
        rows: that the gate is fitted to.
    """
    gate = swept.criterion
    assert isinstance(gate, Gate)
    (limit, *more) = goal.limits
    if limit.label is None or more:
        return
    log_odds = scipy.special.logit(scores)
    for doubt in _LABEL_DOUBTS:
        doubting = replace(gate, doubts=tuple(doubt * (label == limit.label) for label in rows.labels))
        less_sure = scipy.special.expit(log_odds - doubting.doubted(rows.probabilities[:-1]))
        yield replace(swept, criterion=doubting, exits=exits_taken(less_sure, swept.thresholds))


def chances_to_pass(goal: AtMost, swept: Swept, rows: ExitAnswers, judging: int) -> Array:
    """The chance that all limits of a goal are certified on ``judging`` other rows, at each knob: (knobs,).

    The chance of the least likely limit stands for all, since they fail together more often than not.

    Raises:
        DataError: a limit needs labels or a reference, and there are none.
    """
    chances = [_chances(goal, limit, swept, rows, judging / len(rows)) for limit in goal.limits_at(rows.names)]
    return np.asarray(np.min(chances, axis=0))


def _chances(goal: AtMost, limit: Limit, swept: Swept, rows: ExitAnswers, scale: float) -> Array:
    """The chance that so few rows are lost that the binomial test certifies the limit, given how many are lost here.

    A rare loss is a Poisson count; with Jeffreys' prior for its rate the count among other rows is negative binomial.
    """
    losses, empty = limited(limit, rows.limited(swept.answers, limit), swept, rows)
    expected = np.floor(scale * (~np.isnan(losses)).sum(axis=1)).astype(np.int64)
    lost = np.nansum(np.maximum(losses, 0.0), axis=1)
    most = most_lost(expected, limit.target, 1.0 - goal.confidence)
    chances = scipy.special.betainc(lost + 0.5, np.maximum(most, 0) + 1.0, 1.0 / (1.0 + scale))
    return np.where(empty, 1.0, np.where(most < 0, 0.0, chances))


def most_lost(rows: NDArray[np.int64], target: float, level: float) -> NDArray[np.int64]:
    """The greatest number of lost rows at which the binomial test certifies a target; -1 where none does."""
    most = np.asarray(scipy.stats.binom.ppf(level, rows, target)).astype(np.int64)
    return np.where(scipy.special.bdtr(most, rows, target) <= level, most, most - 1)
