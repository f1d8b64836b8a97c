"""What each contender is worth: accuracy, and agreement with PyTorch in fp32."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.benchmark.contenders import REFERENCE, Contender, Engine, Kind
from offramp.calibration import Problem
from offramp.engine import Classifier
from offramp.evaluation import Request, share_of_full
from offramp.policy import replay


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """All exits of all rows in one engine.

    Attributes:
        probabilities: calibrated, (exits, rows, labels).
        seconds_per_text: roughly, with the threads that the engine takes by itself.
    """

    probabilities: NDArray[np.float64]
    seconds_per_text: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Shares of all rows: right answers (None without labels), and answers that the reference gives too."""

    accuracy: float | None
    agreement: float


def run_exits(classifier: Classifier, rows: Request) -> Pass:
    """Runs every row to the end."""
    started = time.perf_counter()
    logits = classifier.exit_logits(rows.texts, rows.text_pairs)
    seconds = time.perf_counter() - started
    temperatures = np.array(classifier.calibration.temperatures)[:, None, None]
    return Pass(classifier.problem.probabilities(logits, temperatures), seconds / len(rows.texts))


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """Answers for every contender from the cached passes of the engines.

    Attributes:
        passes: of each engine; the reference is among them.
        layers: layers run before each exit, (exits,).
        tokens: tokens of each row, (rows,).
        targets: as :func:`offramp.evaluation.targets_of` gives them, or None where the rows have no labels.
    """

    problem: Problem
    layers: Sequence[int]
    tokens: NDArray[np.int64]
    passes: Mapping[Engine, Pass]
    targets: NDArray[Any] | None

    def quality(self, contender: Contender) -> Quality:
        """Accuracy, and agreement with the reference used in the same way."""
        found = self._answers(contender, contender.engine)
        reference = self._answers(contender, REFERENCE)
        right = None if self.targets is None else float(self.problem.right(found, self.targets).mean())
        return Quality(right, float(self.problem.agree(found, reference).mean()))

    def seconds_per_text(self, contender: Contender) -> float:
        """A rough guess, from the time of the full pass and the layers that are run."""
        full = self.passes[contender.engine].seconds_per_text
        return full * share_of_full(self.layers, self._exits(contender), self.tokens)

    def _answers(self, contender: Contender, engine: Engine) -> NDArray[np.float64]:
        probabilities = self.passes[engine].probabilities
        if contender.rule is not None:
            return replay(probabilities, contender.rule).probabilities
        return np.asarray(probabilities[self._last(contender)])

    def _exits(self, contender: Contender) -> NDArray[np.int64]:
        if contender.rule is not None:
            return replay(self.passes[contender.engine].probabilities, contender.rule).exits
        return np.full(len(self.tokens), self._last(contender))

    def _last(self, contender: Contender) -> int:
        return self.layers.index(contender.layers) if contender.kind is Kind.TRUNCATED else len(self.layers) - 1
