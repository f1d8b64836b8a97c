"""Arithmetic on cached logits and measured times: what each way of answering gets right, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.paper.times import Array, Lot
from offramp.calibration import Problem
from offramp.exit_names import layer_name
from offramp.policy import (
    CRITERIA,
    Confidence,
    Criterion,
    ExitAnswers,
    Interval,
    Outcomes,
    Risk,
    at_exits,
    compare,
    exits_taken,
    interval,
    resample_weights,
    score_exits,
    search_thresholds,
)

PROBLEM = Problem.SINGLE_LABEL
CONFIDENCE: Criterion = Confidence(PROBLEM)
KNOBS = 200
# The curve of a picture and the area under it.
SPEEDUPS = np.round(np.arange(1.0, 8.01, 0.1), 1)
AREA = (1.0, 4.0)

_resamples = cache(resample_weights)


def read_answers(file: Path, part: str, *, calibrated: bool = True) -> ExitAnswers:
    """Reads the logits that a run kept of its dev or test rows; without calibration all temperatures are 1."""
    with np.load(file) as kept:
        temperatures = kept["temperatures"] if calibrated else np.ones_like(kept["temperatures"])
        return ExitAnswers(
            logits=kept[f"{part}_logits"].astype(np.float64),
            temperatures=tuple(temperatures.tolist()),
            problem=PROBLEM,
            targets=kept[f"{part}_targets"].astype(np.int64),
            tokens=kept[f"{part}_tokens"].astype(np.int64),
            truncated=kept[f"{part}_truncated"],
            layers=tuple(kept["layers"].tolist()),
            names=tuple(map(layer_name, kept["layers"].tolist())),
        )


def criterion_named(name: str, layers: Sequence[int]) -> Criterion:
    """A criterion of the library that needs no fitting; its source counts layers as the cost of an exit."""
    return CRITERIA[name].of(PROBLEM, layers)


def per_exit(answers: ExitAnswers, costs: Array, criterion: Criterion = CONFIDENCE) -> Criterion:
    """A threshold for each exit, all under one knob, fitted to some rows.

    Args:
        costs: of rows up to each exit, (exits, rows).
    """
    scored = score_exits(answers.probabilities, criterion)
    losses = answers.losses(scored.answers, Risk.ACCURACY_DROP)
    return search_thresholds(scored.scores, losses, costs, criterion)


def early_exit(answers: ExitAnswers, lot: Lot, criterion: Criterion = CONFIDENCE) -> Outcomes:
    """A network with exits, at every threshold."""
    return lot.timed(at_thresholds(answers, lot.shares(answers.tokens), criterion))


def one_exit(answers: ExitAnswers, costs: Array) -> Outcomes:
    """A network with a single exit: a standard or an efficient one."""
    return Outcomes(answers.right(answers.full)[None].astype(np.float64), costs[None])


def in_turn(models: Sequence[tuple[ExitAnswers, Array]]) -> tuple[ExitAnswers, Array]:
    """Separate models one after the other, the small ones first, each of which starts from the text.

    Args:
        models: their answers and what each of them alone costs, (rows,).

    Returns:
        Answers of which each model is an exit, and costs up to each, (models, rows).
    """
    answers = replace(
        models[-1][0],
        logits=np.stack([found.logits[-1] for found, _ in models]),
        temperatures=tuple(found.temperatures[-1] for found, _ in models),
    )
    return answers, np.cumsum([costs for _, costs in models], axis=0)


def at_thresholds(answers: ExitAnswers, costs: Array, criterion: Criterion = CONFIDENCE) -> Outcomes:
    """Leaving where an exit is sure enough, at every setting of the criterion's knob, from the dearest.

    Args:
        costs: of rows up to each exit, (exits, rows).
    """
    scored = score_exits(answers.probabilities, criterion)
    taken = exits_taken(scored.scores, criterion.knob(len(answers.probabilities)).grid(KNOBS)[::-1])
    right = answers.right(scored.answers).astype(np.float64)
    return Outcomes(at_exits(right, taken), at_exits(costs, taken))


def choice_between(outcomes: Sequence[Outcomes]) -> Outcomes:
    """One knob over several ways, from the dearest to the cheapest."""
    ordered = sorted(outcomes, key=lambda one: -float(one.costs.mean()))
    return Outcomes(np.concatenate([one.values for one in ordered]), np.concatenate([one.costs for one in ordered]))


def mean_over_seeds(outcomes: Sequence[Outcomes]) -> Outcomes:
    """Each row's mean over models that differ in their seed, knob by knob."""
    return Outcomes(np.mean([one.values for one in outcomes], axis=0), np.mean([one.costs for one in outcomes], axis=0))


def fastest(outcomes: Outcomes) -> float:
    """The highest speed-up there is."""
    return 1 / float(outcomes.costs.mean(axis=1).min())


def accuracy_at(outcomes: Outcomes, speedups: Sequence[float] | Array) -> list[float | None]:
    """Mean accuracy at speed-ups, on the line between neighboring knobs; None out of reach."""
    costs, values = outcomes.costs.mean(axis=1), outcomes.values.mean(axis=1)
    order = np.argsort(costs, kind="stable")
    found = np.interp(1 / np.asarray(speedups), costs[order], values[order])
    reach = fastest(outcomes) * (1 + 1e-9)
    return [float(value) if speedup <= reach else None for speedup, value in zip(speedups, found, strict=True)]


