"""Compares rules: accuracy at equal cost, with intervals from resamples that all rules share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offramp.errors import DataError, OptionError
from offramp.policy.criteria import Array


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The value and the cost of each row at each knob of one rule.

    Attributes:
        values: to be compared, from 0 to 1, such as right (1) or wrong (0), (knobs, rows).
        costs: of a row, as a share of full depth, (knobs, rows); the mean is monotone in the knob.
    """

    values: Array
    costs: Array


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AtCost:
    """A rule at one cost: its mean value there, and its gain over the first rule."""

    rule: str
    cost: float
    value: Interval
    gain: Interval


def compare(
    rules: Mapping[str, Outcomes],
    costs: Sequence[float],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[AtCost, ...]:
    """Compares the mean values of rules at equal mean cost.

    Between two knobs, a rule is interpolated linearly, which is what choosing between the two at random would give;
    below its least cost it keeps the value there. Every resample draws the rows for all rules and for costs as well as
    values, so the gains are paired. If all rows are alike, so are all resamples; intervals therefore always allow for
    the share of different rows that a sample of this size may lack by chance.

    Args:
        rules: outcomes by name; gains are relative to the first rule.
        costs: mean costs to compare at, as a share of full depth.
        confidence: of the intervals, above 0 and below 1.
        resamples: number of bootstrap resamples, at least 1.
        seed: of the resamples.

    Returns:
        One for each rule and cost, in that order.

    Raises:
        DataError: there are no rules or rows, or rules differ in their number of rows.
        OptionError: an option is out of range.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, §13.3 (percentile interval).
    """
    _check(rules, costs, confidence, resamples)
    n_rows = next(iter(rules.values())).values.shape[1]
    weights = resample_weights(n_rows, resamples, seed)
    curves = [_at_costs(outcomes, weights, np.asarray(costs, dtype=np.float64)) for outcomes in rules.values()]
    first = next(iter(rules.values()))

    def gain(outcomes: Outcomes, samples: Array) -> Interval:
        if outcomes is first:
            return Interval(0.0, 0.0, 0.0)  # over itself, whatever the rows
        return _widened(interval(samples, confidence), n_rows, confidence, least=-1.0)

    return tuple(
        AtCost(
            rule=name,
            cost=cost,
            value=_widened(interval(curve[:, index], confidence), n_rows, confidence, least=0.0),
            gain=gain(rules[name], (curve - curves[0])[:, index]),
        )
        for name, curve in zip(rules, curves, strict=True)
        for index, cost in enumerate(costs)
    )


def _widened(estimate: Interval, rows: int, confidence: float, *, least: float) -> Interval:
    """Widens the interval of a mean of values from ``least`` to 1 by rows that a sample may lack by chance.

    With a = 1 - confidence, a sample misses a share of 1 - (a / 2) ** (1 / rows) of all rows with a chance of a / 2.
    """
    missing = 1.0 - ((1.0 - confidence) / 2) ** (1.0 / rows)
    low, high = (estimate.value + missing * (end - estimate.value) for end in (least, 1.0))
    return Interval(estimate.value, min(estimate.low, low), max(estimate.high, high))


def _at_costs(outcomes: Outcomes, weights: Array, costs: Array) -> Array:
    """The mean value at each cost under each weighting of the rows, (weightings, costs)."""
    values, spent = (outcomes.values @ weights).T, (outcomes.costs @ weights).T
    order = np.argsort(spent[0], kind="stable")
    return np.stack([np.interp(costs, x[order], y[order]) for x, y in zip(spent, values, strict=True)])


def resample_weights(rows: int, resamples: int = 1000, seed: int = 0) -> Array:
    """Weights of rows in the sample itself and in its bootstrap resamples, (rows, 1 + resamples); columns sum to 1."""
    draws = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=resamples)
    return np.concatenate([np.ones((1, rows)), draws]).T / rows


def interval(samples: Array, confidence: float = 0.95) -> Interval:
    """The percentile interval of an estimate, the first of the samples, from its resamples, the rest."""
    low, high = np.quantile(samples[1:], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(samples[0]), float(low), float(high))


def _check(rules: Mapping[str, Outcomes], costs: Sequence[float], confidence: float, resamples: int) -> None:
    shapes = {array.shape[1:] for outcomes in rules.values() for array in (outcomes.values, outcomes.costs)}
    if len(shapes) != 1 or not all(outcomes.values.size for outcomes in rules.values()):
        raise DataError(f"rules need outcomes (knobs, rows) of the same rows, at least one; rows are {sorted(shapes)}")
    if not costs or not all(cost > 0 for cost in costs):
        raise OptionError(f"costs are {list(costs)}; give shares of full depth above 0, such as 0.5")
    if not 0 < confidence < 1:
        raise OptionError(f"confidence is {confidence}; use a number above 0 and below 1, such as 0.95")
    if resamples < 1:
        raise OptionError(f"resamples is {resamples}; use at least 1")
