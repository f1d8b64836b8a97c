"""Ways to search for thresholds; each takes rows and a goal, and gives scores of all exits and thresholds for them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from offramp.policy import (
    FITTING_SHARE,
    Confidence,
    Criterion,
    ExitAnswers,
    Method,
    Risk,
    at_exits,
    exits_taken,
    make_criterion,
    score_exits,
    search_thresholds,
    sweep_gate,
)
from offramp.policy.candidates import KNOBS
from offramp.policy.criteria import PROBABILITY
from offramp.policy.risk import last_certified

GRID = PROBABILITY.grid(KNOBS)[::-1]
COARSE = PROBABILITY.grid(24)[::-1]
CONFIDENCE = 0.95
FOLDS = 5


@dataclass(frozen=True)
class Goal:
    """As fast as possible with at most this share lost."""

    risk: Risk
    allowed: float


@dataclass(frozen=True, eq=False)
class Choice:
    """Rows leave where the scores of a criterion reach the thresholds, one for each early exit."""

    criterion: Criterion
    thresholds: np.ndarray


@dataclass(frozen=True, eq=False)
class Cached:
    """Rows with what is computed of them once: scores by confidence, losses and costs."""

    rows: ExitAnswers
    scores: np.ndarray
    losses: dict[Risk, np.ndarray]
    costs: np.ndarray

    @classmethod
    def of(cls, rows: ExitAnswers) -> "Cached":
        """Computes it."""
        scored = score_exits(rows.probabilities, Confidence(rows.problem))
        losses = {risk: rows.losses(scored.answers, risk) for risk in Risk}
        return cls(rows, scored.scores, losses, np.array(rows.reaching) / rows.reaching[-1])

    def subset(self, places: np.ndarray) -> "Cached":
        """Some of the rows."""
        losses = {risk: losses[:, places] for risk, losses in self.losses.items()}
        return Cached(self.rows.subset(places), self.scores[:, places], losses, self.costs)

    def split(self, share: float) -> "tuple[Cached, Cached]":
        """The first rows, which were drawn at random, and the others."""
        first, others = np.split(np.arange(len(self.rows)), [int(share * len(self.rows))])
        return self.subset(first), self.subset(others)

    def seen(self, vectors: np.ndarray, goal: Goal, scores: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Losses of each row under vectors of thresholds (vectors, rows), and mean costs, (vectors,)."""
        exits = exits_taken(self.scores if scores is None else scores, vectors)
        return at_exits(self.losses[goal.risk], exits), self.costs[exits].mean(axis=1)

    def outcome(self, choice: Choice, risk: Risk, held_out: np.ndarray) -> tuple[float, float]:
        """Speed-up over full depth in one go, and loss, on some of the rows."""
        rows = self.subset(held_out)
        scores = rows.scores
        if not isinstance(choice.criterion, Confidence):
            scores = score_exits(rows.rows.probabilities, choice.criterion).scores
        exits = exits_taken(scores, choice.thresholds[None])
        return 1 / rows.rows.cost(exits[0]), float(at_exits(rows.losses[risk], exits).mean())

    @cached_property
    def gate(self) -> tuple[Criterion, np.ndarray]:
        """Fitted to all of the rows, with the exits that they take by gates that have not seen them."""
        swept = sweep_gate(self.rows)
        return swept.criterion, swept.exits

    @cached_property
    def fitted_gate(self) -> tuple[Criterion, np.ndarray]:
        """Fitted to all of the rows, with their scores by that."""
        criterion = make_criterion("gate", self.rows, Risk.DISAGREEMENT)
        return criterion, score_exits(self.rows.probabilities, criterion).scores

    @cached_property
    def parts(self) -> "dict[float, tuple[Cached, Cached]]":
        """What fits, and what judges, by the share of the former."""
        return {share: self.split(share) for share in (FITTING_SHARE, FITTING_SHARE / 2)}

    @cached_property
    def families(self) -> dict[Any, np.ndarray]:
        """Vectors of thresholds that were searched before, for other goals."""
        return {}

    def per_exit(self, risk: Risk) -> np.ndarray:
        """Vectors of free thresholds, from the safest to the fastest, (vectors, exits - 1)."""
        if risk not in self.families:
            costs = np.broadcast_to(self.costs[:, None], self.losses[risk].shape)
            found = search_thresholds(self.scores, self.losses[risk], costs, Confidence(self.rows.problem))
            self.families[risk] = np.array(found.thresholds)[::-1]
        return self.families[risk]


@dataclass(frozen=True)
class Search:
    """A way to search, and whether it is tried on every number of rows."""

    choose: Callable[[Cached, Goal], Choice]
    at_every_size: bool = False

    def __call__(self, rows: Cached, goal: Goal) -> Choice:
        """Searches."""
        return self.choose(rows, goal)


