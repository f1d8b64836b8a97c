"""Temperature scaling: one number per exit that makes its confidence mean what it says."""

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.calibration.problem import Floats, Labels, Problem

LOWEST_TEMPERATURE = 0.05
HIGHEST_TEMPERATURE = 20.0


def fit_temperature(logits: Floats, targets: Labels, problem: Problem) -> float:
    """Finds the temperature that minimizes the negative log-likelihood.

    The loss is convex in the inverse temperature, so its minimum is the root of a rising slope and is found exactly.
    If there is no minimum, the answer is a limit:

    - every row is right: the loss keeps falling with the temperature; :data:`LOWEST_TEMPERATURE`;
    - logits are no better than chance: the loss rises with the inverse temperature; :data:`HIGHEST_TEMPERATURE`;
    - logits prefer no label: the temperature changes nothing; 1.

    The limits contain 1, so the loss is never higher than without calibration.

    Args:
        logits: (rows, labels).
        targets: int (rows,) or 0/1 (rows, labels).
        problem: one label or a set of labels.

    Returns:
        The temperature, from 0.05 to 20.

    Raises:
        DataError: see :meth:`Problem.check`.

    Source: Guo et al., ICML 2017, §4.2; one temperature per exit: Schwartz et al., ACL 2020, §3.
    """
    problem.check(logits, targets)
    margins = problem.margins(logits, targets)

    def slope(inverse: float) -> float:
        return float(np.sum(scipy.special.softmax(inverse * margins, axis=-1) * margins))

    if not margins.any():
        return 1.0
    if slope(1 / LOWEST_TEMPERATURE) <= 0:
        return LOWEST_TEMPERATURE
    if slope(1 / HIGHEST_TEMPERATURE) >= 0:
        return HIGHEST_TEMPERATURE
    return 1 / float(scipy.optimize.brentq(slope, 1 / HIGHEST_TEMPERATURE, 1 / LOWEST_TEMPERATURE, xtol=1e-12))


def fit_temperatures(exit_logits: Floats, targets: Labels, problem: Problem) -> NDArray[np.float64]:
    """Fits each exit's temperature on its own.

    Args:
        exit_logits: (exits, rows, labels).
        targets: int (rows,) or 0/1 (rows, labels).
        problem: one label or a set of labels.

    Returns:
        (exits,).

    Raises:
        DataError: see :meth:`Problem.check`.
    """
    return np.array([fit_temperature(logits, targets, problem) for logits in exit_logits], dtype=np.float64)
