"""The quality of each contender: accuracy, and agreement with PyTorch in fp32."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.backends import REFERENCE, Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.exit_names import end_of_first_window
from offramp.policy import ExitAnswers


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares of all rows: right answers (None without labels), and answers equal to the reference's."""

    accuracy: float | None
    agreement: float


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Judges every contender by the answers of its engine's exits.

    Attributes:
        answers: of each engine, including the reference, to the same rows.
    """

    answers: Mapping[Engine, ExitAnswers]

    @property
    def reference(self) -> ExitAnswers:
        """The reference's answers."""
        return self.answers[REFERENCE]

    def quality(self, contender: Contender) -> Quality:
        """Accuracy, and agreement with the reference used in the same way."""
        answers = self._probabilities(contender, contender.engine)
        expected = self._probabilities(contender, REFERENCE)
        agreement = float(self.reference.problem.agree(answers, expected).mean())
        return Quality(self.reference.accuracy(answers), agreement)

    def seconds_per_text(self, contender: Contender) -> float:
        """A rough guess, from the times of the stages in the full pass."""
        return self.answers[contender.engine].seconds(self._exits(contender))

    def _probabilities(self, contender: Contender, engine: Engine) -> NDArray[np.float64]:
        answers = self.answers[engine]
        if contender.kind is Kind.PIPELINE:  # transformers knows of nothing before the network, and of one window
            end = end_of_first_window(answers.names)
            return answers.problem.probabilities(answers.logits[end], answers.temperatures[end])
        if contender.rule is not None:
            return answers.replay(contender.rule).probabilities
        return np.asarray(answers.probabilities[self._last(contender)])

    def _exits(self, contender: Contender) -> NDArray[np.int64]:
        if contender.rule is not None:
            return self.answers[contender.engine].replay(contender.rule).exits
        return np.full(len(self.reference), self._last(contender))

    def _last(self, contender: Contender) -> int:
        names = self.reference.names
        return len(names) - 1 if contender.end is None else names.index(contender.end)
