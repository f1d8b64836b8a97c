"""Wall-clock, measured so that two figures can be compared: warm, interleaved, several times."""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

K = TypeVar("K", bound=Hashable)

OnProgress = Callable[[str, int, int], None]
"""Is told what is being done, how many of how many parts."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster one thing is than another: the median over paired runs, and the quartiles as spread."""

    median: float
    low: float
    high: float


def interleave(
    actions: Mapping[K, Callable[[], object]], repeats: int, on_run: Callable[[], None] = lambda: None
) -> dict[K, NDArray[np.float64]]:
    """Runs every action once to warm up, then all of them in turn, ``repeats`` times.

    A slow moment of the machine falls on neighbours in the same round, so ratios within a round stay fair.

    Returns:
        Seconds of each action, (repeats,), in the order of the rounds.
    """
    seconds: dict[K, list[float]] = {name: [] for name in actions}
    for round_number in range(repeats + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            elapsed = time.perf_counter() - started
            if round_number > 0:
                seconds[name].append(elapsed)
            on_run()
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(baseline: NDArray[np.float64], other: NDArray[np.float64]) -> Ratio:
    """Compares the seconds of two actions, (repeats,) each, round by round."""
    low, median, high = np.quantile(baseline / other, [0.25, 0.5, 0.75])
    return Ratio(float(median), float(low), float(high))