def tied(rows: Cached, thresholds: np.ndarray = GRID) -> np.ndarray:
    """One threshold for all exits, as vectors."""
    return np.repeat(thresholds[:, None], len(rows.scores), axis=1)


def last_kept(losses: np.ndarray, goal: Goal, method: Method = Method.EMPIRICAL) -> int | None:
    """The fastest of the vectors that follow each other from the safest on and keep the goal."""
    return last_certified(losses, goal.allowed, method, goal.risk.loss, CONFIDENCE)


def plain(rows: Cached, vectors: np.ndarray, index: int | None) -> Choice:
    """A vector of confidences; full depth if there is none."""
    full = np.full(len(rows.scores), PROBABILITY.full_depth)
    return Choice(Confidence(rows.rows.problem), full if index is None else vectors[index])


def one_threshold(rows: Cached, goal: Goal) -> Choice:
    """The same confidence at every exit."""
    vectors = tied(rows)
    return plain(rows, vectors, last_kept(rows.seen(vectors, goal)[0], goal))


def two_thresholds(rows: Cached, goal: Goal) -> Choice:
    """One for the first exit, one for the rest: the cheapest pair that keeps the goal."""
    pairs = np.stack(np.meshgrid(COARSE, COARSE, indexing="ij"), axis=-1).reshape(-1, 2)
    vectors = np.concatenate([pairs[:, :1], np.repeat(pairs[:, 1:], len(rows.scores) - 1, axis=1)], axis=1)
    return cheapest(rows, vectors, goal)


def cheapest(rows: Cached, vectors: np.ndarray, goal: Goal) -> Choice:
    """The cheapest vector whose mean loss is what is allowed."""
    losses, costs = rows.seen(vectors, goal)
    kept = np.flatnonzero(losses.mean(axis=1) <= goal.allowed)
    return plain(rows, vectors, int(kept[costs[kept].argmin()]) if kept.size else None)


