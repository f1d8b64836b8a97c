"""Rows that have come to their end: at full depth, or where a long text was read to the end of its last window.

They all leave. What a rule is asked of them is but whether it hands them over instead of answering them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Cascade
from offramp.engine.windows import SoFar
from offramp.policy import ExitRule


def ended_at(cascade: Cascade, exit_index: int, rows: int, so_far: SoFar | None) -> NDArray[np.bool_]:
    """Which rows have come to their end at an exit, (rows,).

    Args:
        rows: how many there are.
        so_far: of these rows, where they are read window by window.
    """
    if cascade.full_depth(exit_index):
        return np.ones(rows, np.bool_)
    return np.zeros(rows, np.bool_) if so_far is None else so_far.ends == exit_index


def handed_over_at_end(
    cascade: Cascade,
    exit_index: int,
    ended: NDArray[np.bool_],
    rules: Sequence[tuple[ExitRule, NDArray[np.int64]]],
    probabilities: NDArray[np.float64],
    passed: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which of the rows that have come to their end at an exit are handed over, (rows,); false for all others.

    Args:
        ended: which those are, (rows,).
        rules: each with the positions of the rows that it decides on.
        probabilities: calibrated, at this exit, (rows, labels).
        passed: the same at the exits passed, (exits, rows, labels).
    """
    handed_over = np.zeros(len(ended), np.bool_)
    for rule, positions in rules:
        if rule.may_hand_over and len(at_end := positions[ended[positions]]):
            # A row that was read to its end before the last exit would say the same at all that follow.
            further = len(cascade.places) - 1 - exit_index
            history = np.concatenate([passed, *[probabilities[None]] * further])
            handed_over[at_end] = rule.hands_over(*seen_at(probabilities, history, at_end))
    return handed_over


def seen_at(
    probabilities: NDArray[np.float64], passed: NDArray[np.float64], positions: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a rule sees of the rows at some positions: this exit's probabilities, and those of the exits passed."""
    if len(positions) == len(probabilities):  # in their order: one rule decides on all
        return probabilities, passed
    # Rules add up labels: both arrays are C-contiguous, or the last bit of a sum could differ from a replay's.
    return probabilities[positions], passed.take(positions, axis=1)
