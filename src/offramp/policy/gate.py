"""A small learned gate: the probability that an exit's answer is good, from what it and the exits before say."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.errors import DataError, OptionError
from offramp.policy.criteria import Array, Criterion

_FEATURES = 3
# Log-odds beyond this are rounding more than evidence, and a few of them would decide the fit.
_SUREST = 16.0


@dataclass(frozen=True, slots=True)
class Gate(Criterion):
    """A logistic regression for each exit but the last, of "this exit says what full depth will say".

    Where rows may be handed over, it is one of "this exit's answer is right" for each exit, the last included. So one
    threshold means the same at every exit, however well each is calibrated. The features of a row are log-odds of what
    this exit predicts: as this exit sees them, as the exit before saw them, and their mean over all exits before; the
    last two are 0 at the first exit. Exits that are passed over are not looked back at.

    Attributes:
        weights: of the features, (exits - 1, 3) or (exits, 3); none for an exit that is passed over, which scores NaN.
        biases: one for each of these exits.
        doubts: by how much the log-odds are lowered where the exit would answer with each label, (labels,), or with a
            set that holds it; empty if all labels are treated alike. So one threshold is another one for each label.

    Raises:
        OptionError: weights and biases do not match.

    Source: Xin et al., "BERxiT", EACL 2021, learning to exit; here the features are the exits' outputs instead of
    hidden states, so that replay needs only cached logits.
    """

    problem: Problem
    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]
    doubts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.biases) or any(len(one) not in {0, _FEATURES} for one in self.weights):
            raise OptionError(
                f"the gate has weights {self.weights} and biases {self.biases}; give {_FEATURES} and 1 per "
                "exit, or no weights where it is passed over"
            )

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`offramp.policy.Criterion.score`.

        Raises:
            OptionError: the gate was fitted for fewer exits.
        """
        index = len(history)
        if index >= len(self.biases):
            raise OptionError(f"the gate was fitted for {len(self.biases)} exits, but this is exit {index}; refit it")
        if not self.weights[index]:
            return np.full(len(probabilities), np.nan)  # which reaches no threshold, not even 0
        total = np.full(len(probabilities), self.biases[index])
        before = [history[exit_index] for exit_index in range(index) if self.weights[exit_index]]
        # Feature by feature: a matrix product's rounding may depend on the number of rows.
        for weight, feature in zip(self.weights[index], _features(self.problem, probabilities, before), strict=True):
            total = total + weight * feature
        return np.asarray(scipy.special.expit(total - self.doubted(probabilities)))

    def doubted(self, probabilities: Array) -> Array | float:
        """By how much the log-odds of rows, (..., labels), are lowered for what they would be answered with: (...)."""
        if not self.doubts:
            return 0.0
        predicted = self.problem.predicted(probabilities)
        held = (self.problem.has_label(predicted, label) * doubt for label, doubt in enumerate(self.doubts) if doubt)
        return np.asarray(sum(held))

    def least(self, threshold: float, label: int) -> float:
        """The expected agreement at which rows leave that are answered with a label, at a threshold."""
        return float(scipy.special.expit(scipy.special.logit(threshold) + self.doubts[label]))

    def lets_leave(self, exit_index: int, threshold: float, n_exits: int) -> bool:
        """See :meth:`offramp.policy.Criterion.lets_leave`."""
        return bool(self.weights[exit_index]) and threshold < self.knob(n_exits).full_depth

    def asks(self, exit_index: int, threshold: float) -> bool:
        """See :meth:`offramp.policy.Criterion.asks`."""
        return bool(self.weights[exit_index])


def fit_gate(
    exit_probabilities: Array,
    agree: NDArray[np.bool_],
    problem: Problem,
    passed_over: Collection[int] = (),
    *,
    last: bool = False,
    ends: NDArray[np.int64] | None = None,
) -> Gate:
    """Fits the gate to calibration rows, each exit to all of them that do not end there or before.

    Certify the threshold on other rows: the gate is surer of rows it was fitted to.

    Args:
        exit_probabilities: (exits, rows, labels), calibrated.
        agree: bool (exits, rows), whether each exit says what full depth says; or what else the gate is to foretell.
        problem: one label or a set of labels.
        passed_over: exits at which no row is to leave, and at which the exits after them do not look back.
        last: fit the last exit, too, so that rows can be handed over there.
        ends: the exit at which each row ends at the latest, (rows,); by default the last.

    Returns:
        A gate for each of these exits. Where an exit agrees on all rows or on none, it holds only the smoothed
        share of those that do.

    Raises:
        DataError: there are no rows, shapes do not match or a probability is NaN.
    """
    if exit_probabilities.ndim != 3 or agree.shape != exit_probabilities.shape[:2] or not agree.size:
        raise DataError(
            f"need a verdict for each exit and row, got probabilities {exit_probabilities.shape} and {agree.shape}"
        )
    if np.isnan(exit_probabilities).any():
        raise DataError("some probabilities are NaN: the model's training diverged; train with a lower rate")
    weights: list[tuple[float, ...]] = []
    biases: list[float] = []
    before: list[Array] = []
    n_scored = len(agree) - (not last)
    for exit_index, (probabilities, verdicts) in enumerate(
        zip(exit_probabilities[:n_scored], agree[:n_scored], strict=True)
    ):
        if exit_index in passed_over:
            weights.append(())
            biases.append(0.0)
            continue
        going = np.ones(len(verdicts), np.bool_)
        if ends is not None and exit_index < len(agree) - 1:
            going = ends > exit_index
        features = np.stack(_features(problem, probabilities, before), axis=1)
        here, bias = _fit_exit(features[going], verdicts[going])
        weights.append(here)
        biases.append(bias)
        before.append(probabilities)
    return Gate(problem, tuple(weights), tuple(biases))


def _fit_exit(features: Array, agree: NDArray[np.bool_]) -> tuple[tuple[float, ...], float]:
    """The weights (features,) and the bias of one exit."""
    if agree.all() or not agree.any():
        return (0.0,) * features.shape[1], float(np.log((agree.sum() + 1) / ((~agree).sum() + 1)))
    from sklearn.linear_model import LogisticRegression  # slow to import, and only needed here

    spread = features.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)  # so that the penalty is the same for all features
    model = LogisticRegression(solver="newton-cholesky", max_iter=1000).fit(features / scale, agree)
    return tuple((model.coef_[0] / scale).tolist()), float(model.intercept_[0])


def _features(problem: Problem, probabilities: Array, before: list[Array]) -> tuple[Array, Array, Array]:
    """Three features of each row, (rows,) each."""
    outcome = problem.predicted(probabilities)
    here = _log_odds(problem.probability_of(probabilities, outcome))
    last, total = np.zeros(len(here)), np.zeros(len(here))
    for earlier in before:
        last = _log_odds(problem.probability_of(earlier, outcome))
        total = total + last
    return here, last, total / max(1, len(before))


def _log_odds(probability: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(np.clip(np.log(probability) - np.log1p(-probability), -_SUREST, _SUREST))
