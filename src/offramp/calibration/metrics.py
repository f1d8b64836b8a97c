"""How well an exit's confidence predicts whether the exit is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.calibration.problem import Floats, Labels, Problem
from offramp.errors import DataError, OptionError


def expected_calibration_error(
    confidence: Floats, right: NDArray[np.bool_], bins: int = 15, equal_mass: bool = False
) -> float:
    """The gap between confidence and accuracy, averaged over bins of similar confidence, weighted by rows.

    Bins of equal width contain their upper edge, the first also 0. Bins of equal mass cut the ranking into parts of
    equal size; equal confidences share their middle rank, hence their bin, so the order of rows never matters.

    Args:
        confidence: (rows,), in [0, 1].
        right: bool (rows,), whether the prediction was right.
        bins: number of bins, at least 1.
        equal_mass: bins with the same number of rows instead of the same width.

    Returns:
        From 0 (calibrated) to 1. An empty bin contributes nothing.

    Raises:
        DataError: there are no rows, lengths differ, or a confidence is outside [0, 1].
        OptionError: ``bins`` is below 1.

    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, §2.
    """
    _check(confidence, right, bins)
    rows = len(confidence)
    bin_of = (
        ((_middle_ranks(confidence) - 0.5) * bins / rows).astype(np.int64) if equal_mass else _bin(confidence, bins)
    )
    # A bin's weighted gap, n_b / n * |confidence - accuracy|, is the absolute sum of its rows' gaps over n.
    gaps = np.bincount(bin_of, weights=confidence - right.astype(np.float64))
    return float(np.abs(gaps).sum() / rows)


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows whose confidence is above ``low`` and at most ``high``; the first bin includes 0.

    ``confidence`` is their mean confidence and ``accuracy`` the share that is right; both are ``None`` without rows.
    """

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Compares confidence with accuracy in bins of equal width; for calibrated rows, both are equal in each bin.

    Args:
        confidence: (rows,), in [0, 1].
        right: bool (rows,), whether the prediction was right.
        bins: number of bins, at least 1.

    Returns:
        One for each bin, in rising order.

    Raises:
        DataError, OptionError: see :func:`expected_calibration_error`.

    Source: DeGroot and Fienberg, The Statistician 1983 (reliability diagrams); Guo et al., ICML 2017, §2.
    """
    _check(confidence, right, bins)
    bin_of = _bin(confidence, bins)
    rows = np.bincount(bin_of, minlength=bins)
    sums = (np.bincount(bin_of, weights=values, minlength=bins) for values in (confidence, right.astype(np.float64)))
    return tuple(
        ReliabilityBin(
            low=index / bins,
            high=(index + 1) / bins,
            rows=int(count),
            confidence=float(confidences / count) if count else None,
            accuracy=float(rights / count) if count else None,
        )
        for index, (count, confidences, rights) in enumerate(zip(rows, *sums, strict=True))
    )


def auroc(confidence: Floats, right: NDArray[np.bool_]) -> float | None:
    """The probability that a right row is more confident than a wrong one; ties count half.

    Args:
        confidence: (rows,).
        right: bool (rows,), whether the prediction was right.

    Returns:
        The area under the ROC curve of "this exit is right", from 0 to 1; ``None`` if all rows are right or all wrong.

    Source: Hanley and McNeil, Radiology 1982 (the area as a rank statistic).
    """
    n_right = int(right.sum())
    n_wrong = len(right) - n_right
    if not n_right or not n_wrong:
        return None
    rank_sum = float(_middle_ranks(confidence)[right].sum())
    return (rank_sum - n_right * (n_right + 1) / 2) / (n_right * n_wrong)


@dataclass(frozen=True, slots=True)
class ExitCalibration:
    """One exit's quality on labeled rows, before (temperature 1) and after calibration.

    ``exit`` is the index from 0, ``name`` the exit's name and ``layers`` the number of layers run before it. Losses are
    in nats; ``auroc`` is that of the calibrated confidence, ``None`` if all rows are right or all wrong.
    """

    exit: int
    name: str
    layers: int
    temperature: float
    rows: int
    accuracy: float
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float
    ece_equal_mass_before: float
    ece_equal_mass_after: float
    brier_before: float
    brier_after: float
    auroc: float | None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature is {self.temperature}, not above 0")
        if min(self.exit, self.layers, self.rows) < 0:
            raise ValueError(f"exit {self.exit} after {self.layers} layers on {self.rows} rows; none can be below 0")


def measure_exit(
    logits: Floats,
    targets: Labels,
    temperature: float,
    problem: Problem,
    *,
    after: Floats | None = None,
    exit: int,  # noqa: A002
    name: str,
    layers: int,
) -> ExitCalibration:
    """Measures one exit before and after calibration.

    Args:
        logits: (rows, labels).
        targets: int (rows,) or 0/1 (rows, labels).
        temperature: positive.
        problem: one label or a set of labels, with what was fitted to decide and to judge sets.
        after: the exit's calibrated probabilities, (rows, labels), where they are more than its logits at that
            temperature: see :func:`offramp.calibration.evidence.combined`.
        exit: the exit's index, from 0.
        name: the exit's name.
        layers: number of layers run before the exit.

    Raises:
        DataError: see :meth:`Problem.check`.
    """
    problem.check(logits, targets)
    before, unfitted = problem.probabilities(logits), Problem(problem.type)
    if after is None:
        after, loss = problem.probabilities(logits, temperature), (logits, targets, temperature)
    else:
        loss = problem.logits(after), targets, 1.0
    sure_before, sure_after = unfitted.confidence(before, exit), problem.confidence(after, exit)
    right = problem.right(after, targets)
    return ExitCalibration(
        exit=exit,
        name=name,
        layers=layers,
        temperature=temperature,
        rows=len(logits),
        accuracy=float(right.mean()),
        nll_before=problem.negative_log_likelihood(logits, targets),
        nll_after=problem.negative_log_likelihood(*loss),
        ece_before=expected_calibration_error(sure_before, right),
        ece_after=expected_calibration_error(sure_after, right),
        ece_equal_mass_before=expected_calibration_error(sure_before, right, equal_mass=True),
        ece_equal_mass_after=expected_calibration_error(sure_after, right, equal_mass=True),
        brier_before=problem.brier(before, targets),
        brier_after=problem.brier(after, targets),
        auroc=auroc(sure_after, right),
    )


def measure_exits(
    exit_logits: Floats,
    targets: Labels,
    temperatures: Sequence[float],
    problem: Problem,
    *,
    answers: Floats,
    adding: Sequence[float],
    names: Sequence[str],
    layers: Sequence[int],
) -> tuple[ExitCalibration, ...]:
    """:func:`measure_exit` for all exits of the same rows, (exits,).

    Args:
        answers: the exits' calibrated probabilities, (exits, rows, labels).
        adding: weights by which exits add what another said, (exits,); empty if none does.
    """
    weights = adding or (0.0,) * len(layers)
    return tuple(
        measure_exit(
            exit_logits[index],
            targets,
            temperatures[index],
            problem,
            after=answers[index] if weights[index] else None,
            exit=index,
            name=names[index],
            layers=layers[index],
        )
        for index in range(len(layers))
    )


def _check(confidence: Floats, right: NDArray[np.bool_], bins: int) -> None:
    if bins < 1:
        raise OptionError(f"bins is {bins}; use at least 1")
    if confidence.ndim != 1 or confidence.shape != right.shape or not confidence.size:
        raise DataError(f"need one confidence and one verdict a row, got shapes {confidence.shape} and {right.shape}")
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise DataError("a confidence is NaN or outside [0, 1]; pass probabilities, not logits")


def _bin(confidence: Floats, bins: int) -> NDArray[np.int64]:
    """The bin of equal width that each confidence falls into. (rows,) -> (rows,)."""
    return np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")


def _middle_ranks(values: Floats) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of their ranks. (rows,) -> (rows,)."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(sizes) - (sizes - 1) / 2)[group])
