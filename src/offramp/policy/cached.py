"""One full-depth pass over some rows, with all that choosing a rule needs; everything else is arithmetic."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.policy.criteria import Array
from offramp.policy.points import Risk
from offramp.policy.sweep import accuracy_drop, disagreement, row_costs


@dataclass(frozen=True, slots=True, eq=False)
class CachedRows:
    """Rows that ran to the end.

    Attributes:
        problem: one label or a set of labels.
        probabilities: calibrated, (exits, rows, labels).
        targets: int (rows,) or 0/1 (rows, labels); None where the rows have no labels.
        tokens: length of each row, (rows,).
        layers: number of layers run before each exit, (exits,).
        stage_costs: of each stage, in seconds or any unit, see :func:`offramp.policy.row_costs`.
        full_cost: of full depth in one go, in that unit.
    """

    problem: Problem
    probabilities: Array
    targets: NDArray[Any] | None
    tokens: NDArray[np.int64]
    layers: tuple[int, ...]
    stage_costs: tuple[float, ...]
    full_cost: float

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def best_risk(self) -> Risk:
        """The risk that tells most about these rows: of accuracy if they have labels."""
        return Risk.DISAGREEMENT if self.targets is None else Risk.ACCURACY_DROP

    @property
    def costs(self) -> Array:
        """Cost of each row up to each exit, (exits, rows); 1 is the mean row at full depth in one go."""
        return row_costs(self.stage_costs, self.tokens, self.full_cost)

    def subset(self, rows: NDArray[np.int64]) -> "CachedRows":
        """The rows at some places, in that order."""
        return replace(
            self,
            probabilities=self.probabilities[:, rows],
            targets=None if self.targets is None else self.targets[rows],
            tokens=self.tokens[rows],
        )

    def split(self, share: float, seed: int) -> tuple["CachedRows", "CachedRows"]:
        """A random share of the rows, at least one, and all others; the same for the same seed.

        Raises:
            DataError: there are fewer than two rows.
        """
        if len(self) < 2:
            raise DataError(f"{len(self)} row cannot be split into one part to fit to and one to judge by; give more")
        order = np.random.default_rng(seed).permutation(len(self))
        some, others = np.split(order, [max(1, int(share * len(self)))])
        return self.subset(np.sort(some)), self.subset(np.sort(others))

    def losses(self, answers: Array, risk: Risk) -> Array:
        """What each row loses by leaving at each exit with some answers (exits, rows, labels): (exits, rows).

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        if risk is Risk.DISAGREEMENT:
            return disagreement(answers, self.problem)
        return accuracy_drop(answers, self._labels(), self.problem)

    def right(self, answers: Array, risk: Risk) -> NDArray[np.bool_]:
        """Whether answers (..., rows, labels) are good: equal to full depth or, where accuracy matters, to the target.

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        if risk is Risk.DISAGREEMENT:
            return self.problem.agree(answers, self.probabilities[-1])
        return self.problem.right(answers, self._labels())

    def _labels(self) -> NDArray[Any]:
        if self.targets is None:
            raise DataError("accuracy shows only on rows with labels, and these have none; bound the disagreement")
        return self.targets
