"""Watches whether texts have changed: what is seen of them is held against what calibration texts looked like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.drift.alarms import Alarm
from offramp.drift.evidence import ALPHA, at_most, bettable
from offramp.drift.observing import BY_EXIT, Observed
from offramp.drift.summaries import TAILS, CalibrationSummary, Tails

# What texts below and above a tail are.
_WORDS = {
    "confidence": ("less confident", "more confident"),
    "disagreement": ("exits more of one mind", "exits less of one mind"),
    "characters": ("shorter", "longer"),
    "unknown": ("fewer unknown words", "more unknown words"),
    "pieces": ("fewer tokens a word", "more tokens a word"),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One side of a tail.

    Attributes:
        name: of what is watched.
        sign: 1 for values above the limits, -1 for those below.
        limits, expected: by exit, or one for all, (groups,).
    """

    name: str
    sign: int
    limits: NDArray[np.float64]
    expected: NDArray[np.float64]


class ChangeMonitor:
    """The alarm "texts have changed", for texts at one operating point.

    The calibration texts are few, and held against any number of others. So that their own chance does not become an
    alarm in the end, each share is expected to be at most an upper bound of it, and half of the chance of a false alarm
    is that of any bound to fail. The other half is that of the tests, which may be looked at after every text.

    Args:
        summary: of the calibration texts.
        exit_names: what each exit is called.

    Attributes:
        alarm: what was found.
    """

    def __init__(self, summary: CalibrationSummary, exit_names: Sequence[str]) -> None:
        bounds = len(summary.exits) + sum(2 * len(TAILS) * len(tails) for tails in summary.tails.values())
        doubt = ALPHA / 2 / bounds
        self._exits = np.array([bettable(at_most(count, summary.rows, doubt)) for count in summary.exits])
        self._sides = [side for name, tails in summary.tails.items() for side in _sides(name, tails, doubt)]
        self.alarm = Alarm([*(f"left after {name}" for name in exit_names), *_detectors(summary)], ALPHA / 2)

    def add(self, observed: Observed) -> bool:
        """Takes the next texts; tells whether they raised the alarm."""
        taken = observed.exits[:, None] == np.arange(len(self._exits))
        seen, expected = [taken], [np.broadcast_to(self._exits, taken.shape)]
        for side in self._sides:
            values = getattr(observed, side.name)
            group = observed.exits if len(side.limits) > 1 else np.zeros(len(values), np.int64)
            seen.append((side.sign * (values - side.limits[group]) > 0)[:, None])
            expected.append(np.where(np.isnan(values), np.nan, side.expected[group])[:, None])
        return self.alarm.add(np.concatenate(seen, axis=1), np.concatenate(expected, axis=1))


def _sides(name: str, tails: Sequence[Tails], doubt: float) -> list[_Side]:
    sides = []
    for place in range(len(TAILS)):
        expected = np.array([bettable(at_most(group.counts()[place], group.rows, doubt)) for group in tails])
        sides.append(_Side(name, -1, np.array([group.low[place] for group in tails]), expected))
        sides.append(_Side(name, 1, np.array([group.high[place] for group in tails]), expected))
    return sides


def _detectors(summary: CalibrationSummary) -> list[str]:
    """What the sides look at, in their order."""
    return [
        f"{word} than {1 - tail:.0%} of the calibration texts{' at their exit' if name in BY_EXIT else ''}"
        for name in summary.tails
        for tail in TAILS
        for word in _WORDS[name]
    ]
