"""Which settings are timed; the speed of the others is computed from the times of the stages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.policy import ExitAnswers, Replay

# Each setting that is timed takes rows from all others, and late batches of few rows are slower than those of many.
SETTINGS = 6


@dataclass(frozen=True, slots=True)
class Timed:
    """What is timed beside full depth.

    Attributes:
        rules: indices of early exits.
        cuts: exits that the network ends after, but for the last.
    """

    rules: tuple[int, ...]
    cuts: tuple[int, ...]


def choose_timed(
    answers: ExitAnswers, replays: Sequence[Replay], wanted: Iterable[int], losses: Sequence[float]
) -> Timed:
    """Chooses what a decision rests on, and early exits that differ from these in what they cost.

    Whoever decides looks at the settings that are wanted, and at the fastest that lose at most so much accuracy, which
    is known without a clock: of thresholds, as of cut networks, those are the ones that run the fewest stages.

    Args:
        answers: of all rows, with the costs of the stages.
        replays: one for each rule.
        wanted: rules that are timed in any case.
        losses: of accuracy, as shares.
    """
    costs = np.array([answers.cost(taken.exits) for taken in replays])
    right = np.array([answers.right(taken.probabilities).mean() for taken in replays])
    depths, accuracies = np.arange(len(answers.layers) - 1), np.array(answers.accuracies)
    chosen = {*wanted, *_cheapest(costs, right, accuracies[-1], losses)}
    cuts = _cheapest(depths, accuracies[:-1], accuracies[-1], losses)
    return Timed(tuple(sorted(_spread(costs, chosen))), tuple(sorted(cuts)))


def _cheapest(
    costs: NDArray[np.floating] | NDArray[np.integer],
    accuracies: NDArray[np.float64],
    full: float,
    losses: Sequence[float],
) -> set[int]:
    """The cheapest at most so much less accurate than full depth, for each loss that any keeps to."""
    kept = [np.flatnonzero(accuracies >= full - loss - 1e-9) for loss in losses]
    return {int(places[costs[places].argmin()]) for places in kept if len(places)}


def _spread(costs: NDArray[np.float64], chosen: set[int]) -> set[int]:
    """Adds those whose cost is farthest from that of any other, while there are few and they differ."""
    spread = chosen or {int(costs.argmin())}
    while len(spread) < SETTINGS:
        apart = np.abs(costs[:, None] - costs[sorted(spread)]).min(axis=1)
        if apart.max() == 0:
            break
        spread = {*spread, int(apart.argmax())}
    return spread
