"""One step of the engine: a stage runs on some rows, and those that are sure leave at its exit.

Files and lists take their steps in :mod:`offramp.engine.run`, the server in :mod:`offramp.serving`; what a step does is
written here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Cascade
from offramp.engine.ending import ended_at, handed_over_at_end, seen_at
from offramp.engine.stages import State
from offramp.engine.windows import SoFar, combined
from offramp.policy import ExitRule


@dataclass(frozen=True, slots=True)
class InFlight:
    """Rows on their way to a stage.

    Attributes:
        ids: where each row stands in the input, (rows,).
        lengths: tokens of each row, (rows,).
        passed: calibrated probabilities at the exits passed, (exits, rows, labels).
        state: what the stage reads: at a member's first stage what its texts were read as, after it the state that the
            stage before returned.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    passed: NDArray[np.float64]
    state: State


@dataclass(frozen=True, slots=True)
class Leaving:
    """Rows that took an exit together.

    Attributes:
        ids: where each row stands in the input, (rows,).
        exit: index of the exit they took.
        probabilities: calibrated, (rows, labels): the rule's answer.
        passed: calibrated probabilities at the exits passed, the one taken included, (exits, rows, labels).
        handed_over: whether a row's answer is but a best guess, which the rule hands over, (rows,).
    """

    ids: NDArray[np.int64]
    exit: int
    probabilities: NDArray[np.float64]
    passed: NDArray[np.float64]
    handed_over: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Parted:
    """Rows after a stage.

    Attributes:
        leaving: those that left at its exit.
        staying: positions of the others among the rows, (staying,).
        rows: all of them, on their way to the next stage.
        said: what the exit said of all of them, with the windows before its own, not calibrated, (rows, labels).
    """

    leaving: Sequence[Leaving]
    staying: NDArray[np.int64]
    rows: InFlight
    said: NDArray[np.float32]


def step(
    cascade: Cascade,
    exit_index: int,
    rows: InFlight,
    rules: Sequence[tuple[ExitRule, NDArray[np.int64]]],
    so_far: SoFar | None = None,
) -> Parted:
    """Runs the stage that ends at an exit, and lets rows go there: at full depth all, before it those a rule sees sure.

    Args:
        exit_index: of the exit, counted through the cascade.
        rows: what the stage runs on.
        rules: each with the positions of the rows that it decides on; together every row once. They decide on
            calibrated probabilities, as in :func:`offramp.policy.replay`.
        so_far: of the same rows, where they are read window by window.
    """
    member, stage = cascade.places[exit_index]
    output = cascade.members[member].run(stage, rows.state, rows.lengths)
    logits = output.logits if so_far is None else combined(cascade.members[member], so_far.said, output.logits)
    probabilities = cascade.probabilities(exit_index, logits, rows.passed)
    passed = np.concatenate([rows.passed, probabilities[None]])
    onward = InFlight(rows.ids, rows.lengths, passed, output.state)
    ended, stays = ended_at(cascade, exit_index, len(rows.ids), so_far), np.ones(len(rows.ids), np.bool_)
    handed_over = handed_over_at_end(cascade, exit_index, ended, rules, probabilities, rows.passed)
    leaving = []
    if ended.any():
        gone = np.flatnonzero(ended)
        leaving.append(
            Leaving(rows.ids[gone], exit_index, probabilities[gone], passed.take(gone, axis=1), handed_over[gone])
        )
        stays[gone] = False
        rules = [(rule, positions[~ended[positions]]) for rule, positions in rules if not ended[positions].all()]
    for rule, positions in rules:
        current, history = seen_at(probabilities, rows.passed, positions)
        leaves = rule.decide(current, history)
        if leaves.any():
            answers = rule.answer(current[leaves], history.compress(leaves, axis=1))
            gone = positions[leaves]
            leaving.append(Leaving(rows.ids[gone], exit_index, answers, passed.take(gone, axis=1), handed_over[gone]))
            stays[gone] = False
    return Parted(leaving, np.flatnonzero(stays), onward, logits)
