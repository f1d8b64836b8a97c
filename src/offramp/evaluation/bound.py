"""The time that early exit could reach at best: what no row can skip, and the layers that are really run."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from offramp.engine import Classifier
from offramp.evaluation.timing import interleave
from offramp.policy import MaximumProbability, layers_run


@dataclass(frozen=True, slots=True)
class Costs:
    """Where the time of a full-depth pass over some texts goes, in seconds.

    Attributes:
        tokenisation: texts to token ids.
        embedding: token ids to the first layer's input, batches built.
        heads: each exit's head and decision on all rows, (exits,).
        full: the whole pass, from texts in to predictions out.
    """

    tokenisation: float
    embedding: float
    heads: tuple[float, ...]
    full: float

    @property
    def layers(self) -> float:
        """What is left for the layers."""
        return max(0.0, self.full - self.tokenisation - self.embedding - self.heads[-1])

    def bound(self, exits: NDArray[np.int64], layers: tuple[int, ...], tokens: NDArray[np.int64]) -> float:
        """Seconds for the same texts if leaving early were free and smaller batches lost nothing.

        Args:
            exits: index of the exit each row takes, (rows,).
            layers: layers run before each exit, (exits,).
            tokens: tokens of each row, (rows,).
        """
        share = layers_run(exits, layers, tokens) / layers[-1]
        asked = sum(seconds * float((exits >= index).mean()) for index, seconds in enumerate(self.heads))
        return self.tokenisation + self.embedding + asked + self.layers * share


def measure_costs(
    classifier: Classifier, texts: list[str], text_pairs: list[str] | None, full: float, repeats: int
) -> Costs:
    """Measures the parts of a pass that early exit cannot skip; ``full`` is the measured time of the whole pass."""
    stages, problem = classifier.stages, classifier.problem
    encoded = classifier.encode(texts, text_pairs)
    planned = list(classifier.batches(encoded))
    finished = [stages.run_all(stages.start(batch)) for batch in planned]
    rule = MaximumProbability(0.5, problem)

    def embed() -> None:
        for batch in classifier.batches(encoded):
            stages.start(batch)

    def head(exit_index: int) -> None:
        for rows in finished:
            probabilities = problem.probabilities(stages.head(exit_index, rows), 1.0)
            rule.decide(probabilities, probabilities[None][:0])

    seconds = interleave(
        {
            "tokenisation": lambda: classifier.encode(texts, text_pairs),
            "embedding": embed,
            **{str(index): partial(head, index) for index in range(len(stages.layers))},
        },
        repeats,
    )
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    heads = tuple(medians[str(index)] for index in range(len(stages.layers)))
    return Costs(medians["tokenisation"], medians["embedding"], heads, full)
