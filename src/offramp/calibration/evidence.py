"""Evidence that goes on: an exit of an encoder may add what the stage before the encoder said to its own answer.

That stage is a model of words, which errs on other rows than the encoder does, so that both together know more than
either. An exit's weight is fitted with its temperature and is zero where that does not help.
"""

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.calibration.problem import Floats, Labels, Problem
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE

HIGHEST_WEIGHT = 4.0

NO_SOURCE = -1
"""In place of the exit whose answer another may add: there is none."""


def combined(
    problem: Problem, logits: Floats, temperature: float, weight: float, first: Floats | None
) -> NDArray[np.float64]:
    """An exit's calibrated probabilities, with what an earlier exit said of the same rows: (rows, labels).

    Log-probabilities are added: ``logits / temperature + weight * log p``, with log-odds in place of ``log p`` where a
    row has a set of labels (a product of experts: Hinton, Neural Computation 2002).

    Args:
        logits: of the exit, (rows, labels).
        weight: 0 leaves the earlier exit out.
        first: calibrated probabilities of the earlier exit, (rows, labels); not looked at where the weight is 0.
    """
    if not weight or first is None:
        return problem.probabilities(logits, temperature)
    return problem.probabilities(np.asarray(logits, np.float64) / temperature + weight * problem.logits(first))


def combined_exits(
    problem: Problem,
    exit_logits: Floats,
    temperatures: Sequence[float],
    weights: Sequence[float],
    sources: Sequence[int],
) -> NDArray[np.float64]:
    """:func:`combined` for all exits of the same rows.

    Args:
        exit_logits: (exits, rows, labels).
        temperatures: (exits,).
        weights: (exits,), or empty if no exit adds anything.
        sources: index of the exit whose answer each exit may add, (exits,); -1 for none.

    Returns:
        (exits, rows, labels).
    """
    if not any(weights):
        return problem.probabilities(exit_logits, np.asarray(temperatures)[:, None, None])
    answers = np.empty(exit_logits.shape)
    for exit_index, (logits, weight) in enumerate(zip(exit_logits, weights, strict=True)):
        first = answers[sources[exit_index]] if weight else None
        answers[exit_index] = combined(problem, logits, temperatures[exit_index], weight, first)
    return answers


def added(weights: Sequence[float], sources: Sequence[int]) -> frozenset[int]:
    """The exits whose answers others add, given each exit's weight and source, (exits,) or empty."""
    return frozenset(source for weight, source in zip(weights, sources, strict=False) if weight)


def fit_evidence(
    logits: Floats, first: Floats, targets: Labels, problem: Problem, temperature: float
) -> tuple[float, float]:
    """Finds the temperature and weight of an exit that minimize the negative log-likelihood.

    The loss is convex in the inverse temperature and the weight. A weight that improves it by less than a second
    number does by chance is zero (Akaike, 1974), with the temperature that was best without.

    Args:
        logits: of the exit, (rows, labels).
        first: calibrated probabilities of the earlier exit, (rows, labels).
        targets: int (rows,) or 0/1 (rows, labels).
        temperature: the best one without a weight.

    Returns:
        The temperature, and the weight from 0 to 4.
    """
    own, other = problem.margins(logits, targets), problem.margins(problem.logits(first), targets)

    def loss(chosen: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = chosen[0] * own + chosen[1] * other
        shares = scipy.special.softmax(margins, axis=-1)
        slope = np.array([np.sum(shares * own), np.sum(shares * other)])
        return float(scipy.special.logsumexp(margins, axis=-1).sum()), slope

    start = np.array([1 / temperature, 0.0])
    bounds = [(1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE), (0.0, HIGHEST_WEIGHT)]
    best = scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    if loss(start)[0] - float(best.fun) <= 1 or best.x[1] <= 0:
        return temperature, 0.0
    return 1 / float(best.x[0]), float(best.x[1])
