"""The time that early exit could reach at best: what no row can skip, and the layers that are really run."""

from dataclasses import dataclass

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
        decision: one exit's decision on all rows.
        full: the whole pass, from texts in to predictions out.
    """

    tokenisation: float
    embedding: float
    decision: float
    full: float

    @property
    def layers(self) -> float:
        """What is left for the layers."""
        return max(0.0, self.full - self.tokenisation - self.embedding - self.decision)

    def bound(self, exits: NDArray[np.int64], layers: tuple[int, ...], tokens: NDArray[np.int64]) -> float:
        """Seconds for the same texts if leaving early were free and smaller batches lost nothing.

        Args:
            exits: index of the exit each row takes, (rows,).
            layers: layers run before each exit, (exits,).
            tokens: tokens of each row, (rows,).
        """
        share = layers_run(exits, layers, tokens) / layers[-1]
        decided = sum(float((exits >= index).mean()) for index in range(len(layers)))
        return self.tokenisation + self.embedding + self.decision * decided + self.layers * share


def measure_costs(
    classifier: Classifier, texts: list[str], text_pairs: list[str] | None, full: float, repeats: int
) -> Costs:
    """Measures the parts of a pass that early exit cannot skip; ``full`` is the measured time of the whole pass."""
    stages, problem = classifier.stages, classifier.problem
    encoded = classifier.encode(texts, text_pairs)
    logits = [stages.full(batch) for batch in classifier.batches(encoded)]
    rule = MaximumProbability(0.5, problem)

    def embed() -> None:
        for batch in classifier.batches(encoded):
            stages.embed(batch)

    def decide() -> None:
        for values in logits:
            probabilities = problem.probabilities(values, 1.0)
            rule.decide(probabilities, probabilities[None][:0])

    actions = {"tokenisation": lambda: classifier.encode(texts, text_pairs), "embedding": embed, "decision": decide}
    seconds = {name: float(np.median(values)) for name, values in interleave(actions, repeats).items()}
    return Costs(seconds["tokenisation"], seconds["embedding"], seconds["decision"], full)
