"""Ways to search for thresholds; each takes rows and a goal, and gives scores of all exits and thresholds for them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
FOLDS = 3


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
    found: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: ExitAnswers) -> "Cached":
        """Computes it."""
        scored = score_exits(rows.probabilities, Confidence(rows.problem))
        losses = {risk: rows.losses(scored.answers, risk) for risk in (Risk.DISAGREEMENT, Risk.ACCURACY_DROP)}
        return cls(rows, scored.scores, losses, np.array(rows.reaching) / rows.reaching[-1])

    def subset(self, places: np.ndarray) -> "Cached":
        """Some of the rows."""
        losses = {risk: losses[:, places] for risk, losses in self.losses.items()}
        return Cached(self.rows.subset(places), self.scores[:, places], losses, self.costs)

    def split(self, share: float) -> "tuple[Cached, Cached]":
        """The first rows, which were drawn at random, and the others."""
        first, others = np.split(np.arange(len(self.rows)), [int(share * len(self.rows))])
        return self.subset(first), self.subset(others)

    def once(self, name: Any, compute: Callable[[], Any]) -> Any:
        """Computes something that several searches need a single time."""
        if name not in self.found:
            self.found[name] = compute()
        return self.found[name]

    def seen(self, name: str, vectors: np.ndarray, goal: Goal, scores: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Losses of each row under vectors of thresholds (vectors, rows), and mean costs, (vectors,); by their name."""
        exits = self.once(("exits", name), lambda: exits_taken(self.scores if scores is None else scores, vectors))
        return at_exits(self.losses[goal.risk], exits), self.costs[exits].mean(axis=1)

    def outcome(self, choice: Choice, risk: Risk, held_out: np.ndarray) -> tuple[float, float]:
        """Speed-up over full depth in one go, and loss, on some of the rows."""
        scores = self.scores
        if not isinstance(choice.criterion, Confidence):
            if self.found.get("criterion") is not choice.criterion:
                self.found["criterion"] = choice.criterion
                self.found["scores"] = score_exits(self.rows.probabilities, choice.criterion).scores
            scores = self.found["scores"]
        exits = exits_taken(scores[:, held_out], choice.thresholds[None])
        costs = self.rows.costs
        assert costs is not None
        speedup = costs.full / float((self.costs * self.rows.reaching[-1])[exits].mean())
        return speedup, float(at_exits(self.losses[risk][:, held_out], exits).mean())

    @property
    def gate(self) -> tuple[Criterion, np.ndarray]:
        """Fitted to all of the rows, with the exits that they take by gates that have not seen them."""
        swept = self.once("gate", lambda: sweep_gate(self.rows))
        return swept.criterion, swept.exits

    def parts(self, share: float) -> "tuple[Cached, Cached]":
        """What fits, and what judges."""
        return tuple(self.once(("parts", share), lambda: self.split(share)))  # type: ignore[return-value]

    def per_exit(self, risk: Risk) -> np.ndarray:
        """Vectors of free thresholds, from the safest to the fastest, (vectors, exits - 1)."""
        return np.asarray(self.once(("per exit", risk), lambda: self._per_exit(risk)))

    def _per_exit(self, risk: Risk) -> np.ndarray:
        costs = np.broadcast_to(self.costs[:, None], self.losses[risk].shape)
        found = search_thresholds(self.scores, self.losses[risk], costs, Confidence(self.rows.problem))
        return np.array(found.thresholds)[::-1]


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
    return plain(rows, vectors, last_kept(rows.seen("one", vectors, goal)[0], goal))


def two_thresholds(rows: Cached, goal: Goal) -> Choice:
    """One for the first exit, one for the rest: the cheapest pair that keeps the goal."""
    pairs = np.stack(np.meshgrid(COARSE, COARSE, indexing="ij"), axis=-1).reshape(-1, 2)
    vectors = np.concatenate([pairs[:, :1], np.repeat(pairs[:, 1:], len(rows.scores) - 1, axis=1)], axis=1)
    return cheapest(rows, vectors, goal)


def cheapest(rows: Cached, vectors: np.ndarray, goal: Goal) -> Choice:
    """The cheapest vector whose mean loss is what is allowed."""
    losses, costs = rows.seen("two", vectors, goal)
    kept = np.flatnonzero(losses.mean(axis=1) <= goal.allowed)
    return plain(rows, vectors, int(kept[costs[kept].argmin()]) if kept.size else None)


def exits_dropped(rows: Cached, goal: Goal) -> Choice:
    """One threshold, and one exit after the other is dropped as long as that saves time."""
    opened = np.ones(len(rows.scores), np.bool_)

    def best(opened: np.ndarray) -> tuple[float, np.ndarray]:
        vectors = np.where(opened, tied(rows, PROBABILITY.grid(80)[::-1]), PROBABILITY.full_depth)
        losses, costs = rows.seen(f"opened {opened}", vectors, goal)
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
    return plain(rows, vectors, last_kept(rows.seen(f"free {goal.risk}", vectors, goal)[0], goal))


def free_by_agreement(rows: Cached, goal: Goal) -> Choice:
    """Free thresholds searched for agreement, whatever the goal, and then one knob."""
    vectors = rows.per_exit(Risk.DISAGREEMENT)
    return plain(rows, vectors, last_kept(rows.seen(f"free {Risk.DISAGREEMENT}", vectors, goal)[0], goal))


