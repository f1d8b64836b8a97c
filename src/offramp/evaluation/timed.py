"""Which settings are timed; the speed of the others is computed from the times of the stages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.policy import ExitAnswers, Replay

# Each setting that is timed takes rows from all others, and late batches of few rows are slower than those of many.
SETTINGS = 5
# Costs that differ by less, in shares of full depth, tell nothing new.
_ALIKE = 0.02


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
    answers: ExitAnswers,
    replays: Sequence[Replay],
    cut_costs: Sequence[float],
    wanted: Iterable[int],
    losses: Sequence[float],
) -> Timed:
    """Chooses what a decision rests on, and early exits that differ in what they cost.

    Whoever decides looks at the settings that are wanted, and at the fastest that lose at most so much accuracy, which
    is known before anything is timed: they are those whose stages cost least.

    Args:
        answers: of all rows, with the costs of the stages.
        replays: one for each rule.
        cut_costs: of the networks that end after each exit but the last, as :meth:`ExitAnswers.cost` has it.
        wanted: rules that are timed in any case.
        losses: of accuracy, as shares.
    """
    costs = np.array([answers.cost(taken.exits) for taken in replays])
    right = np.array([answers.right(taken.probabilities).mean() for taken in replays])
    accuracies = np.array(answers.accuracies)
    chosen = {*wanted, *_cheapest(costs, right, accuracies[-1], losses)}
    cuts = _cheapest(np.array(cut_costs), accuracies[:-1], accuracies[-1], losses)
    # What it costs that all rows leave at the first exit, or at the last, is seen where the stages are measured.
    ends = [answers.cost(np.full(len(answers), index)) for index in (0, len(answers.layers) - 1)]
    return Timed(tuple(sorted(_spread(costs, chosen, ends))), tuple(sorted(cuts)))


def _cheapest(
    costs: NDArray[np.float64],
    accuracies: NDArray[np.float64],
    full: float,
    losses: Sequence[float],
) -> set[int]:
    """The cheapest at most so much less accurate than full depth, for each loss that any keeps to."""
    kept = [np.flatnonzero(accuracies >= full - loss - 1e-9) for loss in losses]
    return {int(places[costs[places].argmin()]) for places in kept if len(places)}


def _spread(costs: NDArray[np.float64], chosen: set[int], ends: Sequence[float]) -> set[int]:
    """Adds those whose cost is farthest from that of any other and of the ends, while there are few and they differ."""
    spread = set(chosen)
    while len(spread) < SETTINGS:
        apart = np.abs(costs[:, None] - [*costs[sorted(spread)], *ends]).min(axis=1)
        if apart.max() < _ALIKE and spread:
            break
        spread = {*spread, int(apart.argmax())}
    return spread
