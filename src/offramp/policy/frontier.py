"""Per-exit thresholds: a family of threshold vectors along the frontier of loss and cost, chosen by a single knob."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.errors import DataError, OptionError
from offramp.policy.criteria import FIRST_EXIT, Array, Criterion, Knob
from offramp.policy.sweep import at_exits, exits_taken

# Number of quantiles of an exit's scores that are tried as thresholds; few, so that no threshold fits a single row.
QUANTILES = 64

# The prices tried: the loss that saving a whole full-depth pass is worth, from nearly none to any.
TRADES = np.geomspace(1e-4, 1e3, 141)

_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class PerExit(Criterion):
    """A criterion with its own threshold at each exit, in a nested family of vectors; the knob picks the vector.

    A row's score is the number of vectors under which it leaves, so threshold k means leaving by vector k, counted from
    1. Threshold 0 is the first exit, and ``len(thresholds) + 1`` is full depth. Since no threshold falls from one
    vector to the next, a larger knob never lets a row leave earlier. A family of one vector is a plain rule with one
    threshold per exit.

    Attributes:
        criterion: scores the rows.
        thresholds: (vectors, exits - 1), from the fastest vector to the safest; no column falls.

    Raises:
        OptionError: there is no vector, they differ in length, a threshold is negative or NaN, or a column falls.
    """

    criterion: Criterion
    thresholds: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.thresholds or len({len(vector) for vector in self.thresholds}) != 1:
            raise OptionError(f"thresholds are {self.thresholds}; give vectors with one threshold per early exit")
        table = np.array(self.thresholds, dtype=np.float64)
        if not (table >= 0).all():  # also refuses NaN
            raise OptionError(f"the least of the thresholds is {table.min()}; use numbers from 0 on")
        if (np.diff(table, axis=0) < 0).any():
            raise OptionError("a threshold falls from one vector to the next; order them from fastest to safest")

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.score`.

        Raises:
            OptionError: there are more exits than thresholds.
        """
        index = len(history)
        if index >= len(self.thresholds[0]):
            raise OptionError(f"there are {len(self.thresholds[0])} thresholds, none for exit {index}; give one each")
        column = np.array([vector[index] for vector in self.thresholds])
        scores = self.criterion.score(probabilities, history)
        return np.where(np.isnan(scores), np.nan, np.searchsorted(column, scores, side="right"))

    def answer(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.answer`."""
        return self.criterion.answer(probabilities, history)

    def lets_leave(self, exit_index: int, threshold: float, n_exits: int) -> bool:
        """See :meth:`offramp.policy.Criterion.lets_leave`."""
        knob = int(np.ceil(threshold))  # scores are whole numbers
        if not 0 < knob <= len(self.thresholds):
            return knob <= 0
        return self.criterion.lets_leave(exit_index, self.thresholds[knob - 1][exit_index], n_exits)

    def asks(self, exit_index: int, threshold: float) -> bool:
        """See :meth:`offramp.policy.Criterion.asks`."""
        knob = int(np.ceil(threshold))  # scores are whole numbers
        if not 0 < knob <= len(self.thresholds):
            return knob <= 0
        return self.criterion.asks(exit_index, self.thresholds[knob - 1][exit_index])

    def vector(self, knob: int) -> "PerExit":
        """The family of a single vector that does at threshold 1 what this one does at ``knob``, from 1 on."""
        return PerExit(self.criterion, (self.thresholds[knob - 1],))

    def knob(self, n_exits: int) -> Knob:
        """See :meth:`offramp.policy.Criterion.knob`."""
        return Knob(full_depth=len(self.thresholds) + 1, whole=True)


def search_thresholds(
    scores: Array, losses: Array, costs: Array, criterion: Criterion, n_vectors: int = 100
) -> PerExit:
    """Searches for the thresholds that lose least at each cost.

    For each price, from low to high, the thresholds minimize mean loss + price * mean cost. With the other exits fixed,
    an exit's best threshold among quantiles of its scores is exact: with the rows sorted by score, a cumulative sum
    gives the gain of every threshold at once. This is repeated over the exits until nothing changes. No threshold may
    rise with the price, so the family is nested. The path is then cut into steps of equal mean cost.

    The thresholds are fitted to these rows, so their losses here are too optimistic: the caller has to certify a knob,
    or report its loss, on other rows.

    Args:
        scores: (exits - 1, rows), of the criterion.
        losses: (exits, rows), of leaving at each exit, at most 1, such as :func:`offramp.policy.disagreement`.
        costs: (exits, rows), of a row up to each exit, as :func:`offramp.policy.row_costs` gives.
        criterion: the criterion that made the scores.
        n_vectors: size of the family.

    Returns:
        The family, with fewer vectors if fewer differ in cost.

    Raises:
        DataError: there are no rows, no early exit, or the shapes do not match.
        OptionError: ``n_vectors`` is below 1.

    Source: Bolukbasi et al., "Adaptive Neural Networks for Efficient Inference", ICML 2017, for loss and price of an
    exit; here with thresholds for the policy and a constraint that nests it.
    """
    if n_vectors < 1:
        raise OptionError(f"n_vectors is {n_vectors}; use at least 1")
    if not scores.size or losses.shape != (len(scores) + 1, scores.shape[1]):
        raise DataError(f"need scores of early exits and losses of all, got {scores.shape} and {losses.shape}")
    full_depth = criterion.knob(len(losses)).full_depth
    candidates = [np.unique([FIRST_EXIT, *_quantiles(at_exit), full_depth]) for at_exit in scores]
    levels = np.stack([_levels(at_exit, thresholds) for at_exit, thresholds in zip(scores, candidates, strict=True)])
    path = _path(levels, losses, np.broadcast_to(costs, losses.shape), [len(tried) for tried in candidates])
    vectors = np.array([[tried[level] for tried, level in zip(candidates, point, strict=True)] for point in path])
    mean_costs = at_exits(np.broadcast_to(costs, losses.shape), exits_taken(scores, vectors)).mean(axis=1)
    # The first of points that cost the same is the safest of them: np.unique keeps that one.
    distinct, first = np.unique(mean_costs, return_index=True)
    steps = np.linspace(distinct[0], distinct[-1], n_vectors + 2)[1:-1]  # the ends are the knob's own
    columns = [np.interp(steps, distinct, column) for column in vectors[first].T]
    table = np.unique(np.maximum.accumulate(np.stack(columns, axis=1), axis=0), axis=0)
    return PerExit(criterion, tuple(tuple(vector) for vector in table.tolist()))


def _quantiles(scores: Array) -> Array:
    finite = scores[~np.isnan(scores)]
    return np.quantile(finite, np.arange(1, QUANTILES) / QUANTILES, method="higher") if finite.size else finite


def _levels(scores: Array, candidates: Array) -> NDArray[np.int64]:
    """The highest candidate that each score reaches, as an index; -1 for NaN. (rows,)"""
    return np.where(np.isnan(scores), -1, np.searchsorted(candidates, scores, side="right") - 1)


def _path(levels: NDArray[np.int64], losses: Array, costs: Array, sizes: list[int]) -> list[list[int]]:
    """The best levels for each price, from full depth down to the first exit; no level rises. (points, exits - 1)"""
    point = [size - 1 for size in sizes]
    path = [point]
    for price in TRADES:
        point = _descend(levels, losses + price * costs, point)
        path.append(point)
    return [*path, [0] * len(sizes)]


def _descend(levels: NDArray[np.int64], totals: Array, start: list[int]) -> list[int]:
    """Lowers levels one by one as long as the sum of ``totals`` (exits, rows) at the exits taken falls."""
    point = list(start)
    for _ in range(_ROUNDS):
        before = list(point)
        onward = totals[-1]
        for exit_index in reversed(range(len(point))):
            level = levels[exit_index]
            gains = np.where(_reaching(levels, point, exit_index), onward - totals[exit_index], 0.0)
            point[exit_index] = _best_level(level, gains, point[exit_index])
            onward = np.where(level >= point[exit_index], totals[exit_index], onward)
        if point == before:
            break
    return point


def _reaching(levels: NDArray[np.int64], point: list[int], exit_index: int) -> NDArray[np.bool_]:
    """Whether each row reaches an exit, bool (rows,)."""
    staying = np.ones(levels.shape[1], dtype=np.bool_)
    for level, least in zip(levels[:exit_index], point[:exit_index], strict=True):
        staying &= level < least
    return staying


def _best_level(level: NDArray[np.int64], gains: Array, highest: int) -> int:
    """The level up to ``highest`` at and above which leaving gains most; on a tie, the highest."""
    # Index 0 takes the rows that never leave (level -1); a suffix sum is the gain of all rows at a level or above.
    at_level = np.bincount(level + 1, weights=gains, minlength=highest + 2)[1:]
    gain_from = np.cumsum(at_level[::-1])[::-1][: highest + 1]
    # A tiny difference is rounding, not gain.
    return int(np.flatnonzero(gain_from >= gain_from.max() - 1e-9)[-1])
