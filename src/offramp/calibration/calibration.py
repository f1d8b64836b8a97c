"""The temperatures of a model's exits, the data they were fitted on, and their effect."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from offramp.calibration.coming import Coming
from offramp.calibration.evidence import NO_SOURCE, combined_exits, fit_evidence
from offramp.calibration.metrics import ExitCalibration, measure_exits
from offramp.calibration.problem import Floats, Labels, Problem
from offramp.calibration.sets import AS_IT_IS, Curve, Decide, fit_curve, fit_thresholds, gains_by_f1
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE, fit_temperature
from offramp.errors import DataError
from offramp.exit_names import in_column, layer_name
from offramp.folder import CALIBRATION

FEW_ROWS = 200
"""With fewer rows, a temperature depends strongly on which rows they are."""

LEAST_SAVED = 0.1
"""The share of layers that early exit has to save before it is expected to be worth its decisions and small batches."""

_LIMITS = (LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE)

Against = Literal["labels", "model"]


@dataclass(frozen=True, slots=True)
class DefaultThreshold:
    """The threshold of confidence that a model uses where nobody chose one, and what it does.

    Attributes:
        threshold: texts leave at the first exit that is at least so sure.
        exits: share of the dev rows that leave at each exit, (exits,); empty if that is not known.
        layers: layers run, mean over dev rows, as a share of all; None if that is not known.
    """

    threshold: float
    exits: tuple[float, ...] = ()
    layers: float | None = None

    def doubt(self, model: str) -> str | None:
        """Why early exit is not expected to be faster than full depth, and what to do; None if nothing suggests so.

        Args:
            model: its folder.
        """
        if self.layers is None or len(self.exits) < 2 or self.layers <= 1 - LEAST_SAVED:
            return None
        return (
            f"no operating point was tuned, and at the default, a confidence of {self.threshold:g}, early exit is not "
            f"expected to be faster than full depth: dev texts ran {self.layers:.0%} of the layers; choose a point "
            f"with  offramp tune {model} --data UNSEEN-TEXTS"
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """One temperature per exit, the rows they were fitted on and each exit's quality there.

    ``fitted_on`` is the fingerprint of the data; ``exits`` is empty if nothing was measured. An exit is right if it
    agrees with the ``labels`` or, without labels, with the ``model``'s last exit.

    ``evidence`` holds a weight for each exit by which it adds what the model of words before its encoder said, see
    :func:`offramp.calibration.evidence.combined`; it is empty if none does.

    Of models that give any number of labels, ``thresholds`` holds the probability above which each label holds,
    (labels,) or empty for 0.5 everywhere, and ``miss_cost`` what they are fitted for: how many times what a wrong label
    costs a missed one does, or None for the best F1 of each. ``curves`` tells how likely a set is right, for each exit.
    See :mod:`offramp.calibration.sets`.

    ``default`` is the threshold of confidence by which texts leave where nobody chose one; None if it was not fitted.
    """

    temperatures: tuple[float, ...]
    fitted_on: str
    rows: int
    exits: tuple[ExitCalibration, ...]
    against: Against = "labels"
    evidence: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    miss_cost: float | None = None
    curves: tuple[Curve, ...] = ()
    default: DefaultThreshold | None = None

    def __post_init__(self) -> None:
        if not self.temperatures or len(self.exits) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.exits)} exits")
        if not min(self.temperatures) > 0:
            raise ValueError(f"a temperature is {min(self.temperatures)}, not above 0")
        if self.rows < 0:
            raise ValueError(f"rows is {self.rows}, not a count")
        if len(self.evidence) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.evidence)} weights")
        if not all(0 <= weight < np.inf for weight in self.evidence):
            raise ValueError(f"a weight is {min(self.evidence)}, not 0 or more")
        if len(self.curves) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.curves)} curves")
        if not any(self.evidence):
            object.__setattr__(self, "evidence", ())

    @classmethod
    def neutral(cls, layers: Sequence[int], *, words: bool = False) -> Self:
        """The calibration of a model that was not calibrated: temperature 1 for each exit, nothing measured.

        Args:
            layers: the layers that exits sit after.
            words: whether a model of words comes before them.
        """
        return cls(temperatures=(1.0,) * (len(layers) + words), fitted_on="", rows=0, exits=())

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Reads the calibration of a model folder.

        Raises:
            ModelFolderError: the file is missing or damaged.
        """
        return CALIBRATION.read(folder, Calibration)

    def save(self, folder: Path) -> None:
        """Writes the calibration into a model folder, atomically."""
        CALIBRATION.write(folder, self)

    def answers_like(self, other: "Calibration") -> bool:
        """Whether exits answer the same under another calibration."""
        return self.answering == other.answering

    @property
    def answering(self) -> tuple[object, ...]:
        """All that the exits' answers depend on."""
        temperatures = tuple(map(float, self.temperatures))  # 1 is 1.0, whoever wrote the file
        return temperatures, self.evidence, self.thresholds, self.curves

    def problem(self, kind: Problem) -> Problem:
        """A kind of problem with what was fitted to decide and to judge sets of labels."""
        return kind.fitted(self.thresholds, self.curves)

    @property
    def decides(self) -> Decide:
        """How thresholds of labels are to be fitted again."""
        if not self.thresholds:
            return "keep"
        return "f1" if self.miss_cost is None else self.miss_cost

    def judges(self, exit_: ExitCalibration) -> bool:
        """Whether an exit's figures are meaningful; those of the last exit compared with itself are not."""
        return self.against == "labels" or exit_ is not self.exits[-1]

    @property
    def doubt(self) -> str | None:
        """Why confidences may be far off, and what to do, in one sentence; None if nothing suggests so."""
        if not self.exits:
            return None
        lowest, highest = self._ended(LOWEST_TEMPERATURE), self._ended(HIGHEST_TEMPERATURE)
        if self.rows < FEW_ROWS:
            ended = [
                f"{place} the fit ended at a limit ({temperature:g})"
                for place, temperature in ((lowest, LOWEST_TEMPERATURE), (highest, HIGHEST_TEMPERATURE))
                if place
            ]
            return (
                "the temperatures are uncertain, and with them the confidences: "
                f"{' and '.join([f'they were fitted to {self.rows} rows', *ended])}; run  offramp calibrate  with "
                f"{FEW_ROWS} labeled texts or more that the model was not trained on"
            )
        # On so many rows a limit is no matter of chance, and more rows of the kind end there, too.
        limits = []
        if lowest:
            limits.append(
                f"{lowest} no confidence is too high for these {self.rows} texts (the temperature ended at its limit, "
                f"{LOWEST_TEMPERATURE:g}), so how sure it is there means little; texts that it gets wrong would tell"
            )
        if highest:
            limits.append(
                f"{highest} answers fit these {self.rows} texts no better than chance (the temperature ended at its "
                f"limit, {HIGHEST_TEMPERATURE:g}), so hardly a text will leave there; more texts would not change that"
            )
        return "; ".join(limits) or None

    def _ended(self, limit: float) -> str:
        """Where the fit of a temperature ended at a limit; nothing if nowhere.

        An exit that adds what words said is left out: there a limit tells that its own answer counts for little.
        """
        weights = self.evidence or (0.0,) * len(self.exits)
        exits = zip(self.exits, weights, strict=True)
        names = [exit_.name for exit_, weight in exits if exit_.temperature == limit and not weight]
        after, shown = in_column(names)
        return f"{after} {', '.join(shown)}" if names else ""


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
    curves: list[Curve] = []
    for exit_index in range(len(answers)):
        like, rows = coming.like(exit_index), coming.rows(exit_index)
        own = like == exit_index
        curves.append(fit_curve(logs[exit_index, rows], right[exit_index, rows]) if own else curves[like])
    return problem.fitted(problem.thresholds, curves)


