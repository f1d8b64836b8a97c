"""Risk control: finds the fastest knob whose loss stays below a target, with a guarantee."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from offramp.errors import DataError, OptionError
from offramp.policy.bounds import Array, betting, hoeffding_bentkus, least_count, least_rejected

# Knobs tested at once; the walk usually ends long before the fastest knob.
_BLOCK = 16


class Method(StrEnum):
    """How a knob is judged on calibration rows.

    Members:
        EMPIRICAL: its mean loss there is at most the target. Promises nothing about other rows.
        CONFORMAL: conformal risk control. The expected loss, over calibration rows and new ones, is at most the target.
            Losses are first made monotone: each row counts its greatest loss at this knob or any safer one, including
            full depth, whose loss is 0. Source: Angelopoulos et al., "Conformal Risk Control", ICLR 2024, the
            algorithm and the part on losses that are not monotone.
        LTT: Learn-then-Test. With the given confidence the loss is at most the target; p-values of Hoeffding and
            Bentkus. Source: Angelopoulos et al., "Learn then Test", 2021, p-values and fixed-sequence testing.
        UCB: the same promise, from the betting bound of Waudby-Smith and Ramdas, see
            :func:`offramp.policy.bounds.betting`. Source: Bates et al., JACM 2021, §3.1; for early exit: Jazbec et
            al., "Fast yet Safe", NeurIPS 2024.
    """

    EMPIRICAL = "empirical"
    CONFORMAL = "crc"
    LTT = "ltt"
    UCB = "ucb"


class Loss(StrEnum):
    """The values that a row's loss can take; the bounds depend on them.

    Members:
        BINARY: 0 or 1, such as disagreement with full depth.
        UNIT: from 0 to 1.
        SIGNED: -1, 0 or 1, such as the accuracy drop. EMPIRICAL and UCB let gains offset losses. For that, UCB rescales
            to [0, 1], which costs the betting bound little because it uses the small variance. CONFORMAL and LTT count
            only losses, max(0, loss): that is never less than the drop, so the promise holds, and it costs them far
            less than rescaling, after which Hoeffding's and Bentkus' bounds would see a mean near 1/2.
    """

    BINARY = "binary"
    UNIT = "unit"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Needed:
    """What it would take for a knob to qualify.

    Attributes:
        rows: least number of calibration rows on which a knob without any loss would qualify; with losses, more are
            needed. ``None`` if no number up to 16 million is enough.
        target: the tightest target at which the safest knob would have qualified on these rows.
    """

    rows: int | None
    target: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The knob that risk control chose.

    Attributes:
        index: of the knob; ``None`` if none qualified, so that only full depth is left.
        risk: mean loss of the chosen knob on the calibration rows, ``None`` if none.
        bound: the method's upper bound of the chosen knob's loss, taken alone; at most the target. The promise is the
            target, since only that allows for the choice among knobs. ``None`` if no knob was chosen.
        needed: what it would have taken; ``None`` if a knob was chosen.
        rows: number of calibration rows.
        target: greatest loss allowed.
        confidence: probability of the promise over calibration rows; ``None`` for methods that have none.
        method: how the knobs were judged.
    """

    index: int | None
    risk: float | None
    bound: float | None
    needed: Needed | None
    rows: int
    target: float
    confidence: float | None
    method: Method


def choose(losses: Array, target: float, method: Method, loss: Loss, confidence: float = 0.95) -> Choice:
    """Chooses the last certified knob, walking from the safest to the first one that fails.

    This is fixed-sequence testing: the chance that any certified knob is above the target is at most 1 - confidence,
    however many knobs there are and whether or not the loss rises from knob to knob. Continuing past a failure would
    void that.

    The promise requires rows drawn like future ones, and knobs fixed without looking at these rows: a grid such as
    :meth:`offramp.policy.Knob.grid`, or thresholds searched on other rows.

    Full depth is not a candidate: its loss is 0 by definition. Leave it out of the knobs, and use it if none qualifies.
    A knob at which hardly any rows leave can qualify even if it gains nothing.

    Args:
        losses: (knobs, rows), from the safest knob to the fastest.
        target: greatest mean loss allowed, above 0 and below 1.
        method: how to judge a knob.
        loss: the values a loss can take.
        confidence: probability with which LTT and UCB keep the target, above 0 and below 1; other methods ignore it.

    Raises:
        DataError: there are no knobs or rows, or a loss is not of its kind.
        OptionError: target or confidence is out of range.
    """
    _check(losses, target, confidence, loss)
    index = last_certified(losses, target, method, loss, confidence)
    judged = 0 if index is None else index
    bound = bound_at(losses, judged, method, loss, confidence)
    return Choice(
        index=index,
        risk=None if index is None else float(np.nanmean(losses[index])),
        bound=None if index is None else bound,
        needed=Needed(rows_needed(target, method, loss, confidence), bound) if index is None else None,
        rows=losses.shape[1],
        target=target,
        confidence=confidence if method in {Method.LTT, Method.UCB} else None,
        method=method,
    )


def last_certified(
    losses: Array,
    target: float,
    method: Method,
    loss: Loss,
    confidence: float,
    kept: NDArray[np.bool_] | None = None,
) -> int | None:
    """The index that :func:`choose` would choose, without its checks and figures.

    For several limits at once it is the least of their indices, for each at the same confidence: at every knob, the
    hypothesis to reject is that *some* limit is exceeded there, and the greatest of the limits' p-values is a p-value
    of that, so nothing has to be divided among them.

    Args:
        losses: as for :func:`choose`, or NaN where a row does not count at a knob. Given how many rows count, these are
            drawn like all rows that would, so a test on them is a test of the risk among all such rows; a knob at
            which none counts proves nothing, and fails.
        target, method, loss, confidence: as for :func:`choose`.
        kept: knobs that keep the target by definition, bool (knobs,), such as full depth; they pass untested.

    Source: Berger, "Multiparameter Hypothesis Testing and Acceptance Sampling", Technometrics 1982 (intersection-union
    tests); Angelopoulos et al., "Learn then Test", 2021, multiple risks.
    """
    prepared = _prepared(losses, method, loss)
    for start in range(0, len(prepared), _BLOCK):
        block = slice(start, start + _BLOCK)
        passes = _passes(prepared[block], target, method, loss, confidence)
        if kept is not None:
            passes |= kept[block]
        if not passes.all():
            last = start + int(np.argmin(passes)) - 1
            return None if last < 0 else last
    return len(prepared) - 1


