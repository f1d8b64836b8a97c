"""What a classifier predicts: one label, or a set of labels. All differences between the two are handled here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from offramp.calibration.sets import Curve, confidences
from offramp.errors import DataError

Floats = NDArray[np.floating[Any]]
Labels = NDArray[Any]
"""Targets or predictions: integer label indices (..., ) or 0/1 label sets (..., labels)."""

# Logarithms are taken of at least this, since a softmax can underflow to 0.
_TINY = np.finfo(np.float64).tiny


class ProblemType(StrEnum):
    """The kind of classification; the values are those of ``problem_type`` in a Hugging Face configuration."""

    SINGLE_LABEL = "single_label_classification"
    MULTI_LABEL = "multi_label_classification"


@dataclass(frozen=True, slots=True)
class Problem:
    """What a classifier predicts and, for sets of labels, what was fitted on dev rows to decide and to judge them.

    Arrays may have any leading dimensions ``...``, such as (exits, rows). All arithmetic is done in float64, whatever
    the input, so that cached and live logits give the same decisions.

    Attributes:
        type: one label or a set of labels.
        thresholds: the probability above which each label holds, (labels,); empty for 0.5 everywhere.
        curves: what the probability of a set means at each exit, (exits,), see
            :class:`offramp.calibration.sets.Curve`; empty if labels are taken to be independent given the text.

    Raises:
        ValueError: a threshold is not between 0 and 1, or the problem has one label a row and something was fitted.
    """

    type: ProblemType
    thresholds: tuple[float, ...] = ()
    curves: tuple[Curve, ...] = ()

    SINGLE_LABEL: ClassVar["Problem"]
    MULTI_LABEL: ClassVar["Problem"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", ProblemType(self.type))
        if (self.thresholds or self.curves) and not self.multi_label:
            raise ValueError("thresholds of labels and curves of sets are for models that give any number of labels")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise ValueError(f"the thresholds of labels are {self.thresholds}, not between 0 and 1")

    @property
    def multi_label(self) -> bool:
        """Whether a row has a set of labels."""
        return self.type is ProblemType.MULTI_LABEL

    @property
    def decisions(self) -> NDArray[np.float64]:
        """The probability above which each label holds, of a shape that goes with (..., labels)."""
        return np.asarray(self.thresholds or 0.5, dtype=np.float64)

    def fitted(self, thresholds: Sequence[float], curves: Sequence[Curve]) -> "Problem":
        """The same kind of problem with what was fitted on dev rows."""
        return replace(self, thresholds=tuple(thresholds), curves=tuple(curves))

    def probabilities(self, logits: Floats, temperature: float | Floats = 1.0) -> NDArray[np.float64]:
        """Turns logits into probabilities: softmax over labels, or one sigmoid per label.

        Args:
            logits: (..., labels).
            temperature: positive; a number, or an array that broadcasts, such as (exits, 1, 1).

        Returns:
            (..., labels), in [0, 1]; finite for any finite logits.
        """
        scaled = np.asarray(logits, dtype=np.float64) / temperature
        if self.multi_label:
            return np.asarray(scipy.special.expit(scaled), dtype=np.float64)
        return np.asarray(scipy.special.softmax(scaled, axis=-1), dtype=np.float64)

    def confidence(self, probabilities: Floats, exit_index: ArrayLike) -> NDArray[np.float64]:
        """The probability that the predicted outcome is right; NaN if one of a row's probabilities is NaN.

        A set of labels is right if all of them are. If they were independent given the text, that would be
        :meth:`probability_of` the set; how likely it really is, the exit's curve tells.

        Args:
            probabilities: (..., labels).
            exit_index: of the exit that gave them, or of each of them, of a shape that goes with (...).

        Returns:
            (...), in [0, 1].
        """
        if not self.multi_label:
            return np.asarray(np.asarray(probabilities, dtype=np.float64).max(axis=-1))
        if not self.curves:
            return self.probability_of(probabilities, self.predicted(probabilities))
        return confidences(self.log_probability(probabilities), self.curves, exit_index)

    def log_probability(self, probabilities: Floats) -> NDArray[np.float64]:
        """The logarithm of the predicted set's probability, if labels were independent given the text.

        Args:
            probabilities: of labels, (..., labels).

        Returns:
            (...), finite, or NaN where one of a row's probabilities is NaN.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        own = np.where(self.predicted(values), values, 1.0 - values)
        return np.asarray(np.log(np.maximum(own, _TINY)).sum(axis=-1))

    def probability_of(self, probabilities: Floats, outcomes: Labels) -> NDArray[np.float64]:
        """Gives the probability of outcomes that may be others than the predicted ones; see :meth:`confidence`.

        Args:
            probabilities: (..., labels).
            outcomes: as :meth:`predicted` gives them, of the same rows.

        Returns:
            (...), in [0, 1]; NaN where one of a row's probabilities is NaN.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        if self.multi_label:
            return np.asarray(np.where(outcomes, values, 1.0 - values).prod(axis=-1))
        chosen = np.take_along_axis(values, np.asarray(outcomes)[..., None], axis=-1)[..., 0]
        return np.where(np.isnan(values).any(axis=-1), np.nan, chosen)

    def certainty(self, probabilities: Floats) -> NDArray[np.float64]:
        """1 - entropy / greatest possible entropy; NaN if one of a row's probabilities is NaN.

        The entropy of a set of labels is the sum over its labels, each of them a yes/no question.

        Args:
            probabilities: (..., labels).

        Returns:
            (...), from 0 (all outcomes equally likely) to 1 (no doubt).
        """
        values = np.asarray(probabilities, dtype=np.float64)
        entropies = scipy.special.entr(values)
        if self.multi_label:
            entropies, greatest = entropies + scipy.special.entr(1.0 - values), values.shape[-1] * np.log(2)
        else:
            greatest = np.log(max(2, values.shape[-1]))
        entropy = entropies.sum(axis=-1)
        return np.asarray(np.clip(1.0 - entropy / greatest, 0.0, 1.0))

    def lead(self, probabilities: Floats) -> NDArray[np.float64]:
        """The predicted outcome's probability minus the second's; NaN if one of a row's probabilities is NaN.

        For a set of labels the second outcome differs in the one label that is least sure.

        Args:
            probabilities: (..., labels).

        Returns:
            (...), in [0, 1].
        """
        values = np.asarray(probabilities, dtype=np.float64)
        if self.multi_label:
            likelier = np.maximum(values, 1.0 - values)
            return np.asarray(likelier.prod(axis=-1) * (1.0 - ((1.0 - likelier) / likelier).max(axis=-1)))
        if values.shape[-1] == 1:
            return np.asarray(values[..., 0])
        top = np.partition(values, -2, axis=-1)[..., -2:]  # NaN sorts last
        return np.asarray(top[..., 1] - top[..., 0])

    def logits(self, probabilities: Floats) -> NDArray[np.float64]:
        """Turns probabilities back into finite logits: log p, or the log-odds of each label.

        Args:
            probabilities: (..., labels).

        Returns:
            (..., labels); :meth:`probabilities` undoes it, except for rounding. NaN stays NaN.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        log = np.log(np.maximum(values, _TINY))
        if self.multi_label:
            return np.asarray(log - np.log(np.maximum(1.0 - values, _TINY)))
        return np.asarray(log)

    def predicted(self, probabilities: Floats) -> Labels:
        """The predicted outcome.

        Args:
            probabilities: (..., labels).

        Returns:
            The index of the most probable label, int (...), the first on a tie; or the set of labels whose probability
            is above their threshold, bool (..., labels).
        """
        if self.multi_label:
            return np.asarray(probabilities > self.decisions)
        return np.asarray(probabilities.argmax(axis=-1))

    def has_label(self, outcomes: Labels, label: int) -> NDArray[np.bool_]:
        """Whether a label is the outcome, or one of the set: bool (...), for targets or predictions of any rows."""
        return np.asarray(outcomes[..., label] if self.multi_label else outcomes == label, dtype=np.bool_)

    def right(self, probabilities: Floats, targets: Labels) -> NDArray[np.bool_]:
        """Whether each prediction equals the target; a set of labels has to match as a whole.

        Args:
            probabilities: (..., labels).
            targets: int (rows,) or 0/1 (rows, labels).

        Returns:
            bool (...).
        """
        return self.same(self.predicted(probabilities), targets)

    def agree(self, probabilities: Floats, reference: Floats) -> NDArray[np.bool_]:
        """Whether two sets of probabilities, each (..., labels), give the same prediction: bool (...)."""
        return self.same(self.predicted(probabilities), self.predicted(reference))

    def negative_log_likelihood(self, logits: Floats, targets: Labels, temperature: float = 1.0) -> float:
        """The mean over rows of -log p(target), in nats; for a set of labels, summed over its labels.

        It is computed from logits, so that a confidently wrong row costs much but never infinity.

        Args:
            logits: (rows, labels).
            targets: int (rows,) or 0/1 (rows, labels).
            temperature: positive.
        """
        losses = np.asarray(scipy.special.logsumexp(self.margins(logits, targets) / temperature, axis=-1))
        return float(losses.sum() / len(logits))

    def brier(self, probabilities: Floats, targets: Labels) -> float:
        """The mean over rows of the squared error summed over labels (Brier, 1950); in [0, labels].

        Args:
            probabilities: (rows, labels).
            targets: int (rows,) or 0/1 (rows, labels).
        """
        truth = targets if self.multi_label else targets[:, None] == np.arange(probabilities.shape[-1])
        return float(np.square(probabilities - truth).sum(axis=-1).mean())

    def margins(self, logits: Floats, targets: Labels) -> NDArray[np.float64]:
        """The logit of each possible answer minus that of the true one.

        A label set is one yes/no question per label, whose two answers have the logits x and 0. For both kinds of
        problem, the negative log-likelihood is then the log-sum-exp of ``margins / temperature`` over answers.

        Args:
            logits: (rows, labels).
            targets: int (rows,) or 0/1 (rows, labels).

        Returns:
            (questions, answers): (rows, labels), or (rows * labels, 2). The true answer's margin is 0.
        """
        values = np.asarray(logits, dtype=np.float64)
        if self.multi_label:
            against = np.where(np.asarray(targets, dtype=bool), -values, values).ravel()
            return np.stack([np.zeros_like(against), against], axis=-1)
        return values - np.take_along_axis(values, targets[:, None], axis=-1)

    def check(self, logits: Floats, targets: Labels) -> None:
        """Makes sure that labeled logits can be measured.

        Args:
            logits: (rows, labels), finite, at least one row.
            targets: int (rows,) in [0, labels), or 0/1 (rows, labels).

        Raises:
            DataError: there are no rows, shapes do not match, a logit is not finite or a target is not a label.
        """
        if logits.ndim != 2 or logits.size == 0:
            raise DataError(f"need logits for at least one labeled row, got shape {logits.shape}; give more data")
        expected = logits.shape if self.multi_label else logits.shape[:1]
        if targets.shape != expected:
            raise DataError(
                f"targets have shape {targets.shape}, but logits of shape {logits.shape} and {self.type} "
                f"need {expected}"
            )
        if not np.isfinite(logits).all():
            raise DataError("some logits are NaN or infinite: the model's training diverged; train with a lower rate")
        labels = logits.shape[1]
        if self.multi_label and not np.isin(targets, (0, 1)).all():
            raise DataError("every target of a multi-label problem has to be 0 or 1 for each label")
        indices = targets.dtype.kind in "iu" and bool(((targets >= 0) & (targets < labels)).all())
        if not self.multi_label and not indices:
            raise DataError(f"every target has to be an integer label index from 0 to {labels - 1}, got others")

    def same(self, predictions: Labels, reference: Labels) -> NDArray[np.bool_]:
        """Whether predictions equal others, or targets: bool (...); a set of labels has to match as a whole."""
        equal = np.asarray(predictions == reference)
        return np.asarray(equal.all(axis=-1)) if self.multi_label else equal


Problem.SINGLE_LABEL = Problem(ProblemType.SINGLE_LABEL)
Problem.MULTI_LABEL = Problem(ProblemType.MULTI_LABEL)
