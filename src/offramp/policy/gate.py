"""A small learned gate: the probability that an exit is right, from its own and earlier exits' probabilities."""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.errors import DataError, OptionError
from offramp.policy.criteria import Array, Criterion

# Confidences are used as log-odds, so they are clipped this far from 0 and 1.
_CLOSEST = 1e-9


@dataclass(frozen=True, slots=True)
class Gate(Criterion):
    """A logistic regression for each exit but the last, of "this exit is right" on four features of a row.

    The features are the log-odds of this exit's confidence, its lead, the log-odds of the previous exit's confidence,
    and the share of earlier exits that predict the same; the last two are 0 at the first exit.

    Attributes:
        weights: of the features, (exits - 1, 4).
        biases: (exits - 1,).

    Raises:
        OptionError: weights and biases do not match.

    Source: Xin et al., "BERxiT", EACL 2021, learning to exit; here the features are the exits' outputs instead of
    hidden states, so that replay needs only cached logits.
    """

    problem: Problem
    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.biases) or any(len(weights) != 4 for weights in self.weights):
            raise OptionError(f"the gate has weights {self.weights} and biases {self.biases}; give 4 and 1 per exit")

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.score`.

        Raises:
            OptionError: the gate was fitted for fewer exits.
        """
        index = len(history)
        if index >= len(self.biases):
            raise OptionError(f"the gate was fitted for {len(self.biases)} exits, but this is exit {index}; refit it")
        total = np.full(len(probabilities), self.biases[index])
        # Feature by feature: a matrix product's rounding may depend on the number of rows.
        for weight, feature in zip(self.weights[index], _features(self.problem, probabilities, history), strict=True):
            total = total + weight * feature
        return np.asarray(scipy.special.expit(total))


def fit_gate(exit_probabilities: Array, right: NDArray[np.bool_], problem: Problem) -> Gate:
    """Fits the gate to calibration rows, each exit to all of them.

    Choose and certify the threshold on other rows: the gate is surer of rows it was fitted to.

    Args:
        exit_probabilities: (exits, rows, labels), calibrated.
        right: bool (exits, rows), whether each exit's answer is good: equal to the target or, without labels, to full
            depth.
        problem: one label or a set of labels.

    Returns:
        The gate. For an exit that is right on all rows or on none, it holds only the smoothed share of right rows.

    Raises:
        DataError: there are no rows, shapes do not match or a probability is NaN.
    """
    if exit_probabilities.ndim != 3 or right.shape != exit_probabilities.shape[:2] or not right.size:
        raise DataError(
            f"need a verdict for each exit and row, got probabilities {exit_probabilities.shape} and {right.shape}"
        )
    if np.isnan(exit_probabilities).any():
        raise DataError("some probabilities are NaN: the model's training diverged; train with a lower rate")
    weights, biases = [], []
    for index, verdicts in enumerate(right[:-1]):
        features = np.stack(_features(problem, exit_probabilities[index], exit_probabilities[:index]), axis=1)
        exit_weights, bias = _fit_exit(features, verdicts)
        weights.append(exit_weights)
        biases.append(bias)
    return Gate(problem, tuple(weights), tuple(biases))


def _fit_exit(features: Array, right: NDArray[np.bool_]) -> tuple[tuple[float, ...], float]:
    """The weights (features,) and the bias of one exit."""
    if right.all() or not right.any():
        return (0.0,) * features.shape[1], float(np.log((right.sum() + 1) / ((~right).sum() + 1)))
    from sklearn.linear_model import LogisticRegression  # slow to import, and only needed here

    model = LogisticRegression(max_iter=1000).fit(features, right)
    return tuple(model.coef_[0].tolist()), float(model.intercept_[0])


def _features(problem: Problem, probabilities: Array, history: Array) -> tuple[Array, Array, Array, Array]:
    """Four features of each row, (rows,) each."""
    before, agreeing = np.zeros(len(probabilities)), np.zeros(len(probabilities))
    for earlier in history:
        agreeing = agreeing + problem.agree(earlier, probabilities)
    if len(history):
        before = _log_odds(problem.confidence(history[-1]))
        agreeing = agreeing / len(history)
    return _log_odds(problem.confidence(probabilities)), problem.lead(probabilities), before, agreeing


def _log_odds(confidence: Array) -> Array:
    clipped = np.clip(confidence, _CLOSEST, 1.0 - _CLOSEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