def bound_at(losses: Array, index: int, method: Method, loss: Loss, confidence: float) -> float:
    """The method's upper bound of the loss at one knob, taken alone; arguments as for :func:`choose`."""
    return _bound(_prepared(losses[: index + 1], method, loss)[index], method, loss, confidence)


def rows_needed(target: float, method: Method, loss: Loss, confidence: float) -> int | None:
    """The least number of calibration rows on which a knob without any loss qualifies; arguments as for :func:`choose`.

    Returns:
        The number; None if it is above 16 million.

    Raises:
        OptionError: target or confidence is out of range.
    """
    check_shares(target, confidence)

    def qualifies(rows: int) -> bool:
        prepared = _prepared(np.zeros((1, rows)), method, loss)
        return bool(_passes(prepared, target, method, loss, confidence)[0])

    return least_count(qualifies)


def _prepared(losses: Array, method: Method, loss: Loss) -> Array:
    """The losses as the method's test expects them, (knobs, rows)."""
    if method is Method.CONFORMAL:
        return np.maximum.accumulate(np.maximum(losses, 0.0), axis=0)
    if method is Method.LTT:
        return np.maximum(losses, 0.0)
    if method is Method.UCB:
        # Rows of a file may be sorted, which a bet must not exploit; the order is fixed so that answers repeat.
        shuffled = losses[:, np.random.default_rng(0).permutation(losses.shape[1])]
        return (shuffled + 1.0) / 2.0 if loss is Loss.SIGNED else shuffled
    return losses


def _passes(prepared: Array, target: float, method: Method, loss: Loss, confidence: float) -> NDArray[np.bool_]:
    """Whether each knob on its own keeps the target, bool (knobs,)."""
    if method in {Method.LTT, Method.UCB}:
        return np.asarray(_p_values(prepared, target, method, loss, confidence) <= 1.0 - confidence)
    return np.asarray(_mean(prepared, method) <= target)


def _mean(prepared: Array, method: Method) -> Array:
    """The mean loss, (...); conformal risk control counts one more row with the greatest loss."""
    extra = 1.0 if method is Method.CONFORMAL else 0.0
    with np.errstate(invalid="ignore"):  # where no row counts, the mean is NaN, which is below no target
        return np.asarray((np.nansum(prepared, axis=-1) + extra) / (_counting(prepared) + extra))


def _counting(losses: Array) -> NDArray[np.int64]:
    """The number of rows that count, (...)."""
    return np.asarray((~np.isnan(losses)).sum(axis=-1))


def _p_values(prepared: Array, target: float, method: Method, loss: Loss, confidence: float) -> Array:
    """P-values of "the mean loss is above the target", (...); 1 where no row counts."""
    if method is Method.LTT:
        binary = loss is not Loss.UNIT  # signed losses without their gains are 0 or 1 too
        means = np.nan_to_num(_mean(prepared, method))
        return hoeffding_bentkus(means, target, _counting(prepared), binary=binary)
    target = (target + 1.0) / 2.0 if loss is Loss.SIGNED else target
    counting = ~np.isnan(prepared)
    if counting.all():
        return betting(prepared, target, confidence)
    if prepared.ndim == 1:
        return betting(prepared[counting], target, confidence) if counting.any() else np.ones(())
    return np.array([_p_values(row, target, method, Loss.UNIT, confidence) for row in prepared])


def _bound(prepared: Array, method: Method, loss: Loss, confidence: float) -> float:
    """The least target that the losses of one knob (rows,) would meet; 1 if no row counts."""
    if not _counting(prepared):
        return 1.0
    if method not in {Method.LTT, Method.UCB}:
        return float(_mean(prepared, method))
    return least_rejected(lambda target: float(_p_values(prepared, target, method, loss, confidence)), 1.0 - confidence)


def _check(losses: Array, target: float, confidence: float, loss: Loss) -> None:
    if losses.ndim != 2 or not losses.size:
        raise DataError(f"need losses of shape (knobs, rows), at least one of each, got {losses.shape}")
    if loss is Loss.UNIT:
        valid, kind = (losses >= 0) & (losses <= 1), "from 0 to 1"
    else:
        values = (0, 1) if loss is Loss.BINARY else (-1, 0, 1)
        valid, kind = np.isin(losses, values), " or ".join(str(value) for value in values)
    if not valid.all():
        raise DataError(f"a loss is {losses[~valid][0]}; a {loss} loss is {kind}")
    check_shares(target, confidence)


def check_shares(target: float, confidence: float = 0.5, name: str = "target") -> None:
    """Checks the range of a target, which messages call ``name``, and of a confidence.

    Raises:
        OptionError: one is not between 0 and 1.
    """
    if not 0 < target < 1:
        raise OptionError(
            f"{name} is {target}; use a share above 0 and below 1, such as 0.01 for 1 %", option=name, value=target
        )
    if not 0 < confidence < 1:
        raise OptionError(
            f"confidence is {confidence}; use a number above 0 and below 1, such as 0.95",
            option="confidence",
            value=confidence,
        )