def free_on_a_quarter(rows: Cached, goal: Goal, method: Method = Method.EMPIRICAL) -> Choice:
    """Free thresholds searched on a quarter of the rows and judged by the others."""
    fitting, judging = rows.parts(FITTING_SHARE)
    vectors = fitting.per_exit(goal.risk)
    return plain(rows, vectors, last_kept(judging.seen(f"free {goal.risk}", vectors, goal)[0], goal, method))


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
    costs = rows.seen(f"free {Risk.DISAGREEMENT}", vectors, goal)[1]
    nearest = same[np.abs(rows.seen("one", same, goal)[1][None] - costs[:, None]).argmin(axis=1)]
    middle = thresholds_of((log_odds(vectors) + log_odds(nearest)) / 2)
    return plain(rows, middle, last_kept(rows.seen("half-way", middle, goal)[0], goal))


def free_cross_fitted(rows: Cached, goal: Goal) -> Choice:
    """Free thresholds searched without each third of the rows in turn and judged by it; their mean in log-odds."""
    vectors, exits = rows.once("folds", lambda: _folds(rows))
    return plain(rows, vectors, last_kept(at_exits(rows.losses[goal.risk], exits), goal))


def _folds(rows: Cached) -> tuple[np.ndarray, np.ndarray]:
    """The mean vectors, and the exits that each row takes by vectors that were found without it."""
    places = np.arange(len(rows.rows))
    parts = np.array_split(places, FOLDS)
    found = [rows.subset(np.setdiff1d(places, part)).per_exit(Risk.DISAGREEMENT) for part in parts]
    # Families differ in length; they are matched by their share of the way from the safest to the fastest.
    along = [np.rint(np.linspace(0, len(one) - 1, 60)).astype(int) for one in found]
    folds = [one[at] for one, at in zip(found, along, strict=True)]
    exits = [exits_taken(rows.scores[:, part], vectors) for part, vectors in zip(parts, folds, strict=True)]
    return thresholds_of(log_odds(np.stack(folds)).mean(axis=0)), np.concatenate(exits, axis=1)


def gate_in_sample(rows: Cached, goal: Goal) -> Choice:
    """A gate that agreement with full depth taught, judged by the rows that it was fitted to."""
    criterion = rows.gate[0]
    scores = rows.once("gate scores", lambda: score_exits(rows.rows.probabilities, criterion).scores)
    return _gate(rows, criterion, last_kept(rows.seen("gate", tied(rows), goal, scores)[0], goal))


def gate_cross_fitted(rows: Cached, goal: Goal, errors: float = 0.0) -> Choice:
    """The same, each row judged by a gate fitted to others: by its mean loss and some standard errors more."""
    criterion, exits = rows.gate
    losses = at_exits(rows.losses[goal.risk], exits)[1:]
    above = losses.mean(axis=1) + errors * losses.std(axis=1) / np.sqrt(losses.shape[1]) > goal.allowed + 1e-12
    return _gate(rows, criterion, int(above.argmax()) if above.any() else len(losses))


def gate_on_a_part(rows: Cached, goal: Goal, method: Method, share: float = FITTING_SHARE) -> Choice:
    """A gate fitted to a share of the rows and judged by the others."""
    fitting, judging = rows.parts(share)
    criterion = fitting.once("gate", lambda: make_criterion("gate", fitting.rows, Risk.DISAGREEMENT))
    scores = judging.once("gate scores", lambda: score_exits(judging.rows.probabilities, criterion).scores)
    return _gate(rows, criterion, last_kept(judging.seen("gate", tied(rows), goal, scores)[0], goal, method))


def _gate(rows: Cached, criterion: Criterion, index: int | None) -> Choice:
    return Choice(criterion, tied(rows)[index or 0])


def one_threshold_sure(rows: Cached, goal: Goal) -> Choice:
    """The same confidence at every exit, certified by all rows."""
    vectors = tied(rows)
    return plain(rows, vectors, last_kept(rows.seen("one", vectors, goal)[0], goal, goal.risk.best_method))


def sure(choose: Callable[[Cached, Goal, Method], Choice]) -> Callable[[Cached, Goal], Choice]:
    """A search on a quarter of the rows, certified by the others."""
    return lambda rows, goal: choose(rows, goal, goal.risk.best_method)


Search = Callable[[Cached, Goal], Choice]

SEARCHES: dict[str, Search] = {
    "one threshold": one_threshold,
    "two: first exit, the rest": two_thresholds,
    "one, exits dropped": exits_dropped,
    "free": free,
    "free, by agreement": free_by_agreement,
    "free, fitted to a quarter": free_on_a_quarter,
    "free, half-way to one": shrunk,
    "free, cross-fitted": free_cross_fitted,
    "gate, in sample": gate_in_sample,
    "gate, cross-fitted": gate_cross_fitted,
    "gate, cross-fitted, mean + 1 s.e.": partial(gate_cross_fitted, errors=1.0),
}
SURE: dict[str, Search] = {
    "one threshold": one_threshold_sure,
    "free, fitted to a quarter": sure(free_on_a_quarter),
    "gate, fitted to an eighth": sure(partial(gate_on_a_part, share=FITTING_SHARE / 2)),
    "gate, fitted to a quarter": sure(gate_on_a_part),
}
"""Ways to search where 95 % confidence is wanted."""
