"""Thresholds of confidence where nobody chose any."""

import numpy as np

from offramp.calibration import Problem
from offramp.policy.criteria import FIRST_EXIT, PROBABILITY, Array, Confidence
from offramp.policy.sweep import score_exits

DEFAULT_THRESHOLD = 0.9
"""The threshold of models that nothing is known of, and the highest where nobody chose one."""


def threshold_grid(exit_probabilities: Array, problem: Problem, size: int = 16) -> tuple[float, ...]:
    """Thresholds of confidence worth looking at: the first exit, full depth, and quantiles of the confidences.

    They spread over where a model's confidences are, and so over the speeds that it can have. They depend on the rows,
    so nothing is promised for them; for that there is :meth:`offramp.policy.Knob.grid`.

    Args:
        exit_probabilities: (exits, rows, labels), calibrated; at least one row.
        size: about how many; fewer where confidences are alike.

    Returns:
        Rising.
    """
    scores = score_exits(exit_probabilities, Confidence(problem)).scores
    known = scores[~np.isnan(scores)]
    quantiles = np.quantile(known, np.arange(1, size - 1) / (size - 1)).tolist() if known.size else []
    return tuple(sorted({FIRST_EXIT, *map(tidy, quantiles), PROBABILITY.full_depth}))


def tidy(probability: float) -> float:
    """A probability with two digits of its distance to 0 or 1, whichever is nearer, and at most five in all."""
    if probability < 0.5:
        return round(float(f"{probability:.2g}"), 5)
    return round(1.0 - float(f"{1.0 - probability:.2g}"), 5)
