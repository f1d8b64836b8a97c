"""Early exit on cached probabilities: does what the engine would do, without running the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.errors import DataError
from offramp.policy.rules import ExitRule
from offramp.policy.sweep import check_probabilities


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Where each row left, and its answer.

    ``exits`` (rows,) is the index of the exit taken. ``probabilities`` (rows, labels) is the calibrated answer: the
    rule's at an early exit, the model's own at the last. ``handed_over`` (rows,) marks rows whose answer is but a best
    guess, since the rule hands them over at the last exit.
    """

    exits: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    handed_over: NDArray[np.bool_]


def replay(exit_probabilities: NDArray[np.float64], rule: ExitRule, ends: NDArray[np.int64] | None = None) -> Replay:
    """Replays a rule; as in the engine, it sees only the rows that have not left yet.

    Args:
        exit_probabilities: (exits, rows, labels), calibrated.
        rule: decides and answers at every exit but the last, and hands over there.
        ends: the exit at which each row ends at the latest, (rows,), with the model's own answer; by default the last.

    Raises:
        DataError: the array does not have three dimensions or holds no exit.

    Example:
        >>> import numpy as np
        >>> from offramp.calibration import Problem
        >>> from offramp.policy import Confidence, Threshold, replay
        >>> two_exits = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.7, 0.3], [0.2, 0.8]]])
        >>> replay(two_exits, Threshold(0.8, Confidence(Problem.SINGLE_LABEL)))
        Replay(exits=array([0, 1]), probabilities=array([[0.9, 0.1], [0.2, 0.8]]), handed_over=array([False, False]))
    """
    check_probabilities(exit_probabilities)
    cached = np.ascontiguousarray(exit_probabilities)
    n_exits, n_rows, _ = cached.shape
    exits = np.full(n_rows, n_exits - 1, dtype=np.int64)
    answers = cached[-1].copy()
    rows, sure = np.arange(n_rows), np.zeros(n_rows, dtype=np.bool_)
    for index in range(n_exits - 1):
        if ends is not None and (ended := ends[rows] == index).any():
            exits[rows[ended]], answers[rows[ended]] = index, cached[index, rows[ended]]
            rows = rows[~ended]
        if not rows.size:
            break
        current, history = cached[index, rows], cached[:index].take(rows, axis=1)
        leaves = rule.decide(current, history)
        exits[rows[leaves]], sure[rows[leaves]] = index, True
        answers[rows[leaves]] = rule.answer(current[leaves], history.compress(leaves, axis=1))
        rows = rows[~leaves]
    handed_over = np.zeros(n_rows, dtype=np.bool_)
    if rule.may_hand_over:
        rows = np.flatnonzero(~sure)
        handed_over[rows] = rule.hands_over(cached[-1, rows], cached[:-1].take(rows, axis=1))
    return Replay(exits=exits, probabilities=answers, handed_over=handed_over)


def layers_run(
    exits: NDArray[np.int64],
    layers: Sequence[int],
    tokens: NDArray[np.integer[Any]],
    reads: NDArray[np.integer[Any]] | None = None,
) -> float:
    """The mean number of layers run per token.

    Args:
        exits: (rows,), the exit that each row took.
        layers: (exits,), number of layers run before each exit.
        tokens: (rows,), length of each row, in tokens.
        reads: tokens of each row that each stage reads, (exits, rows); by default all of them.

    Raises:
        DataError: there are no tokens, or lengths differ.
    """
    if exits.shape != tokens.shape or not tokens.sum() > 0:
        raise DataError(f"need the tokens of each row, at least one: got {tokens.shape} for {exits.shape} rows")
    if reads is None:
        return float(np.average(np.asarray(layers)[exits], weights=tokens))
    run = np.cumsum(np.diff(layers, prepend=0)[:, None] * reads, axis=0)
    return float(run[exits, np.arange(len(exits))].sum() / tokens.sum())


def exit_shares(exits: NDArray[np.int64], n_exits: int) -> NDArray[np.float64]:
    """The share of rows that left at each exit.

    Args:
        exits: (rows,), the exit that each row took, below ``n_exits``.
        n_exits: number of exits.

    Returns:
        (n_exits,), summing to 1.

    Raises:
        DataError: there are no rows.
    """
    if not len(exits):
        raise DataError("no rows: the shares of the exits are not defined")
    return np.bincount(exits, minlength=n_exits) / len(exits)
