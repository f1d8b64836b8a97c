"""Whether the promises of operating points hold on the evaluated rows."""

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.evaluation.intervals import accuracy_difference
from offramp.evaluation.result import EvaluatedPoint, PromiseHere
from offramp.policy import ExitAnswers, Interval, Promise, Reference, Replay
from offramp.policy.bounds import exact_interval
from offramp.policy.risk import Loss

# A promise counts as broken if chance would explain the result in less than this share of cases, over all points.
SIGNIFICANT = 0.05


class Standing(StrEnum):
    """Whether a promise holds on some rows.

    Members:
        KEPT: the risk is at most what was promised.
        CHANCE: it is above that, by no more than chance explains on so few rows.
        BROKEN: it is above that by more than chance explains.
    """

    KEPT = "kept"
    CHANCE = "above, within chance"
    BROKEN = "broken"


def promise_here(
    promise: Promise, answers: ExitAnswers, replayed: Replay, reference: Reference | None = None
) -> PromiseHere:
    """A promise on other rows, given the replay of its rule there.

    Args:
        promise: of an operating point.
        answers: to the rows; with the predictions of the reference, if there is one.
        replayed: what the point's rule does there.
        reference: whose predictions they are.
    """
    limit = promise.limit
    if limit.reference is not None and (reference is None or not limit.reference.is_same(reference)):
        return PromiseHere(promise, 0, None)
    losses = answers.limited(np.stack([replayed.probabilities, answers.full]), limit)[0]
    losses = np.where(replayed.handed_over, np.nan, losses)
    if limit.exit is not None:
        losses = np.where(replayed.exits <= answers.names.index(limit.exit), losses, np.nan)
    losses = losses[~np.isnan(losses)]
    return PromiseHere(promise, len(losses), _risk(losses) if len(losses) else None)


def _risk(losses: NDArray[np.float64]) -> Interval:
    """The mean of losses from -1 to 1, with its 95 % interval; exact if they are whole."""
    if not np.isin(losses, (-1, 0, 1)).all():
        mean, off = float(losses.mean()), 1.96 * float(losses.std()) / len(losses) ** 0.5
        return Interval(mean, max(0.0, mean - off), min(1.0, mean + off))
    gained, lost, rows = int((losses < 0).sum()), int((losses > 0).sum()), len(losses)
    return accuracy_difference(lost, gained, rows) if gained else Interval(lost / rows, *exact_interval(lost, rows))


def standings(points: Sequence[EvaluatedPoint]) -> list[list[Standing | None]]:
    """The standing of each promise of each point, all of them judged together; None if it cannot be seen here.

    Args:
        points: all operating points that were evaluated.
    """
    promised = sum(len(entry.promises) for entry in points)
    return [[_standing(here, promised) for here in entry.promises] for entry in points]


def _standing(here: PromiseHere, promised: int) -> Standing | None:
    if here.risk is None:
        return None
    limit = here.promise.limit
    if here.risk.value <= limit.target + 1e-9:  # differences of shares are not exact in floating point
        return Standing.KEPT
    if limit.risk.loss is not Loss.BINARY:
        broken = here.risk.low > limit.target
    else:
        lost = round(here.rows * here.risk.value)
        chance = scipy.stats.binomtest(lost, here.rows, limit.target, alternative="greater").pvalue
        broken = chance * promised < SIGNIFICANT
    return Standing.BROKEN if broken else Standing.CHANCE
