"""Criteria that combine all exits passed so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from offramp.calibration import Problem
from offramp.errors import OptionError
from offramp.policy.criteria import Array, Criterion


@dataclass(frozen=True, slots=True)
class GeometricMean(Criterion):
    """The confidence of the normalized geometric mean of the exits' probabilities.

    A row that leaves is answered with that mean, because that is what the criterion was sure of.

    Source: Wołczyk et al., "Zero Time Waste", NeurIPS 2021, geometric ensembling; here with equal weights.
    """

    problem: Problem

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.score`."""
        return self.problem.confidence(self.answer(probabilities, history), len(history))

    def answer(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.answer`."""
        if not len(history):
            return probabilities
        total = self.problem.logits(probabilities)
        for earlier in history:  # in place and in order, so that rounding does not depend on the memory layout
            total += self.problem.logits(earlier)
        return self.problem.probabilities(total, len(history) + 1.0)


@dataclass(frozen=True, slots=True)
class Agreement(Criterion):
    """The weighted sum of the confidences of the last exits that agree, as a share of all weights.

    Each exit adds its weighted confidence to the sum if it repeats the prediction of the exit before, and restarts the
    sum if not. As in the source, a row is answered with the probabilities of the exit it leaves at.

    Attributes:
        weights: of all exits, including the last; positive. In the source they are the cost of reaching an exit or its
            accuracy.

    Raises:
        OptionError: a weight is not positive.

    Source: Bajpai and Hanawal, "BEEM", ICLR 2025, the score S and its weights; here divided by their sum.
    """

    problem: Problem
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.weights or not all(0 < weight < np.inf for weight in self.weights):
            raise OptionError(f"weights are {self.weights}; give one positive number for each exit")

    @classmethod
    def of(cls, problem: Problem, costs: Sequence[float]) -> Self:
        """Weights each exit by the cost of reaching it."""
        return cls(problem, tuple(map(float, costs)))

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.score`.

        Raises:
            OptionError: there are more exits than weights.
        """
        if len(history) >= len(self.weights):
            raise OptionError(f"there are {len(self.weights)} weights, none for exit {len(history)}; give one each")
        total = np.zeros(len(probabilities))
        exits = (*history, probabilities)
        for index, current in enumerate(exits):
            if index:
                total = np.where(self.problem.agree(exits[index - 1], current), total, 0.0)
            total = total + self.weights[index] * self.problem.confidence(current, index)
        return np.where(np.isnan(probabilities).any(axis=-1), np.nan, np.minimum(total / sum(self.weights), 1.0))
