"""Exit rules: which rows leave at an exit."""

from dataclasses import dataclass
from numbers import Real
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offramp.errors import OptionError
from offramp.policy.criteria import Array, Criterion


class ExitRule(Protocol):
    """Decides which rows leave at an exit, and with which answer. Small, pure and unaware of any model.

    The same object decides in :func:`offramp.policy.replay` and in the engine. Both call it exit by exit, with only the
    remaining rows. At the last exit every row leaves with the full model's own answer; all that is asked there is
    whether the row is handed over, to another model or a person, with that answer as the best guess.

    A rule of one's own inherits from this class, and so never hands anything over unless it says so.
    """

    def decide(self, probabilities: Array, history: Array) -> NDArray[np.bool_]:
        """Decides for each row that has reached this exit.

        Args:
            probabilities: (rows, labels), this exit's calibrated probabilities, C-contiguous: the memory layout decides
                the order in which labels are summed, and so the last bit of a score.
            history: (exits_before, rows, labels), the same rows' calibrated probabilities at the exits passed before,
                C-contiguous; exits_before is 0 at the first exit.

        Returns:
            bool (rows,), true where the row leaves.
        """
        ...

    def answer(self, probabilities: Array, history: Array) -> Array:
        """The answer to rows that leave here.

        Args:
            probabilities: as for :meth:`decide`, of the rows that leave.
            history: as for :meth:`decide`, of the rows that leave.

        Returns:
            (rows, labels); for most rules simply ``probabilities``.
        """
        ...

    def asks(self, exit_index: int) -> bool:
        """Whether it makes a difference what an early exit says; see :meth:`offramp.policy.Criterion.asks`."""
        ...

    @property
    def may_hand_over(self) -> bool:
        """Whether there are rows that it hands over instead of answering them; by default there are none."""
        return False

    def hands_over(self, probabilities: Array, history: Array) -> NDArray[np.bool_]:
        """Decides for each row that has come to the last exit; by default none is handed over.

        Args:
            probabilities: as for :meth:`decide`, of the last exit.
            history: as for :meth:`decide`.

        Returns:
            bool (rows,), true where the row is handed over instead of answered.
        """
        return np.zeros(len(probabilities), np.bool_)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Leaves at the first exit whose score reaches the threshold, the one knob of every rule.

    With :class:`offramp.policy.Confidence` it is the rule of Schwartz et al., ACL 2020, §3. At threshold 0, every row
    leaves at the first exit; at ``criterion.knob(n_exits).full_depth``, none leaves early. Threshold 1 is not enough
    for that, since a saturated softmax has a confidence of exactly 1. A higher threshold never lets a row leave
    earlier. A row whose score is NaN reaches no threshold, not even 0.

    With ``answer_from`` a row that has come to the last exit is answered only if its score reaches that, too, and
    handed over if not; None answers them all.

    Raises:
        OptionError: a threshold is negative or NaN.

    Example:
        >>> import numpy as np
        >>> from offramp.calibration import Problem
        >>> from offramp.policy import Confidence, Threshold
        >>> rule = Threshold(0.8, Confidence(Problem.SINGLE_LABEL))
        >>> rule.decide(np.array([[0.9, 0.1], [0.4, 0.6]]), np.empty((0, 2, 2)))
        array([ True, False])
    """

    threshold: float
    criterion: Criterion
    answer_from: float | None = None

    def __post_init__(self) -> None:
        check_threshold(self.threshold)
        if self.answer_from is not None:
            check_threshold(self.answer_from)

    def decide(self, probabilities: Array, history: Array) -> NDArray[np.bool_]:
        """See :meth:`ExitRule.decide`."""
        return np.asarray(self.criterion.score(probabilities, history) >= self.threshold)

    def answer(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`ExitRule.answer`."""
        return self.criterion.answer(probabilities, history)

    def asks(self, exit_index: int) -> bool:
        """See :meth:`ExitRule.asks`."""
        return self.criterion.asks(exit_index, self.threshold)

    @property
    def may_hand_over(self) -> bool:
        """See :attr:`ExitRule.may_hand_over`."""
        return self.answer_from is not None

    def hands_over(self, probabilities: Array, history: Array) -> NDArray[np.bool_]:
        """See :meth:`ExitRule.hands_over`."""
        if self.answer_from is None:
            return np.zeros(len(probabilities), np.bool_)
        return ~np.asarray(self.criterion.score(probabilities, history) >= self.answer_from)  # not "<": NaN is not sure


def check_threshold(threshold: float) -> None:
    """Checks the range of a threshold.

    Raises:
        OptionError: it is negative or NaN.
    """
    given: object = threshold
    if not (isinstance(given, Real) and threshold >= 0):  # also refuses NaN
        raise OptionError(
            f"threshold is {threshold!r}; use a number from 0 (leave at the first exit) to 1, or above 1 for full "
            "depth",
            option="threshold",
            value=threshold,
        )
