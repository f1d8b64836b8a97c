"""What every exit answers to some rows. One full-depth pass makes it; everything else is arithmetic on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Calibration, Problem, fit_agreement, fit_calibration
from offramp.errors import DataError
from offramp.policy.criteria import Array
from offramp.policy.points import Risk
from offramp.policy.sweep import accuracy_drop, at_exits, disagreement, row_costs


@dataclass(frozen=True, slots=True)
class StageCosts:
    """Where the time of early exit goes, in seconds for a text.

    Attributes:
        stages: of each stage with its exit and the decision there, if all rows run it, (exits,). An encoder's first
            holds what no row that comes there can skip: tokenization, building batches and embedding.
        full: of full depth in one go, which early exit is measured against.
    """

    stages: tuple[float, ...]
    full: float


@dataclass(frozen=True, eq=False)
class ExitAnswers:
    """What every exit answers to some rows.

    Attributes:
        logits: not calibrated, (exits, rows, labels).
        temperatures: (exits,).
        problem: one label or a set of labels.
        targets: the rows' labels, int (rows,) or 0/1 (rows, labels); None where they have none.
        tokens: length of each row, (rows,).
        truncated: whether the row was longer than the model reads, (rows,).
        layers: number of layers run before each exit, (exits,); several exits may have the same, and 0.
        names: what each exit is called, (exits,).
        costs: of the stages: a rough guess from the pass itself until they are measured; None where nothing is known.
    """

    logits: NDArray[np.floating[Any]]
    temperatures: tuple[float, ...]
    problem: Problem
    targets: NDArray[Any] | None
    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    layers: tuple[int, ...]
    names: tuple[str, ...]
    costs: StageCosts | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def probabilities(self) -> Array:
        """Calibrated, (exits, rows, labels)."""
        return self.problem.probabilities(self.logits, np.asarray(self.temperatures)[:, None, None])

    @property
    def full(self) -> Array:
        """Calibrated probabilities at full depth, (rows, labels)."""
        return np.asarray(self.probabilities[-1])

    @property
    def row_costs(self) -> Array:
        """Cost of each row up to each exit, (exits, rows); 1 is the mean row at full depth in one go.

        Raises:
            DataError: the stages were not measured.
        """
        return row_costs(self._measured.stages, self.tokens, self._measured.full)

    @property
    def reaching(self) -> tuple[float, ...]:
        """Seconds that a text takes up to each exit, (exits,).

        Raises:
            DataError: the stages were not measured.
        """
        return tuple(accumulate(self._measured.stages))

    @property
    def _measured(self) -> StageCosts:
        if self.costs is None:
            raise DataError("the costs of the stages were not measured; measure them first")
        return self.costs

    def cost(self, exits: NDArray[np.int64]) -> float:
        """Mean cost of rows that leave at some exits (rows,); 1 is the mean row at full depth in one go.

        It is what early exit would take if leaving were free and smaller batches lost nothing.

        Raises:
            DataError: the stages were not measured.
        """
        return float(at_exits(self.row_costs, exits[None]).mean())

    def seconds(self, exits: NDArray[np.int64]) -> float:
        """Seconds that a text takes on average where rows leave at some exits (rows,); see :meth:`cost`."""
        return self.cost(exits) * self._measured.full

    @property
    def best_risk(self) -> Risk:
        """The risk that tells most about these rows: of accuracy if they have labels."""
        return Risk.DISAGREEMENT if self.targets is None else Risk.ACCURACY_DROP

    @property
    def truth(self) -> NDArray[Any]:
        """The targets of rows that have some.

        Raises:
            DataError: the rows have no labels.
        """
        if self.targets is None:
            raise DataError("accuracy shows only on rows with labels, and these have none; bound the disagreement")
        return self.targets

    def agree(self, answers: Array) -> NDArray[np.bool_]:
        """Which rows are answered as at full depth, bool (..., rows), for answers (..., rows, labels)."""
        return self.problem.agree(answers, self.full)

    def right(self, answers: Array) -> NDArray[np.bool_]:
        """Which rows are answered as their label says, bool (..., rows), for answers (..., rows, labels).

        Raises:
            DataError: the rows have no labels.
        """
        return self.problem.right(answers, self.truth)

    def good(self, answers: Array, risk: Risk) -> NDArray[np.bool_]:
        """As :meth:`agree` where disagreement is the risk, and as :meth:`right` where accuracy is.

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        return self.agree(answers) if risk is Risk.DISAGREEMENT else self.right(answers)

    def losses(self, answers: Array, risk: Risk) -> Array:
        """What each row loses by leaving at each exit with some answers (exits, rows, labels): (exits, rows).

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        if risk is Risk.DISAGREEMENT:
            return disagreement(answers, self.problem)
        return accuracy_drop(answers, self.truth, self.problem)

    def accuracy(self, answers: Array) -> float | None:
        """Share of rows that answers (rows, labels) get right; None without labels."""
        return None if self.targets is None else float(self.right(answers).mean())

    @property
    def accuracies(self) -> list[float]:
        """Share of rows that each exit gets right, (exits,).

        Raises:
            DataError: the rows have no labels.
        """
        return [float(right.mean()) for right in self.right(self.probabilities)]

    def macro_f1(self, answers: Array) -> float:
        """Mean over labels of the F1 of answers (rows, labels).

        Raises:
            DataError: the rows have no labels.
        """
        from sklearn.metrics import f1_score

        return float(f1_score(self.truth, self.problem.predicted(answers), average="macro", zero_division=0.0))

    def calibration(self, fingerprint: str, otherwise: Sequence[float] | None = None) -> Calibration:
        """Temperatures fitted anew: to the rows' labels or, where they have none, to what the last exit says.

        Args:
            fingerprint: identifies the rows.
            otherwise: temperatures of exits that have no best one here, see
                :func:`offramp.calibration.fit_calibration`.

        Raises:
            DataError: there are no rows, or a logit is not finite.
        """
        if self.targets is None:
            return fit_agreement(self.logits, self.problem, self.layers, fingerprint, otherwise, self.names)
        targets, layers = self.targets, self.layers
        return fit_calibration(self.logits, targets, self.problem, layers, fingerprint, otherwise, self.names)

    def subset(self, rows: NDArray[np.int64]) -> "ExitAnswers":
        """The rows at some places, in that order."""
        return replace(
            self,
            logits=self.logits[:, rows],
            targets=None if self.targets is None else self.targets[rows],
            tokens=self.tokens[rows],
            truncated=self.truncated[rows],
        )

    def split(self, share: float, seed: int) -> tuple["ExitAnswers", "ExitAnswers"]:
        """A random share of the rows, at least one, and all others; the same for the same seed.

        Raises:
            DataError: there are fewer than two rows.
        """
        if len(self) < 2:
            raise DataError(f"{len(self)} row cannot be split into one part to fit to and one to judge by; give more")
        order = np.random.default_rng(seed).permutation(len(self))
        some, others = np.split(order, [max(1, int(share * len(self)))])
        return self.subset(np.sort(some)), self.subset(np.sort(others))
