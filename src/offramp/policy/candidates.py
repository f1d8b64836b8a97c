"""Making criteria by name, fitting those that need it, and comparing all of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offramp.errors import DataError
from offramp.policy.answers import ExitAnswers
from offramp.policy.comparison import AtCost, Outcomes, compare
from offramp.policy.criteria import Array, Confidence, Criterion
from offramp.policy.frontier import search_thresholds
from offramp.policy.gate import fit_gate
from offramp.policy.limits import Risk
from offramp.policy.stored import CRITERIA
from offramp.policy.sweep import at_exits, exits_taken

KNOBS = 200

_FOLDS = 5

FITTED = frozenset({"gate", "per-exit"})
"""Criteria that are fitted to rows, which must not be the rows that judge them."""

FITTING_SHARE = 0.25
"""The share of rows used for fitting; more would leave too few for judging, see ``benchmarks/rules.py``."""


def judging_rows(rows: int) -> int:
    """How many rows are left to judge a criterion after :data:`FITTING_SHARE` of them were used to fit it."""
    return rows - max(1, int(FITTING_SHARE * rows))


def make_criterion(name: str, rows: ExitAnswers, risk: Risk, passed_over: Collection[int] = ()) -> Criterion:
    """Makes a criterion for the model that answered the rows.

    Args:
        name: one of :data:`offramp.policy.CRITERIA`.
        rows: what the criteria in :data:`FITTED` are fitted to.
        risk: the risk that ``per-exit`` keeps low. A gate learns when exits agree with full depth, whatever the risk:
            early exits change accuracy for the better as well as for the worse, so rows tell less about it.
        passed_over: exits that a gate does without, see :func:`offramp.policy.gate.fit_gate`.

    Raises:
        DataError: there are no rows to fit to, the risk needs labels, or the stages were not measured.
    """
    problem = rows.problem
    if name == "gate":
        return fit_gate(rows.probabilities, rows.agree(rows.probabilities), problem, passed_over, ends=rows.ends)
    if name == "per-exit":
        scored = rows.scores(Confidence(problem))
        losses = rows.losses(scored.answers, risk)
        return search_thresholds(scored.scores, losses, rows.row_costs, Confidence(problem))
    return CRITERIA[name].of(problem, rows.reaching)


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """A criterion at every threshold worth trying.

    Attributes:
        thresholds: from the safest to the fastest, (knobs,); the first is full depth, unless slower ones were cut off.
        exits: the exit that each row takes, (knobs, rows).
        answers: the answer to each row if it leaves at each exit, (exits, rows, labels).
        handed_over: whether each row is handed over, (knobs, rows); None if none may be.
        answer_from: the thresholds of the last exit then, (knobs,).
    """

    criterion: Criterion
    thresholds: Array
    exits: NDArray[np.int64]
    answers: Array
    handed_over: NDArray[np.bool_] | None = None
    answer_from: Array | None = None

    @property
    def from_full_depth(self) -> bool:
        """Whether no row can leave early at the first knob."""
        return not any(self._lets_leave(float(self.thresholds[0])))

    def starting_at(self, knob: int) -> "Swept":
        """Without the knobs before the given one."""
        return replace(self, thresholds=self.thresholds[knob:], exits=self.exits[knob:])

    @property
    def open(self) -> NDArray[np.bool_]:
        """Whether any row could leave at each exit but the last, whatever the row: bool (knobs, exits - 1)."""
        rows = [self._lets_leave(float(knob)) for knob in self.thresholds]
        return np.array(rows, dtype=np.bool_).reshape(len(self.thresholds), len(self.answers) - 1)

    def _lets_leave(self, threshold: float) -> list[bool]:
        n_exits = len(self.answers)
        return [self.criterion.lets_leave(exit_index, threshold, n_exits) for exit_index in range(n_exits - 1)]


def sweep(rows: ExitAnswers, criterion: Criterion) -> Swept:
    """Tries the thresholds of :meth:`offramp.policy.Knob.grid`, which do not depend on the rows."""
    thresholds = criterion.knob(len(rows.layers)).grid(KNOBS)[::-1]
    scored = rows.scores(criterion)
    return Swept(criterion, thresholds, exits_taken(scored.scores, thresholds), scored.answers)


def sweep_gate(rows: ExitAnswers, passed_over: Collection[int] = (), seed: int = 0) -> Swept:
    """Fits a gate to all rows and tries thresholds on the same: each row is judged by a gate that has not seen it.

    A gate's score is a probability, so that a threshold means the same to gates fitted to other rows of the kind. That
    uses every row twice and promises nothing: thresholds that are to be certified need rows that no gate was fitted to.

    Args:
        rows: to fit to and to judge by.
        passed_over: exits that the gate does without.
        seed: of the parts that are judged in turn.

    Raises:
        DataError: there are fewer than two rows.
    """
    criterion, scores = cross_fitted_gate(rows, passed_over, seed)
    thresholds = criterion.knob(len(rows.layers)).grid(KNOBS)[::-1]
    return Swept(criterion, thresholds, exits_taken(scores, thresholds), rows.probabilities)


def cross_fitted_gate(rows: ExitAnswers, passed_over: Collection[int] = (), seed: int = 0) -> tuple[Criterion, Array]:
    """A gate fitted to all rows, and scores of each row by a gate that has not seen it, (exits - 1, rows).

    Raises:
        DataError: there are fewer than two rows.
    """
    if len(rows) < 2:
        raise DataError(f"{len(rows)} row cannot be split into one part for fitting and one for judging; give more")

    def fitted(to: ExitAnswers) -> Criterion:
        return make_criterion("gate", to, Risk.DISAGREEMENT, passed_over)

    scores = np.empty((len(rows.layers) - 1, len(rows)))
    order = np.random.default_rng(seed).permutation(len(rows))
    for part in np.array_split(order, min(_FOLDS, len(rows))):
        others = np.setdiff1d(order, part)
        scores[:, part] = rows.subset(part).scores(fitted(rows.subset(others))).scores
    return fitted(rows), scores


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
