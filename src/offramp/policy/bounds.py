"""Inference about a mean from a sample of losses: p-values of "the risk is above the target", and upper bounds."""

from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# Tolerance of a bound found by bisection; far below the resolution of any sample.
_TOLERANCE = 1e-6

# As a share of the stake at which a loss of 1 would take all capital.
_HIGHEST_STAKE = 0.75


def hoeffding_bentkus(risks: Array, target: float, rows: ArrayLike, *, binary: bool = False) -> Array:
    """P-values of "the mean of losses in [0, 1] is above the target".

    Each is the smaller of Hoeffding's and Bentkus' bounds on the chance of an empirical risk this low. For losses that
    can only be 0 or 1, Bentkus' factor e is not needed: the binomial tail is exact.

    Args:
        risks: mean losses, any shape.
        target: above 0, below 1.
        rows: number of rows in each mean, of a shape that fits.
        binary: whether a loss can only be 0 or 1.

    Returns:
        Of the same shape, from 0 to 1.

    Source: Bates et al., "Distribution-Free, Risk-Controlling Prediction Sets", JACM 2021, §3.1; Angelopoulos et al.,
    "Learn then Test", 2021, p-values (the tail of 0/1 losses).
    """
    count, below = np.asarray(rows), np.minimum(risks, target)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(below > 0, below * np.log(below / target), 0.0)
    hoeffding = np.exp(-count * (first + (1.0 - below) * np.log((1.0 - below) / (1.0 - target))))
    # A mean of 0/1 losses times the rows is whole except for rounding, which must not push it to the next number.
    counts = np.ceil(np.round(np.asarray(risks) * count, 6))
    bentkus = (1.0 if binary else np.e) * scipy.special.bdtr(counts, count, target)
    return np.minimum(hoeffding, np.minimum(bentkus, 1.0))


def betting(losses: Array, target: float, confidence: float) -> Array:
    """P-values of "the mean of losses in [0, 1] is above the target", from a bet against it.

    A gambler bets on each loss in turn that it is below the target, with higher stakes if the losses so far varied
    little. If the mean were above the target, the capital, 1 at the start, would ever exceed c with a chance of at most
    1 / c (Ville). So one over the highest capital is a p-value, and the least target it rejects is an upper bound. It
    uses the variance of the losses, and is therefore tight when losses are rare.

    Args:
        losses: (..., rows), in an order that has nothing to do with their values.
        target: from 0 to 1.
        confidence: the level that the stakes are optimized for; the p-value is valid at any level.

    Returns:
        (...), from 0 to 1.

    Source: Waudby-Smith and Ramdas, "Estimating Means of Bounded Random Variables by Betting", JRSS B 2024; with
    the stakes of Bates et al., JACM 2021, §3.1 (WSR bound).
    """
    rows = losses.shape[-1]
    counts = np.arange(1, rows + 1)
    mean = (0.5 + np.cumsum(losses, axis=-1)) / (1.0 + counts)
    variance = (0.25 + np.cumsum(np.square(losses - mean), axis=-1)) / (1.0 + counts)
    # A stake may depend only on earlier losses.
    before = np.concatenate([np.full((*losses.shape[:-1], 1), 0.25), variance[..., :-1]], axis=-1)
    # Up to 1 / (1 - target) the capital stays above 0 whatever comes; so high a stake could not survive a single loss.
    highest = max(1.0, _HIGHEST_STAKE / (1.0 - target))
    stakes = np.minimum(highest, np.sqrt(2.0 * np.log(1.0 / (1.0 - confidence)) / (rows * before)))
    with np.errstate(divide="ignore"):
        capital = np.cumsum(np.log1p(-stakes * (losses - target)), axis=-1)
    return np.asarray(np.exp(-np.maximum(capital.max(axis=-1), 0.0)))


def least_rejected(p_value: Callable[[float], float], level: float) -> float:
    """Finds the least target that is rejected: an upper bound of the risk.

    Args:
        p_value: maps a target from 0 to 1 to its p-value, which falls as the target rises.
        level: reject at p <= level.

    Returns:
        The bound, too high by at most a millionth; 1 if no target below 1 is rejected.
    """
    highest = 1.0 - _TOLERANCE
    if p_value(highest) > level:
        return 1.0
    if p_value(_TOLERANCE) <= level:
        return _TOLERANCE
    root = scipy.optimize.brentq(lambda target: p_value(target) - level, _TOLERANCE, highest, xtol=_TOLERANCE / 2)
    return min(1.0, float(root) + _TOLERANCE)


def exact_interval(count: int, rows: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share that ``count`` of a sample of rows show.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits", Biometrika 1934.
    """
    tail = (1 - confidence) / 2
    low = float(scipy.special.betaincinv(count, rows - count + 1, tail)) if count else 0.0
    high = float(scipy.special.betaincinv(count + 1, rows - count, 1 - tail)) if count < rows else 1.0
    return low, high


def least_count(qualifies: Callable[[int], bool], most: int = 2**24) -> int | None:
    """Finds the least number that qualifies, assuming that all larger ones do; None if it is above ``most``."""
    high = 1
    while not qualifies(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if qualifies(middle) else (middle, high)
    return high
