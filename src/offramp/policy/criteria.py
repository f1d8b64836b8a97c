"""Criteria score how sure an exit is of a row; a rule compares the score with its threshold."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.errors import OptionError

Array = NDArray[np.float64]

FIRST_EXIT = 0.0
"""The threshold at which every row leaves at the first exit, whatever the criterion."""


@dataclass(frozen=True, slots=True)
class Knob:
    """The range of a criterion's thresholds.

    It runs from :data:`FIRST_EXIT` to ``full_depth``, at and above which no row leaves early. If ``whole``, only whole
    numbers make a difference.
    """

    full_depth: float
    whole: bool = False

    def grid(self, size: int) -> Array:
        """Thresholds worth trying, rising from the first exit to full depth.

        They do not depend on any data, as a guarantee requires. Since confidences crowd below 1, half of the thresholds
        are evenly spaced up to 0.9; from there the distance to 1 shrinks geometrically to one in a million.

        Args:
            size: number of thresholds, at least 2; if ``whole``, the largest number.

        Returns:
            (size,) or fewer, strictly rising.

        Raises:
            OptionError: ``size`` is below 2.
        """
        if size < 2:
            raise OptionError(f"size is {size}; a grid needs at least 2 thresholds, first exit and full depth")
        if self.whole:
            return np.unique(np.rint(np.linspace(FIRST_EXIT, self.full_depth, size)))
        even = np.linspace(FIRST_EXIT, 0.9, size // 2, endpoint=False)
        crowded = 1.0 - np.geomspace(0.1, 1e-6, size - 1 - len(even))
        return np.concatenate([even, crowded, [self.full_depth]])


PROBABILITY = Knob(full_depth=1.01)
"""The knob of scores between 0 and 1; a score of exactly 1 is possible, so full depth lies above it."""


class Criterion(ABC):
    """Scores how sure an exit is, from its own and earlier exits' probabilities. Small, pure and unaware of any model.

    A criterion is a rule without its threshold: a frozen dataclass whose fields are a :class:`Problem`, numbers, words,
    tuples of them, or another criterion. It treats each row on its own, so a row's score does not depend on the rows
    beside it. :func:`offramp.policy.register` registers your own criterion under a name.
    """

    __slots__ = ()

    @classmethod
    def of(cls, problem: Problem, costs: Sequence[float]) -> Self:
        """Makes a criterion that needs no fitting; ``costs`` of reaching each exit, (exits,), are in any unit."""
        return cls(problem)  # type: ignore[call-arg]

    @abstractmethod
    def score(self, probabilities: Array, history: Array) -> Array:
        """Scores rows that have reached an exit.

        Args:
            probabilities: (rows, labels), this exit's calibrated probabilities.
            history: (exits_before, rows, labels), the same rows' calibrated probabilities at the exits passed before.

        Returns:
            (rows,), at least 0, higher if surer; NaN for rows with a NaN probability, so that they never leave early.
        """

    def answer(self, probabilities: Array, history: Array) -> Array:
        """The probabilities that answer rows leaving here, by default this exit's own.

        An ensemble answers with its joint probabilities. It is not called at the last exit: a row that runs to full
        depth gets the full model's own answer.

        Args:
            probabilities: as for :meth:`score`.
            history: as for :meth:`score`.

        Returns:
            (rows, labels).
        """
        return probabilities

    def knob(self, n_exits: int) -> Knob:
        """The range of thresholds for a model with ``n_exits`` exits, by default that of a probability."""
        return PROBABILITY

    def lets_leave(self, exit_index: int, threshold: float, n_exits: int) -> bool:
        """Whether a row could leave at an early exit of a model with ``n_exits`` exits, whatever the row."""
        return threshold < self.knob(n_exits).full_depth

    def asks(self, exit_index: int, threshold: float) -> bool:
        """Whether it makes a difference what an early exit says: if a row may leave there, or is judged by it later.

        Where it makes none, what leads to no other exit need not be computed: a stage that reads raw texts is skipped.
        """
        return True


@dataclass(frozen=True, slots=True)
class Confidence(Criterion):
    """The probability of the predicted outcome.

    Source: Schwartz et al., ACL 2020, §3.

    Example:
        >>> import numpy as np
        >>> from offramp.calibration import Problem
        >>> from offramp.policy import Confidence
        >>> Confidence(Problem.SINGLE_LABEL).score(np.array([[0.9, 0.1], [0.4, 0.6]]), np.empty((0, 2, 2)))
        array([0.9, 0.6])
    """

    problem: Problem

    def score(self, probabilities: Array, history: Array) -> Array:
        """The probability, (rows,)."""
        return self.problem.confidence(probabilities, len(history))

    def asks(self, exit_index: int, threshold: float) -> bool:
        """See :meth:`Criterion.asks`."""
        return threshold <= 1


@dataclass(frozen=True, slots=True)
class Certainty(Criterion):
    """One minus the entropy as a share of the greatest possible, so that higher is surer and 1 is certain.

    DeeBERT leaves when the entropy falls below a threshold. Here 0 * log 0 is 0, so rows can leave a saturated exit.

    Source: Xin et al., "DeeBERT", ACL 2020, §3.2 (entropy); Liu et al., "FastBERT", ACL 2020, adaptive inference (as a
    share of the greatest).
    """

    problem: Problem

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`Criterion.score`."""
        return self.problem.certainty(probabilities)

    def asks(self, exit_index: int, threshold: float) -> bool:
        """See :meth:`Criterion.asks`."""
        return threshold <= 1


