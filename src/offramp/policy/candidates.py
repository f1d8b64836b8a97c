"""Making criteria by name, fitting those that need it, and comparing all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.policy.answers import ExitAnswers
from offramp.policy.comparison import AtCost, Outcomes, compare
from offramp.policy.criteria import Array, Confidence, Criterion
from offramp.policy.frontier import search_thresholds
from offramp.policy.gate import fit_gate
from offramp.policy.points import Risk
from offramp.policy.stored import CRITERIA
from offramp.policy.sweep import at_exits, exits_taken, score_exits

KNOBS = 200

FITTED = frozenset({"gate", "per-exit"})
"""Criteria that are fitted to rows, which must not be the rows that judge them."""

FITTING_SHARE = 0.25
"""The share of rows used for fitting; more would leave too few for judging, see ``benchmarks/rules.py``."""


def judging_rows(rows: int) -> int:
    """How many rows are left to judge a criterion after :data:`FITTING_SHARE` of them were used to fit it."""
    return rows - max(1, int(FITTING_SHARE * rows))


def make_criterion(name: str, rows: ExitAnswers, risk: Risk) -> Criterion:
    """Makes a criterion for the model that answered the rows.

    Args:
        name: one of :data:`offramp.policy.CRITERIA`.
        rows: what the criteria in :data:`FITTED` are fitted to.
        risk: the risk that fitted criteria keep low.

    Raises:
        DataError: there are no rows to fit to, the risk needs labels, or the stages were not measured.
    """
    problem = rows.problem
    if name == "gate":
        return fit_gate(rows.probabilities, rows.good(rows.probabilities, risk), problem)
    if name == "per-exit":
        scored = score_exits(rows.probabilities, Confidence(problem))
        losses = rows.losses(scored.answers, risk)
        return search_thresholds(scored.scores, losses, rows.row_costs, Confidence(problem))
    return CRITERIA[name].of(problem, rows.reaching)


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """A criterion at every threshold worth trying.

    Attributes:
        thresholds: from the safest to the fastest, (knobs,); the first is full depth.
        exits: the exit that each row takes, (knobs, rows).
        answers: the answer to each row if it leaves at each exit, (exits, rows, labels).
    """

    criterion: Criterion
    thresholds: Array
    exits: NDArray[np.int64]
    answers: Array


def sweep(rows: ExitAnswers, criterion: Criterion) -> Swept:
    """Tries the thresholds of :meth:`offramp.policy.Knob.grid`, which do not depend on the rows."""
    thresholds = criterion.knob(len(rows.layers)).grid(KNOBS)[::-1]
    scored = score_exits(rows.probabilities, criterion)
    return Swept(criterion, thresholds, exits_taken(scored.scores, thresholds), scored.answers)


def compare_rules(rows: ExitAnswers, speedups: Sequence[float], seed: int = 0) -> tuple[AtCost, ...]:
    """Compares all criteria at equal cost: their accuracy or, without labels, their agreement with full depth.

    All are judged on one half of the rows; the other half is used to fit the criteria that need it.

    Args:
        rows: answers to rows.
        speedups: over full depth, to compare at; those out of reach are left out.
        seed: of the halves and of the resamples.

    Returns:
        One for each criterion and cost, in that order; gains are relative to the first, confidence. See
        :func:`offramp.policy.compare`.

    Raises:
        DataError: there are fewer than two rows.
    """
    fitting, judging = rows.split(0.5, seed)
    risk, costs = rows.best_risk, judging.row_costs
    outcomes = {}
    for name in CRITERIA:
        swept = sweep(judging, make_criterion(name, fitting, risk))
        right = judging.good(swept.answers, risk).astype(np.float64)
        outcomes[name] = Outcomes(at_exits(right, swept.exits), at_exits(costs, swept.exits))
    least, most = costs[0].mean(), costs[-1].mean()
    reached = [1 / speedup for speedup in speedups if least <= 1 / speedup <= most]
    return compare(outcomes, reached, seed=seed) if reached else ()