def _named(layers: Sequence[int], names: Sequence[str] | None) -> Sequence[str]:
    return list(map(layer_name, layers)) if names is None else names


def _fitted(exit_logits: Floats, targets: Labels, problem: Problem, coming: Coming) -> list[float]:
    """The temperature of each exit on its own."""
    fitted: list[float] = []
    for exit_index, logits in enumerate(exit_logits):
        like, rows = coming.like(exit_index), coming.rows(exit_index)
        own = like == exit_index
        fitted.append(fit_temperature(logits[rows], targets[rows], problem) if own else fitted[like])
    return fitted


def _with_evidence(
    exit_logits: Floats,
    targets: Labels,
    problem: Problem,
    temperatures: Sequence[float],
    sources: Sequence[int],
    coming: Coming,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Temperatures and weights of all exits; of those that may add what another said, both are fitted anew."""
    chosen = [(temperature, 0.0) for temperature in temperatures]
    for exit_index, source in enumerate(sources):
        if source != NO_SOURCE:
            like, rows = coming.like(exit_index), coming.rows(exit_index)
            first = problem.probabilities(exit_logits[source, rows], temperatures[source])
            logits, temperature = exit_logits[exit_index, rows], temperatures[exit_index]
            own = like == exit_index
            chosen[exit_index] = (
                fit_evidence(logits, first, targets[rows], problem, temperature) if own else chosen[like]
            )
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