@dataclass(frozen=True, slots=True)
class Lead(Criterion):
    """The margin: the predicted outcome's probability minus that of the second.

    With two outcomes it orders rows as :class:`Confidence` does.

    Source: Scheffer, Decomain and Wrobel, IDA 2001 (the margin as a measure of certainty).
    """

    problem: Problem

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`Criterion.score`."""
        return self.problem.lead(probabilities)

    def asks(self, exit_index: int, threshold: float) -> bool:
        """See :meth:`Criterion.asks`."""
        return threshold <= 1


@dataclass(frozen=True, slots=True)
class Patience(Criterion):
    """How many exits in a row, up to this one, repeated the prediction of the exit before.

    The threshold is the patience: 1 leaves as soon as two exits in a row agree.

    Source: Zhou et al., "BERT Loses Patience" (PABEE), NeurIPS 2020, inference.
    """

    problem: Problem

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`Criterion.score`."""
        repeats = np.zeros(len(probabilities))
        repeating = np.ones(len(probabilities), dtype=bool)
        for earlier in history[::-1]:
            # A run of exits that all agree with this one is a run in which each agrees with the one before.
            repeating &= self.problem.agree(earlier, probabilities)
            repeats += repeating
        return np.where(np.isnan(probabilities).any(axis=-1), np.nan, repeats)

    def knob(self, n_exits: int) -> Knob:
        """See :meth:`Criterion.knob`."""
        return Knob(full_depth=max(1, n_exits - 1), whole=True)


@dataclass(frozen=True, slots=True)
class PatientCertainty(Criterion):
    """The least certainty of the last ``patience`` exits, including this one: all of them have to be sure.

    Until that many exits were passed, the score is 0. As in the source, the exits need not agree. The threshold applies
    to the certainty; the patience is a fixed part of the criterion.

    Raises:
        OptionError: ``patience`` is not a whole number from 1 on.

    Source: Zhang et al., "PCEE-BERT", Findings of NAACL 2022, early exiting; without its ensemble of exits.
    """

    problem: Problem
    patience: int = 2

    def __post_init__(self) -> None:
        if not isinstance(self.patience, int) or self.patience < 1:
            raise OptionError(f"patience is {self.patience}; use a whole number from 1 on")

    def score(self, probabilities: Array, history: Array) -> Array:
        """See :meth:`Criterion.score`."""
        least = self.problem.certainty(probabilities)
        if len(history) + 1 < self.patience:
            return np.where(np.isnan(least), np.nan, 0.0)
        for earlier in history[len(history) + 1 - self.patience :]:
            least = np.minimum(least, self.problem.certainty(earlier))
        return least
