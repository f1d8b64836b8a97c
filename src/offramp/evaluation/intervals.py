"""How sure a difference of accuracies is."""

import numpy as np

from offramp.policy import Interval

CONFIDENCE = 0.95
RESAMPLES = 10_000


def accuracy_difference(won: int, lost: int, rows: int, *, seed: int = 0) -> Interval:
    """Gives the difference between two accuracies on the same rows, with its bootstrap percentile interval at 95 %.

    To resample rows is to draw how many of them are won, lost or neither: the counts are multinomial.

    Args:
        won: rows that only the first answers right.
        lost: rows that only the second answers right.
        rows: all rows.

    Returns:
        Shares of rows, first less second. Without a row won or lost the interval has no width; the truth is then below
        3 / rows, at the same confidence (Hanley and Lippman-Hand, JAMA 1983).

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, §13.3 (percentile interval).
    """
    shares = np.array([won, lost, rows - won - lost]) / rows
    draws = np.random.default_rng(seed).multinomial(rows, shares, size=RESAMPLES)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / rows, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval((won - lost) / rows, float(low), float(high))