def area(outcomes: Outcomes) -> float:
    """Mean accuracy over speed-ups from 1 to 4; beyond the fastest it is that of the first exit."""
    grid = np.linspace(*AREA, 61)
    found = accuracy_at(outcomes, np.minimum(grid, fastest(outcomes)))
    return float(np.mean([one for one in found if one is not None]))


@dataclass(frozen=True, slots=True)
class Reach:
    """The highest speed-up of a setting that loses at most so much on the rows that it is judged by.

    Attributes:
        speedup: None if no setting does that is faster than the standard model.
        low, high: ends of its 95 % interval: in every resample the setting is chosen anew, and where none is good
            enough the standard model stays, at 1.
    """

    speedup: float | None
    low: float
    high: float


def reach(outcomes: Outcomes, standard: Outcomes, loss: float) -> Reach:
    """What a curve says can be had for a loss against the standard model, and how sure that is.

    Args:
        standard: of one setting.
    """
    weights = _resamples(standard.values.size)
    good = outcomes.values @ weights >= standard.values @ weights - loss - 1e-9
    found = interval(
        np.where(good, standard.costs @ weights / (outcomes.costs @ weights), 1.0).max(axis=0, initial=1.0)
    )
    return Reach(found.value if found.value > 1 else None, found.low, found.high)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A setting that was chosen on dev rows: what it comes to on the test rows."""

    speedup: float
    gain: Interval
    """Accuracy less the standard model's."""


def chosen(dev: Outcomes, dev_standard: Outcomes, test: Outcomes, standard: Outcomes, loss: float) -> Chosen | None:
    """The fastest setting that loses at most so much on the dev rows; None if none does.

    Args:
        dev, test: of the same settings.
        dev_standard, standard: of the standard model, one setting.
    """
    good = dev.values.mean(axis=1) >= dev_standard.values.mean() - loss - 1e-9
    if not good.any():
        return None
    setting = np.flatnonzero(good)[np.argmin(dev.costs.mean(axis=1)[good])]
    return judged(Outcomes(test.values[[setting]], test.costs[[setting]]), standard)


def judged(setting: Outcomes, standard: Outcomes) -> Chosen:
    """A single setting beside the standard model, on the same rows."""
    gains = (setting.values[0] - standard.values[0]) @ _resamples(standard.values.size)
    return Chosen(1 / float(setting.costs.mean()), interval(gains))


def spread_thresholds(answers: ExitAnswers, number: int) -> list[float]:
    """Thresholds at which the rows run through evenly spaced numbers of layers in the mean, the ends included."""
    thresholds = CONFIDENCE.knob(len(answers.layers)).grid(KNOBS)
    taken = exits_taken(score_exits(answers.probabilities, CONFIDENCE).scores, thresholds)
    layers = np.array(answers.layers)[taken].mean(axis=1)
    wanted = np.linspace(answers.layers[0], answers.layers[-1], number)
    return [float(thresholds[place]) for place in np.unique(np.abs(layers - wanted[:, None]).argmin(axis=1))]


@dataclass(frozen=True, slots=True)
class Versus:
    """Two ways at one speed-up: their accuracies, and by how much the first is better, with its 95 % interval."""

    speedup: float
    ours: float
    theirs: float
    gain: Interval

    @property
    def verdict(self) -> str:
        """Whether the interval leaves 0 out, by more than rounding."""
        if self.gain.low > 1e-9:
            return "better"
        return "worse" if self.gain.high < -1e-9 else "even"


def versus(ours: Outcomes, theirs: Outcomes, speedups: Sequence[float]) -> list[Versus]:
    """Compares on the same rows, by a paired bootstrap, at all speed-ups that both of them reach."""
    slower = min(fastest(ours), fastest(theirs))
    reached = [speedup for speedup in speedups if slower >= speedup * (1 - 1e-9)]
    if not reached:
        return []
    found = compare({"theirs": theirs, "ours": ours}, [1 / speedup for speedup in reached])
    pairs = zip(reached, found[: len(reached)], found[len(reached) :], strict=True)
    return [Versus(speedup, second.value.value, first.value.value, second.gain) for speedup, first, second in pairs]


@dataclass(frozen=True, slots=True)
class Correlations:
    """Spearman's rho of the first exit's confidence with the text's length, and with whether all exits agree.

    None where one of the two is the same for all texts.
    """

    length: float | None
    consistency: float | None


def correlations(answers: ExitAnswers) -> Correlations:
    """What the first exit's confidence goes with; the paper's measures of how hard a text is."""
    confidence = PROBLEM.confidence(answers.probabilities[0], 0)
    labels = answers.probabilities.argmax(axis=-1)
    consistent = (labels == labels[-1]).all(axis=0)
    return Correlations(_rho(confidence, answers.tokens), _rho(confidence, consistent))


def mean_correlations(found: Sequence[Correlations]) -> Correlations:
    """The mean over models."""

    def mean(values: list[float | None]) -> float | None:
        known = [one for one in values if one is not None]
        return float(np.mean(known)) if known else None

    return Correlations(mean([one.length for one in found]), mean([one.consistency for one in found]))


def _rho(first: NDArray[Any], second: NDArray[Any]) -> float | None:
    if (first == first[0]).all() or (second == second[0]).all():
        return None
    return float(spearmanr(first, second).statistic)