def exits_dropped(rows: Cached, goal: Goal) -> Choice:
    """One threshold, and one exit after the other is dropped as long as that saves time."""
    opened = np.ones(len(rows.scores), np.bool_)

    def best(opened: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = np.where(opened, tied(rows, PROBABILITY.grid(80)[::-1]), PROBABILITY.full_depth)
        losses, costs = rows.seen(vectors, goal)
        index = last_kept(losses, goal)
        return (1.0, vectors[0]) if index is None else (float(costs[index]), vectors[index])

    cost, vector = best(opened)
    while opened.any():
        tries = [(*best(np.where(np.arange(len(opened)) == exit_index, False, opened)), exit_index)
                 for exit_index in np.flatnonzero(opened)]  # fmt: skip
        least = min(tries, key=lambda one: one[0])
        if least[0] >= cost:
            break
        cost, vector = least[:2]
        opened[least[2]] = False
    return Choice(Confidence(rows.rows.problem), vector)


def free(rows: Cached, goal: Goal) -> Choice:
    """Free thresholds, judged by the rows that they were searched on."""
    vectors = rows.per_exit(goal.risk)
    return plain(rows, vectors, last_kept(rows.seen(vectors, goal)[0], goal))


def free_by_agreement(rows: Cached, goal: Goal) -> Choice:
    """Free thresholds searched for agreement, whatever the goal, and then one knob."""
    vectors = rows.per_exit(Risk.DISAGREEMENT)
    return plain(rows, vectors, last_kept(rows.seen(vectors, goal)[0], goal))


def free_on_a_quarter(rows: Cached, goal: Goal, method: Method = Method.EMPIRICAL) -> Choice:
    """Free thresholds searched on a quarter of the rows and judged by the others."""
    fitting, judging = rows.parts[FITTING_SHARE]
    vectors = fitting.per_exit(goal.risk)
    return plain(rows, vectors, last_kept(judging.seen(vectors, goal)[0], goal, method))


def log_odds(thresholds: np.ndarray) -> np.ndarray:
    """Of confidences; those that none reaches as sure as can be."""
    clipped = np.clip(thresholds, 1e-7, 1 - 1e-7)
    return np.log(clipped) - np.log1p(-clipped)


def thresholds_of(values: np.ndarray) -> np.ndarray:
    """Undoes it."""
    return np.where(values > 15, PROBABILITY.full_depth, 1 / (1 + np.exp(-values)))


def shrunk(rows: Cached, goal: Goal) -> Choice:
    """Halfway, in log-odds, between free thresholds and the one threshold that costs as much."""
    vectors, same = rows.per_exit(Risk.DISAGREEMENT), tied(rows)
    costs, others = (rows.seen(one, goal)[1] for one in (vectors, same))
    nearest = same[np.abs(others[None] - costs[:, None]).argmin(axis=1)]
    middle = thresholds_of((log_odds(vectors) + log_odds(nearest)) / 2)
    return plain(rows, middle, last_kept(rows.seen(middle, goal)[0], goal))


def free_cross_fitted(rows: Cached, goal: Goal) -> Choice:
    """Free thresholds searched without each fifth of the rows in turn and judged by it; their mean in log-odds."""
    if "folds" not in rows.families:
        places = np.arange(len(rows.rows))
        parts = np.array_split(places, FOLDS)
        found = [rows.subset(np.setdiff1d(places, part)).per_exit(Risk.DISAGREEMENT) for part in parts]
        # Families differ in length; they are matched by their share of the way from the safest to the fastest.
        along = [np.rint(np.linspace(0, len(one) - 1, 60)).astype(int) for one in found]
        rows.families["folds"] = np.stack([one[at] for one, at in zip(found, along, strict=True)])
    folds, parts = rows.families["folds"], np.array_split(np.arange(len(rows.rows)), FOLDS)
    losses = np.concatenate(
        [rows.subset(part).seen(vectors, goal)[0] for part, vectors in zip(parts, folds, strict=True)], axis=1
    )
    return plain(rows, thresholds_of(log_odds(folds).mean(axis=0)), last_kept(losses, goal))


def gate_in_sample(rows: Cached, goal: Goal) -> Choice:
    """A gate that agreement with full depth taught, judged by the rows that it was fitted to."""
    criterion, scores = rows.fitted_gate
    return _gate(rows, criterion, last_kept(rows.seen(tied(rows), goal, scores)[0], goal))


def gate_cross_fitted(rows: Cached, goal: Goal, errors: float = 0.0) -> Choice:
    """The same, each row judged by a gate fitted to others: by its mean loss and some standard errors more."""
    criterion, exits = rows.gate
    losses = at_exits(rows.losses[goal.risk], exits)[1:]
    above = losses.mean(axis=1) + errors * losses.std(axis=1) / np.sqrt(losses.shape[1]) > goal.allowed + 1e-12
    return _gate(rows, criterion, int(above.argmax()) if above.any() else len(losses))


def gate_on_a_part(rows: Cached, goal: Goal, method: Method, share: float = FITTING_SHARE) -> Choice:
    """A gate fitted to a share of the rows and judged by the others."""
    fitting, judging = rows.parts[share]
    criterion = fitting.fitted_gate[0]
    scores = score_exits(judging.rows.probabilities, criterion).scores
    return _gate(rows, criterion, last_kept(judging.seen(tied(rows), goal, scores)[0], goal, method))


def _gate(rows: Cached, criterion: Criterion, index: int | None) -> Choice:
    return Choice(criterion, tied(rows)[index or 0])


def one_threshold_sure(rows: Cached, goal: Goal) -> Choice:
    """The same confidence at every exit, certified by all rows."""
    vectors = tied(rows)[1:]
    return plain(rows, vectors, last_kept(rows.seen(vectors, goal)[0], goal, goal.risk.best_method))


def sure(choose: Callable[[Cached, Goal, Method], Choice]) -> Callable[[Cached, Goal], Choice]:
    """A search on a quarter of the rows, certified by the others."""
    return lambda rows, goal: choose(rows, goal, goal.risk.best_method)


SEARCHES = {
    "one threshold": Search(one_threshold, at_every_size=True),
    "two: first exit, the rest": Search(two_thresholds),
    "one, exits dropped": Search(exits_dropped),
    "free": Search(free, at_every_size=True),
    "free, by agreement": Search(free_by_agreement),
    "free, fitted to a quarter": Search(free_on_a_quarter, at_every_size=True),
    "free, half-way to one": Search(shrunk),
    "free, cross-fitted": Search(free_cross_fitted),
    "gate, in sample": Search(gate_in_sample, at_every_size=True),
    "gate, cross-fitted": Search(gate_cross_fitted, at_every_size=True),
    "gate, cross-fitted, mean + 1 s.e.": Search(lambda rows, goal: gate_cross_fitted(rows, goal, 1.0), True),
}
SURE = {
    "one threshold": Search(one_threshold_sure, at_every_size=True),
    "free, fitted to a quarter": Search(sure(free_on_a_quarter), at_every_size=True),
    "gate, fitted to an eighth": Search(sure(partial(gate_on_a_part, share=FITTING_SHARE / 2)), at_every_size=True),
    "gate, fitted to a quarter": Search(sure(gate_on_a_part), at_every_size=True),
}
"""Ways to search where 95 % confidence is wanted."""
