"""Goals: what a threshold is to achieve, and whether so many rows can show that it does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from offramp.errors import OptionError
from offramp.policy.candidates import judging_rows
from offramp.policy.limits import Limit, Risk
from offramp.policy.risk import Method, check_shares, rows_needed
from offramp.policy.rules import check_threshold


@dataclass(frozen=True, slots=True)
class AtMost:
    """The fastest threshold that keeps all limits at once; see :func:`offramp.policy.risk.last_certified`.

    Attributes:
        limits: at least one.
        method: how they are judged; None for the best one for each.
        confidence: probability that all of them are kept.
        each_exit: whether disagreement and accuracy drop are limited among the rows that have left so far, after every
            exit, and not only among all rows.
        coverage: least share of the rows that has to be answered; the others may be handed over. None: all of them.

    Raises:
        OptionError: there is no limit, confidence or coverage is out of range, the method cannot judge a limit, or rows
            may be handed over while answers are compared with full depth, where none needs to be.

    Source: Ringel et al., "Early Time Classification with Accumulated Accuracy Gap Control", ICML 2024 (the risk among
    those that have left so far).
    """

    limits: tuple[Limit, ...]
    method: Method | None
    confidence: float
    each_exit: bool = False
    coverage: float | None = None

    def __post_init__(self) -> None:
        if not self.limits:
            raise OptionError("there is no limit; give at least one, such as a disagreement of at most 0.01")
        check_shares(0.5, self.confidence)
        if self.coverage is not None:
            self._check_abstaining(self.coverage)
        if self.method is Method.CONFORMAL and self.conditional:
            raise OptionError(
                f"method {self.method} bounds a mean over all rows, not over some of them; use ltt or ucb",
                option="method",
                value=str(self.method),
            )

    def _check_abstaining(self, coverage: float) -> None:
        if not 0 <= coverage <= 1:
            raise OptionError(
                f"min_coverage is {coverage}; use a share from 0 to 1, such as 0.8 for at least 80 % answered",
                option="min_coverage",
                value=coverage,
            )
        if compared := next((limit for limit in self.limits if limit.kept_at_full_depth), None):
            raise OptionError(
                f"the {compared.risk} compares with full depth, so that nothing would have to be handed over; limit "
                "the error, which takes labels, or compare with a reference of your own",
                option="abstain",
            )

    @property
    def abstains(self) -> bool:
        """Whether rows may be handed over."""
        return self.coverage is not None

    @property
    def conditional(self) -> bool:
        """Whether some limit is about some of the rows only."""
        return self.each_exit or any(limit.conditional for limit in self.limits)

    @property
    def walks_from_full_depth(self) -> bool:
        """Whether the walk over knobs may begin at full depth: it keeps all limits, and all rows count for them."""
        return not self.conditional and all(limit.kept_at_full_depth for limit in self.limits)

    def judged_by(self, limit: Limit) -> Method:
        """The method that judges a limit."""
        return self.method or limit.risk.best_method

    def limits_at(self, exits: Sequence[str]) -> list[Limit]:
        """All limits of a model whose exits have these names."""
        so_far = [
            replace(limit, exit=name)
            for limit in self.limits
            if self.each_exit and limit.risk in {Risk.DISAGREEMENT, Risk.ACCURACY_DROP}
            for name in exits[:-1]
        ]
        return [*so_far, *self.limits]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The most accurate threshold that is expected to be at least this many times as fast as full depth.

    Without labels, the one that agrees with full depth most often.

    Raises:
        OptionError: ``speedup`` is not above 1.
    """

    speedup: float

    def __post_init__(self) -> None:
        if not 1 < self.speedup < np.inf:
            raise OptionError(
                f"speedup is {self.speedup}; use a number above 1, such as 2 for twice as fast",
                option="speedup",
                value=self.speedup,
            )


@dataclass(frozen=True, slots=True)
class Exactly:
    """The given threshold, whatever it does.

    Raises:
        OptionError: it is negative or NaN.
    """

    threshold: float

    def __post_init__(self) -> None:
        check_threshold(self.threshold)


Goal = AtMost | AtLeast | Exactly

LEAST_FITTED = 50
"""On fewer rows a gate learns chance: it keeps texts that confidence lets go, and may make early exit slower."""


def enough_to_fit(goal: Goal, rows: int) -> bool:
    """Whether a part of the rows tells enough to fit a criterion, and a goal can be met on those that remain.

    This depends only on the number of rows, so choosing a criterion by it does not weaken a promise.
    """
    if not isinstance(goal, AtMost):
        return True
    judging = judging_rows(rows)
    return rows - judging >= LEAST_FITTED and enough_to_judge(goal, judging)


def enough_to_judge(goal: Goal, rows: int) -> bool:
    """Whether a goal can be met on so many rows, if early exit loses nothing on any of them."""
    if not isinstance(goal, AtMost) or not goal.walks_from_full_depth:
        return True  # in the latter case, some rows have to say where to begin, whatever the criterion
    needed = [_rows_needed(goal, limit) for limit in goal.limits]
    return all(count is not None and rows >= count for count in needed)


def _rows_needed(goal: AtMost, limit: Limit) -> int | None:
    """The least number of rows that have to count for a limit to be kept."""
    return rows_needed(limit.target, goal.judged_by(limit), limit.risk.loss, goal.confidence)
