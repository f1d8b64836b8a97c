"""What happens at an exit: who leaves there and with which answer. The one place for batches and for the server."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.policy import ExitRule


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
    """Rows behind an exit.

    Attributes:
        leaving: those that left, if there are any.
        staying: positions of the others among the rows, (staying,).
        passed: calibrated probabilities of all of them at the exits passed, this one included, (exits, rows, labels).
    """

    leaving: Leaving | None
    staying: NDArray[np.int64]
    passed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exits:
    """The exits of a network.

    Attributes:
        problem: one label or a set of labels.
        temperatures: one for each exit.
    """

    problem: Problem
    temperatures: tuple[float, ...]

    def part(
        self,
        index: int,
        ids: NDArray[np.int64],
        passed: NDArray[np.float64],
        logits: NDArray[np.float32],
        rule: ExitRule,
    ) -> Parted:
        """Lets rows go at an exit: all at the last one, and before it those that the rule is sure of.

        Args:
            index: of the exit.
            ids: of the rows, (rows,).
            passed: their calibrated probabilities at the exits passed before, (index, rows, labels).
            logits: of this exit, (rows, labels).
            rule: decides on calibrated probabilities, as it does in :func:`offramp.policy.replay`.
        """
        probabilities = self.problem.probabilities(logits, self.temperatures[index])
        here = np.concatenate([passed, probabilities[None]])
        if index == len(self.temperatures) - 1:
            return Parted(Leaving(ids, index, probabilities), np.empty(0, np.int64), here)
        leaves = rule.decide(probabilities, passed)
        if not leaves.any():
            return Parted(None, np.arange(len(ids)), here)
        answers = rule.answer(probabilities[leaves], passed.compress(leaves, axis=1))
        return Parted(Leaving(ids[leaves], index, answers), np.flatnonzero(~leaves), here)
