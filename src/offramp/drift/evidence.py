"""Evidence that something happens more often than it should: tests that may be looked at after every text."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from offramp.policy.bounds import exact_interval

ALPHA = 0.01
"""Chance that an alarm is ever raised falsely, however long one watches, all its detectors together."""

# How many times the odds may have grown; the evidence is spread over all of them.
_GROWN = np.array([1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0])
# More capital than this says nothing more, and could become infinite.
_ENOUGH = 1e250
# Whoever expects nothing at all would be alarmed by the first rounding.
LEAST = 1e-3
# What is all but certain cannot become more frequent.
MOST = 0.99


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its Clopper-Pearson interval at 95 %."""

    value: float
    low: float
    high: float


def share(count: int, rows: int, confidence: float = 0.95) -> Share:
    """Gives the share of ``count`` in ``rows``; without rows it is anything."""
    return Share(count / rows, *exact_interval(count, rows, confidence)) if rows else Share(math.nan, 0.0, 1.0)


def at_most(count: int, rows: int, doubt: float) -> float:
    """What a chance is at most, except with a probability of ``doubt``, where ``count`` of ``rows`` rows were hits.

    The same number bounds the chance to lie beyond the ``count`` outermost of the rows themselves, although where that
    begins was read off these rows: it follows the same beta distribution. Ties only make it smaller.

    Source: Clopper and Pearson, Biometrika 1934; Wilks, Annals of Mathematical Statistics 1941 (order statistics).
    """
    return 1.0 if count >= rows else float(beta.ppf(1.0 - doubt, count + 1, rows - count))


def bettable(expected: float) -> float:
    """An expected chance as :class:`Evidence` takes it: NaN, on which nothing is staked, if it can hardly grow."""
    return max(expected, LEAST) if expected < MOST else math.nan


class Evidence:
    """Evidence, for each of several chances, that it has become larger than expected, at some time.

    Each is a bet against "at most as expected": of a capital of 1 a part is staked on each growth of the odds and each
    time at which it may have begun, and grows with the likelihood ratio from then on. If the chance is what it should
    be, the capital is a non-negative supermartingale, so that it ever reaches 1 / alpha with a chance of at most alpha,
    whenever one looks. Stakes on later times fall with 1 / t^2: a change that begins after t texts needs 2 log t more.

    Args:
        chances: how many are watched; their capitals are apart.

    Attributes:
        log: natural logarithm of each capital, (chances,).

    Source: Ville 1939; Ramdas et al., "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical Science
    2023, §2-3 (e-processes and their mixtures); Shin, Ramdas and Rinaldo, "E-detectors", NEJSDS 2024 (one bet for each
    time of change, updated together).
    """

    def __init__(self, chances: int = 1) -> None:
        self._capital = np.zeros((chances, len(_GROWN)))
        self._looked = 0
        self.log = np.zeros(chances)

    def add(self, seen: NDArray[np.bool_], expected: NDArray[np.float64]) -> NDArray[np.float64]:
        """Takes the next observations; gives the logarithms of the capitals after each, (rows, chances).

        Args:
            seen: whether it happened, (rows, chances).
            expected: what its chance was at most, (rows, chances); NaN where nothing was observed.
        """
        odds = _GROWN * (expected / (1.0 - expected))[..., None]
        grown = odds / (1.0 + odds)
        missed = (1.0 - grown) / (1.0 - expected)[..., None]
        ratios = np.nan_to_num(np.where(seen[..., None], grown / expected[..., None], missed), nan=1.0)
        times = self._looked + np.arange(1.0, len(seen) + 1.0)
        staked = np.empty(seen.shape)
        for row, (ratio, stake) in enumerate(zip(ratios, 1.0 / (times * (times + 1.0) * len(_GROWN)), strict=True)):
            self._capital += stake
            self._capital *= ratio
            np.minimum(self._capital, _ENOUGH, out=self._capital)
            self._capital.sum(axis=1, out=staked[row])
        self._looked += len(seen)
        # What is not staked yet: the sum of 1 / (t (t + 1)) over the times to come.
        logs = np.log(staked + 1.0 / (times + 1.0)[:, None])
        if len(logs):
            self.log = logs[-1]
        return np.asarray(logs)
