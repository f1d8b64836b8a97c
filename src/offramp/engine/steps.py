"""One step of the engine: a stage runs on some rows, and those that are sure leave at its exit.

Files and lists take their steps in :mod:`offramp.engine.run`, the server in :mod:`offramp.serving`; what a step does is
written here, once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.engine.stages import Stages, State
from offramp.model.padding import Batch
from offramp.policy import ExitRule


@dataclass(frozen=True, slots=True)
class InFlight:
    """Rows on their way to a stage.

    Attributes:
        ids: where each row stands in the input, (rows,).
        lengths: tokens of each row, (rows,).
        passed: calibrated probabilities at the exits passed, (exits, rows, labels).
        state: what the stage reads: a batch before the first stage, after it the state that the stage before returned.
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
    """

    ids: NDArray[np.int64]
    exit: int
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parted:
    """Rows after a stage.

    Attributes:
        leaving: those that left at its exit.
        staying: positions of the others among the rows, (staying,).
        rows: all of them, on their way to the next stage.
    """

    leaving: Sequence[Leaving]
    staying: NDArray[np.int64]
    rows: InFlight


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a network.

    Attributes:
        stages: the network, in a backend.
        problem: one label or a set of labels.
        temperatures: one for each exit.
        labels: number of labels.
    """

    stages: Stages
    problem: Problem
    temperatures: tuple[float, ...]
    labels: int

    def begin(self, batch: Batch) -> InFlight:
        """The rows of a batch, before the first stage."""
        return InFlight(batch.ids, batch.lengths, np.empty((0, len(batch.ids), self.labels)), batch)

    def run(self, stage: int, rows: InFlight, rules: Sequence[tuple[ExitRule, NDArray[np.int64]]]) -> Parted:
        """Runs a stage, and lets rows go at its exit: all at the last one, and before it those that a rule is sure of.

        Args:
            stage: index.
            rows: what it runs on.
            rules: each with the positions of the rows that it decides on; together every row once. They decide on
                calibrated probabilities, as in :func:`offramp.policy.replay`.
        """
        output = self.stages.later(stage, rows.state, rows.lengths) if stage else self.stages.first(rows.state)
        probabilities = self.problem.probabilities(output.logits, self.temperatures[stage])
        passed = np.concatenate([rows.passed, probabilities[None]])
        onward = InFlight(rows.ids, rows.lengths, passed, output.state)
        if stage == len(self.temperatures) - 1:
            return Parted([Leaving(rows.ids, stage, probabilities)], np.empty(0, np.int64), onward)
        leaving, stays = [], np.ones(len(rows.ids), np.bool_)
        for rule, positions in rules:
            # Rules add up labels: both arrays are C-contiguous, or the last bit of a sum could differ from a replay's.
            here, history = probabilities, rows.passed
            if len(rules) > 1:
                here, history = here[positions], history.take(positions, axis=1)
            leaves = rule.decide(here, history)
            if leaves.any():
                answers = rule.answer(here[leaves], history.compress(leaves, axis=1))
                leaving.append(Leaving(rows.ids[positions[leaves]], stage, answers))
                stays[positions[leaves]] = False
        return Parted(leaving, np.flatnonzero(stays), onward)
