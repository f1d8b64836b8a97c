"""Wall-clock times that can be compared: warm, interleaved, repeated."""

import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster one action is than another: the median over paired runs, and its quartiles."""

    median: float
    low: float
    high: float


def interleave(
    actions: Mapping[K, Callable[[], object]],
    repeats: int,
    on_run: Callable[[], None] = lambda: None,
    *,
    deadline: float = math.inf,
) -> dict[K, NDArray[np.float64]]:
    """Runs every action once to warm up, then all of them in turn, ``repeats`` times.

    If the machine is slow for a moment, all actions of a round are affected alike, so ratios within it stay fair.

    Args:
        actions: by name.
        repeats: rounds after the first, at least 1.
        on_run: called after each run.
        deadline: on the clock of :func:`time.perf_counter`. No round begins that would end later if it took as long as
            the longest so far.

    Returns:
        Seconds of each action, (rounds,), in the order of the rounds: ``repeats`` rounds, or as many as time allowed,
        or the warm-up round if it allowed none.
    """
    rounds: list[dict[K, float]] = []
    longest = 0.0
    while len(rounds) <= repeats and (not rounds or time.perf_counter() + longest <= deadline):
        began = time.perf_counter()
        rounds.append({name: _timed(action, on_run) for name, action in actions.items()})
        longest = max(longest, time.perf_counter() - began)
    counted = rounds[1:] or rounds
    return {name: np.array([seconds[name] for seconds in counted]) for name in actions}


def _timed(action: Callable[[], object], on_run: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    seconds = time.perf_counter() - started
    on_run()
    return seconds


def ratio(baseline: NDArray[np.float64], other: NDArray[np.float64]) -> Ratio:
    """Compares the seconds of two actions, (repeats,) each, round by round."""
    low, median, high = np.quantile(baseline / other, [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))
