"""Sets of labels: from which probability a label holds, and how likely a whole set is right.

Both are fitted on dev rows, above the temperatures. Labels that are rare are better decided below 0.5, and the product
of the labels' probabilities is not the probability of the set, since labels are not independent given the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from offramp.errors import OptionError

Floats = NDArray[np.floating[Any]]

Decide = Literal["auto", "half", "f1", "keep"] | float
"""From which probability labels hold: 0.5 (``half``); that with the best F1 of each label (``f1``), or only where this
gives a better mean F1 on rows that it was not fitted to (``auto``); as it is (``keep``); or, for a number, that at
which errors cost least, where a label that is missed costs so many times what a wrong one does."""


def decide_of(given: Decide | str, *, multi_label: bool, labeled: bool = True) -> Decide:
    """What a user asks for, where texts have labels or not, and a model gives one or any number of them.

    Args:
        given: a name of :data:`Decide`, or a cost, perhaps as text.

    Raises:
        OptionError: it is none of them, or cannot be had.
    """
    if given in get_args(get_args(Decide)[0]):
        decide = cast("Decide", given)
    else:
        try:
            decide = float(given)
        except ValueError:
            decide = 0.0
        if not 0 < decide < np.inf:
            raise OptionError(
                f"label_thresholds is {given!r}; use f1, half, or how many times what a wrong label costs a missed one "
                "does, such as 5",
                option="label_thresholds",
                value=given,
            )
    if decide in ("auto", "half", "keep"):
        return decide
    if not multi_label:
        raise OptionError(
            f"label_thresholds is {given!r}, but a text has one label, the likeliest; leave it out",
            option="label_thresholds",
            value=given,
        )
    if not labeled:
        raise OptionError(
            f"label_thresholds is {given!r}, which takes labels, and these texts are read without; leave it out, or "
            "run  offramp calibrate  with labeled texts",
            option="label_thresholds",
            value=given,
        )
    return decide


# Thresholds are between 0 and 1, whatever rows say.
_LEAST, _MOST = 1e-4, 1.0 - 1e-4


# So many parts of equal size are the rows cut into, by the probabilities of their sets, to fit a curve.
_PARTS = 20


@dataclass(frozen=True, slots=True)
class Curve:
    """What the probability p of a set of labels, taken as independent, means: how likely the set is right.

    It goes in straight lines from knot to knot and is level before the first and after the last.

    Attributes:
        knots: log(p), rising; empty if p means what it says.
        values: how likely sets are right there, from 0 to 1; none below the one before.

    Raises:
        ValueError: knots and values do not go together, or one falls.
    """

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.knots) != len(self.values) or (np.diff(self.knots) <= 0).any() or (np.diff(self.values) < 0).any():
            raise ValueError(f"a curve with the knots {self.knots} and the values {self.values} may fall")
        if not all(0 <= value <= 1 for value in self.values):
            raise ValueError(f"a curve has the values {self.values}, not all from 0 to 1")

    def __call__(self, log_probabilities: Floats) -> NDArray[np.float64]:
        """How likely sets are right, given the logarithms of their probabilities."""
        if not self.knots:
            return np.asarray(np.exp(log_probabilities), np.float64)
        return np.asarray(np.interp(log_probabilities, self.knots, self.values))


AS_IT_IS = Curve((), ())
"""The curve of labels that are independent given the text."""


def confidences(log_probabilities: Floats, curves: Sequence[Curve], exit_index: ArrayLike) -> NDArray[np.float64]:
    """How likely sets of labels are right, given the logarithms of their probabilities (...).

    Args:
        curves: (exits,).
        exit_index: whose curve to take, of a shape that goes with (...).
    """
    exits = np.broadcast_to(np.asarray(exit_index), np.shape(log_probabilities))
    found = np.empty(exits.shape)
    for index in np.unique(exits).tolist():
        found[exits == index] = curves[index](np.asarray(log_probabilities)[exits == index])
    return found


def fit_curve(log_probabilities: Floats, right: NDArray[np.bool_]) -> Curve:
    """Fits the curve of an exit: isotonic regression on parts of equal size of the rows, the least likely sets first.

    Args:
        log_probabilities: of the predicted sets, (rows,).
        right: whether each is right, (rows,).

    Source: Zadrozny and Elkan, KDD 2002 (isotonic regression); straight lines between the parts keep the order of rows.
    """
    from sklearn.isotonic import isotonic_regression  # slow to import, and only needed here

    order = np.argsort(log_probabilities, kind="stable")
    parts = [part for part in np.array_split(order, _PARTS) if part.size]
    places = np.array([log_probabilities[part].mean() for part in parts])
    sizes, shares = np.array([part.size for part in parts]), np.array([right[part].mean() for part in parts])
    knots, of_part = np.unique(places.round(6), return_inverse=True)
    rows = np.bincount(of_part, sizes)
    values = isotonic_regression(np.bincount(of_part, sizes * shares) / rows, sample_weight=rows)
    return Curve(tuple(knots.tolist()), tuple(np.clip(values.round(6), 0, 1).tolist()))


def fit_thresholds(probabilities: Floats, targets: NDArray[Any], decide: Literal["f1"] | float) -> tuple[float, ...]:
    """Finds from which probability each label is best said to hold.

    Args:
        probabilities: (rows, labels).
        targets: 0/1 (rows, labels).
        decide: what is best, see :data:`Decide`.

    Returns:
        (labels,); 0.5 for a label that no row has.
    """
    columns = zip(np.asarray(probabilities, np.float64).T, np.asarray(targets, np.bool_).T, strict=True)
    return tuple(_fit_threshold(values, has, decide) if has.any() else 0.5 for values, has in columns)


def _fit_threshold(values: Floats, has: NDArray[np.bool_], decide: Literal["f1"] | float) -> float:
    order = np.argsort(-values, kind="stable")
    found, said = np.cumsum(has[order]), np.arange(1, len(values) + 1)
    number = has.sum()
    worth = 2 * found / (said + number) if decide == "f1" else found - said - decide * (number - found)
    ends = np.flatnonzero(np.diff(values[order], append=-np.inf))  # equal probabilities are decided alike
    best = ends[worth[ends].argmax()]
    following = values[order[best + 1]] if best + 1 < len(values) else 0.0
    middle = float(scipy.special.expit(scipy.special.logit([values[order[best]], following]).clip(-20, 20).mean()))
    return float(f"{min(max(middle, _LEAST), _MOST):.4g}")


def gains_by_f1(probabilities: Floats, targets: NDArray[Any]) -> bool:
    """Whether thresholds fitted to one half of the rows give a better mean F1 on the other half than 0.5 does."""
    halves = np.arange(len(targets)) % 2 == np.arange(2)[:, None]
    fitted = np.empty(targets.shape, np.bool_)
    for half in halves:
        fitted[half] = probabilities[half] > fit_thresholds(probabilities[~half], targets[~half], "f1")
    return mean_f1(fitted, targets) > mean_f1(probabilities > 0.5, targets)


def mean_f1(predicted: NDArray[np.bool_], targets: NDArray[Any]) -> float:
    """Mean over labels of F1, of sets of labels (rows, labels); 0 for a label that no row has and none is given."""
    has = np.asarray(targets, np.bool_)
    both, either = (predicted & has).sum(axis=0), predicted.sum(axis=0) + has.sum(axis=0)
    return float((2 * both / np.maximum(either, 1)).mean())
