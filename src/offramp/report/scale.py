"""From values to positions in a picture."""

import math
from dataclasses import dataclass

# Steps between ticks, times a power of ten.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from ``low`` to ``high`` to positions from ``start`` to ``end``, in pixels.

    With ``by_ratio``, equal distances are equal ratios (a logarithmic scale); then ``low`` is above 0.
    """

    low: float
    high: float
    start: float
    end: float
    by_ratio: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value; values outside the range lie outside."""
        if self.by_ratio:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value is inside."""
        return self.low <= value <= self.high


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round, evenly spaced values within a range: at least one, at most ``most``.

    Args:
        low, high: the range, ``low`` below ``high``.
        most: at least 4.
    """
    step = _step((high - low) / (most - 1))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def ratio_ticks(low: float, high: float) -> list[float]:
    """Values 1, 2 and 5 times a power of ten within a range, for a scale by ratio.

    Args:
        low, high: the range, above 0.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [round(step * 10.0**power, 12) for power in powers for step in (1, 2, 5)]
    return [value for value in values if low <= value <= high]


def decimals(values: list[float]) -> int:
    """The number of decimals needed to write all values exactly, at most 4."""
    return next((digits for digits in range(4) if all(abs(round(value, digits) - value) < 1e-9 for value in values)), 4)


def _step(least: float) -> float:
    """The smallest round step that is at least so large."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))
