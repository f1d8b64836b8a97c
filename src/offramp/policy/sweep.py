"""Every threshold of a rule at once: each exit's scores are computed only once, then compared."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.policy.criteria import Array, Criterion


@dataclass(frozen=True, slots=True, eq=False)
class ExitScores:
    """A criterion's scores and answers for cached probabilities.

    Attributes:
        scores: at every exit but the last, (exits - 1, rows), or at every exit, (exits, rows).
        answers: probabilities that answer a row if it leaves there, (exits, rows, labels); at the last exit the model's
            own.
    """

    scores: Array
    answers: Array


def repeated(by_exit: NDArray[Any], ends: NDArray[np.int64]) -> NDArray[Any]:
    """Lets each row keep, at exits that it cannot reach, what it has at the exit where it ends.

    Args:
        by_exit: (exits, rows, ...).
        ends: the exit at which each row ends at the latest, (rows,).
    """
    exits = np.minimum(np.arange(len(by_exit))[:, None], ends)
    return np.take_along_axis(by_exit, exits.reshape(*exits.shape, *(1,) * (by_exit.ndim - 2)), axis=0)


def score_exits(
    exit_probabilities: Array, criterion: Criterion, *, last: bool = False, ends: NDArray[np.int64] | None = None
) -> ExitScores:
    """Scores every row at every exit, as if it had reached it.

    Args:
        exit_probabilities: (exits, rows, labels), calibrated.
        criterion: the criterion to score with.
        last: score the last exit, too, for rules that may hand rows over there.
        ends: the exit at which each row ends at the latest, (rows,): there it leaves in any case, with the model's own
            answer; by default the last.

    Raises:
        DataError: the array does not have three dimensions or holds no exit.
    """
    check_probabilities(exit_probabilities)
    exits = np.ascontiguousarray(exit_probabilities)
    early = range(len(exits) - 1)
    scored = range(len(exits) - (not last))
    scores = [criterion.score(exits[index], exits[:index]) for index in scored]
    answers = [criterion.answer(exits[index], exits[:index]) for index in early]
    found = np.array(scores, dtype=np.float64).reshape(len(scored), exits.shape[1])
    answered = np.stack([*answers, exits[-1]])
    if ends is not None:
        ended = np.arange(len(exits))[:, None] >= ends
        # Whether a row is handed over is decided where the last exit is scored, and nowhere before.
        found[: len(early)][ended[:-1]] = -np.inf if last else np.inf
        answered[ended] = exits[ended]
    return ExitScores(found, answered)


def exits_taken(scores: Array, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Finds the exit that each row takes at each threshold, exactly as :func:`offramp.policy.replay` does.

    Args:
        scores: (exits - 1, rows), or (exits, rows); then a row that reaches no threshold, not even at the last exit,
            is handed over, as if that were one exit more.
        thresholds: (knobs,), or one for each exit that has scores, (knobs, exits - 1).

    Returns:
        (knobs, rows).

    Raises:
        DataError: the thresholds have another shape.
    """
    values = np.asarray(thresholds, dtype=np.float64)
    n_early, n_rows = scores.shape
    if values.ndim == 1:
        values = np.repeat(values[:, None], n_early, axis=1)
    if values.ndim != 2 or values.shape[1] != n_early:
        raise DataError(f"thresholds have shape {values.shape}; use (knobs,) or (knobs, {n_early}), one for each exit")
    exits = np.zeros((len(values), n_rows), dtype=np.int64)
    staying = np.ones(exits.shape, dtype=np.bool_)
    for index in range(n_early):
        staying &= ~(scores[index] >= values[:, index, None])  # not "<": a NaN stays
        exits += staying
    return exits


def at_exits(by_exit: NDArray[Any], exits: NDArray[np.int64]) -> NDArray[Any]:
    """Looks up each row's value at the exit it takes.

    Args:
        by_exit: (exits, rows), such as losses or costs.
        exits: (knobs, rows).

    Returns:
        (knobs, rows).
    """
    return np.take_along_axis(by_exit, exits, axis=0)


