"""Fits what a calibration holds to held-out rows: temperatures, weights, and what decides and judges sets of labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offramp.calibration.calibration import Calibration
from offramp.calibration.coming import Coming, Rows
from offramp.calibration.evidence import NO_SOURCE, combined_exits, fit_evidence
from offramp.calibration.metrics import ExitCalibration, measure_exits
from offramp.calibration.problem import Floats, Labels, Problem
from offramp.calibration.sets import AS_IT_IS, Curve, Decide, fit_curve, fit_thresholds, gains_by_f1
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE, fit_temperature
from offramp.errors import DataError
from offramp.exit_names import layer_name

_LIMITS = (LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE)


def fit_calibration(
    exit_logits: Floats,
    targets: Labels,
    problem: Problem,
    layers: Sequence[int],
    fingerprint: str,
    otherwise: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    evidence: Sequence[float] = (),
    sources: Sequence[int] = (),
    came: NDArray[np.bool_] | None = None,
    decide: Decide = "keep",
) -> Calibration:
    """Fits and measures the temperature of every exit and, for sets of labels, what decides and judges them.

    Args:
        exit_logits: (exits, rows, labels), from one full-depth pass over held-out labeled rows.
        targets: int (rows,) or 0/1 (rows, labels).
        problem: one label or a set of labels, with the thresholds in use.
        layers: number of layers run before each exit, (exits,).
        fingerprint: identifies the rows.
        otherwise: temperatures for exits that have no best one on these rows, (exits,); by default the limit at which
            the search ended, see :func:`fit_temperature`.
        names: names of the exits, (exits,); by default by their layers.
        evidence: weights in use, (exits,), by which exits add what another said; empty if none does. They are fitted
            anew; that of the last exit only if it is not 0, so that full depth stays what it was.
        sources: index of the exit whose answer each exit may add, (exits,); -1 for none; empty if no exit may.
        came: which rows come to each exit, (exits, rows); by default all. An exit's temperature is fitted to those. In
            a window of long texts that fewer than 30 come to, it is that of the window before.
        decide: how the thresholds of labels are chosen, by full depth.

    Raises:
        DataError: there are no rows, shapes do not match, a logit is not finite or a target is not a label.

    Source: Schwartz et al., ACL 2020, §3.
    """
    _check_shape(exit_logits, layers)
    coming = Coming.of(came, _named(layers, names))
    temperatures = _within(_fitted(exit_logits, targets, problem, coming), otherwise)
    adding = list(sources)
    if adding and not any(evidence[-1:]):
        for full in coming.fulls(len(layers)):
            adding[full] = NO_SOURCE
    temperatures, weights = _with_evidence(exit_logits, targets, problem, temperatures, adding, coming)
    answers = combined_exits(problem, exit_logits, temperatures, weights, sources)
    full_depth = coming.at_end(answers)
    problem = problem.fitted(_thresholds(full_depth, targets, problem, decide), ())
    problem = _judging(problem, answers, targets, coming)
    return Calibration(
        temperatures=temperatures,
        fitted_on=fingerprint,
        rows=exit_logits.shape[1],
        exits=_measured(exit_logits, targets, problem, layers, names, temperatures, weights, answers),
        evidence=weights,
        thresholds=problem.thresholds,
        miss_cost=None if isinstance(decide, str) else decide,
        curves=problem.curves,
    )


def fit_agreement(
    exit_logits: Floats,
    problem: Problem,
    layers: Sequence[int],
    fingerprint: str,
    otherwise: Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    evidence: Sequence[float] = (),
    sources: Sequence[int] = (),
    came: NDArray[np.bool_] | None = None,
) -> Calibration:
    """Fits temperatures without labels: an exit's confidence then says how likely the last exit is to agree.

    The last exit keeps temperature 1: it always agrees with itself. Where its answers depend on the temperature in use,
    because thresholds of labels were fitted or because it adds what another exit said, that stays as it is, and so do
    the other's temperature and the weight.

    Args:
        exit_logits: (exits, rows, labels), from one full-depth pass over held-out rows.
        problem, layers, fingerprint, otherwise, names, evidence, sources, came: as for :func:`fit_calibration`.

    Raises:
        DataError: there are no rows, shapes do not match or a logit is not finite.
    """
    _check_shape(exit_logits, layers)
    last, coming, adding = len(layers) - 1, Coming.of(came, _named(layers, names)), list(sources)
    believed, kept = problem.probabilities(exit_logits[last]), {last: 1.0}
    if otherwise is not None and (problem.thresholds or any(evidence[last:])):
        # Full depth answers by what is in use, which therefore stays.
        fulls = coming.fulls(len(layers))
        used = [exit_index for full in fulls for exit_index in (full, *sources[full : full + 1])]
        kept = {exit_index: otherwise[exit_index] for exit_index in used if exit_index != NO_SOURCE}
        believed = coming.at_end(combined_exits(problem, exit_logits, otherwise, evidence, sources))
    predicted, coming = problem.predicted(believed), coming.going()
    before = _within(_fitted(exit_logits[:last], predicted, problem, coming), otherwise and otherwise[:last])
    before = tuple(kept.get(exit_index, temperature) for exit_index, temperature in enumerate((*before, 1.0)))
    for exit_index in kept if sources else ():
        adding[exit_index] = NO_SOURCE
    temperatures, weights = _with_evidence(exit_logits, predicted, problem, before, adding, coming)
    if sources:
        weights = tuple(evidence[at] if at in kept and evidence else weight for at, weight in enumerate(weights))
    answers = combined_exits(problem, exit_logits, temperatures, weights, sources)
    curves = _judging(problem, answers[:last], predicted, coming).curves
    problem = problem.fitted(problem.thresholds, (*curves, AS_IT_IS) if problem.multi_label else ())
    return Calibration(
        temperatures=temperatures,
        fitted_on=fingerprint,
        rows=exit_logits.shape[1],
        exits=_measured(exit_logits, predicted, problem, layers, names, temperatures, weights, answers),
        against="model",
        evidence=weights,
        thresholds=problem.thresholds,
        curves=problem.curves,
    )


def _thresholds(full: Floats, targets: Labels, problem: Problem, decide: Decide) -> tuple[float, ...]:
    """The probability above which each label holds, (labels,), given those at full depth (rows, labels)."""
    if not problem.multi_label or decide == "half":
        return ()
    if decide == "keep":
        return problem.thresholds
    if decide == "auto":
        return fit_thresholds(full, targets, "f1") if gains_by_f1(full, targets) else ()
    return fit_thresholds(full, targets, decide)


def _judging(problem: Problem, answers: Floats, targets: Labels, coming: Coming) -> Problem:
    """The same problem with the curves of exits whose answers (exits, rows, labels) are given."""
    if not problem.multi_label:
        return problem
    right, logs = problem.right(answers, targets), problem.log_probability(answers)

    def curve(exit_index: int, rows: Rows) -> Curve:
        return fit_curve(logs[exit_index, rows], right[exit_index, rows])

    return problem.fitted(problem.thresholds, coming.fitted(range(len(answers)), curve))


def _named(layers: Sequence[int], names: Sequence[str] | None) -> Sequence[str]:
    return list(map(layer_name, layers)) if names is None else names


def _fitted(exit_logits: Floats, targets: Labels, problem: Problem, coming: Coming) -> list[float]:
    """The temperature of each exit on its own."""

    def temperature(exit_index: int, rows: Rows) -> float:
        return fit_temperature(exit_logits[exit_index][rows], targets[rows], problem)

    return coming.fitted(range(len(exit_logits)), temperature)


def _with_evidence(
    exit_logits: Floats,
    targets: Labels,
    problem: Problem,
    temperatures: Sequence[float],
    sources: Sequence[int],
    coming: Coming,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Temperatures and weights of all exits; of those that may add what another said, both are fitted anew."""

    def both(exit_index: int, rows: Rows) -> tuple[float, float]:
        source = sources[exit_index]
        first = problem.probabilities(exit_logits[source, rows], temperatures[source])
        return fit_evidence(exit_logits[exit_index, rows], first, targets[rows], problem, temperatures[exit_index])

    adding = [exit_index for exit_index, source in enumerate(sources) if source != NO_SOURCE]
    fitted = dict(zip(adding, coming.fitted(adding, both), strict=True))
    chosen = [fitted.get(exit_index, (temperature, 0.0)) for exit_index, temperature in enumerate(temperatures)]
    return tuple(temperature for temperature, _ in chosen), tuple(weight for _, weight in chosen)


def _within(temperatures: Sequence[float], otherwise: Sequence[float] | None) -> tuple[float, ...]:
    """Replaces temperatures that are limits by others."""
    pairs = zip(temperatures, temperatures if otherwise is None else otherwise, strict=True)
    return tuple(fallback if fitted in _LIMITS else fitted for fitted, fallback in pairs)


def _check_shape(exit_logits: Floats, layers: Sequence[int]) -> None:
    if exit_logits.ndim != 3 or not layers or len(exit_logits) != len(layers):
        raise DataError(f"need logits of shape ({len(layers)} exits, rows, labels), got {exit_logits.shape}")


def _measured(
    exit_logits: Floats,
    targets: Labels,
    problem: Problem,
    layers: Sequence[int],
    names: Sequence[str] | None,
    temperatures: Sequence[float],
    evidence: Sequence[float],
    answers: Floats,
) -> tuple[ExitCalibration, ...]:
    return measure_exits(
        exit_logits,
        targets,
        temperatures,
        problem,
        answers=answers,
        adding=evidence,
        names=_named(layers, names),
        layers=layers,
    )