def disagreement(answers: Array, problem: Problem, reference: NDArray[Any] | None = None) -> Array:
    """Whether leaving changes the prediction: 1 if it differs from the last exit's, 0 if not.

    Args:
        answers: (exits, rows, labels).
        problem: one label or a set of labels.
        reference: predictions to compare with instead of the last exit's, int (rows,) or 0/1 (rows, labels).

    Returns:
        (exits, rows); 0 at the last exit where there is no other reference. Needs no labels.
    """
    compared = problem.predicted(answers[-1]) if reference is None else reference
    return (~problem.right(answers, compared)).astype(np.float64)


def labels_changed(answers: Array, problem: Problem, reference: NDArray[Any] | None = None) -> Array:
    """The share of labels on which the set of a row that leaves differs from the last exit's.

    Args:
        answers: (exits, rows, labels), of a model that gives any number of labels.
        problem: a set of labels.
        reference: sets to compare with instead of the last exit's, 0/1 (rows, labels).

    Returns:
        (exits, rows), from 0 to 1; 0 at the last exit where there is no other reference. Needs no labels.
    """
    sets = problem.predicted(answers)
    return np.asarray((sets != (sets[-1] if reference is None else reference)).mean(axis=-1))


def accuracy_drop(
    answers: Array, targets: NDArray[Any], problem: Problem, reference: NDArray[Any] | None = None
) -> Array:
    """The accuracy lost by leaving: (right at full depth) - (right here), so that the mean is the drop.

    Args:
        answers: (exits, rows, labels).
        targets: int (rows,) or 0/1 (rows, labels).
        problem: one label or a set of labels.
        reference: predictions that count as full depth's, in the form of targets.

    Returns:
        (exits, rows), each -1 (leaving corrects the answer), 0, or 1 (leaving spoils it); 0 at the last exit where
        there is no other reference.
    """
    right = problem.right(answers, targets).astype(np.float64)
    compared = right[-1] if reference is None else problem.same(reference, targets).astype(np.float64)
    return np.asarray(compared - right)


def row_costs(
    stage_costs: ArrayLike, tokens: NDArray[np.integer[Any]] | None = None, full: float | None = None
) -> Array:
    """The cost of each row up to each exit, as a multiple of a row's mean cost at full depth.

    Args:
        stage_costs: (exits,), of each stage with its exit, in any unit; not cumulative. The first includes everything
            that no row can skip, such as tokenization.
        tokens: (rows,), if a row's cost is proportional to its tokens; or those that each stage reads of it, (exits,
            rows). By default all rows cost the same.
        full: cost of full depth in the same unit, if it is not the sum over the stages; in one go it may be cheaper.

    Returns:
        (exits, rows), or (exits, 1) without tokens; not falling from exit to exit.

    Raises:
        DataError: a cost is negative or not finite, all are 0, or there are no tokens.
    """
    costs = np.asarray(stage_costs, dtype=np.float64)
    if costs.ndim != 1 or not costs.size or not np.isfinite(costs).all() or costs.min() < 0 or not costs.sum() > 0:
        raise DataError(f"stage_costs are {costs.tolist()}; give one finite cost from 0 on for each exit, not all 0")
    whole = costs.sum() if full is None else full
    if tokens is None:
        return np.asarray(np.cumsum(costs)[:, None] / whole)
    if not tokens.size or not tokens.sum() > 0:
        raise DataError(f"need the tokens of each row, at least one: got {tokens.shape}")
    if tokens.ndim == 1:
        return np.asarray(np.cumsum(costs)[:, None] / whole * (tokens / tokens.mean()))
    relative = tokens / np.maximum(tokens.mean(axis=1, keepdims=True), 1e-9)
    return np.asarray(np.cumsum(costs[:, None] * relative, axis=0) / whole)


def check_probabilities(exit_probabilities: Array) -> None:
    """Checks for the shape (exits, rows, labels) with at least one exit.

    Raises:
        DataError: it has another shape.
    """
    if exit_probabilities.ndim != 3 or not len(exit_probabilities):
        raise DataError(f"need probabilities of shape (exits, rows, labels), got {exit_probabilities.shape}")
