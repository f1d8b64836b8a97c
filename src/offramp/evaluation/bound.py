"""The time that early exit could reach at best: what no row can skip, and the layers that are really run."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.evaluation.timing import interleave
from offramp.policy import Confidence, StageCosts, Threshold, layers_run

if TYPE_CHECKING:
    from offramp.engine import Classifier
    from offramp.engine.stages import Stages
    from offramp.model.encoding import Encoded
    from offramp.model.padding import Batch


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


@dataclass(frozen=True, slots=True)
class Request:
    """Texts, perhaps with second texts, that are handed in together."""

    texts: list[str]
    text_pairs: list[str] | None

    def subset(self, rows: NDArray[np.int64]) -> "Request":
        """The texts at some places, in that order."""
        places = rows.tolist()
        pairs = None if self.text_pairs is None else [self.text_pairs[place] for place in places]
        return Request([self.texts[place] for place in places], pairs)


def measure_costs(classifier: "Classifier", requests: Sequence[Request], full: float, repeats: int) -> Costs:
    """Measures the parts of a pass that early exit cannot skip; ``full`` is the measured time of the whole pass.

    Embedding is measured between passes of the whole network: with the layers' weights in the processor's caches it
    takes twice the time that it takes over and over on its own.
    """
    stages, problem = classifier.stages, classifier.problem

    def encode() -> "list[Encoded]":
        return [classifier.encode(request.texts, request.text_pairs) for request in requests]

    def batches() -> "Iterator[Batch]":
        for one in encoded:
            yield from classifier.batches(one)

    encoded = encode()
    logits = [stages.full(batch) for batch in batches()]
    rule = Threshold(0.5, Confidence(problem))

    def decide() -> None:
        for values in logits:
            probabilities = problem.probabilities(values, 1.0)
            rule.decide(probabilities, probabilities[None][:0])

    seconds = interleave({"tokenisation": encode, "decision": decide}, repeats)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    embedding = float(np.median([_embedding(stages, batches()) for _ in range(repeats)]))
    return Costs(medians["tokenisation"], embedding, medians["decision"], full)


def _embedding(stages: "Stages", batches: "Iterator[Batch]") -> float:
    """Seconds to build the batches and to embed them, each in front of a pass of the whole network."""
    seconds, started = 0.0, time.perf_counter()
    for batch in batches:
        stages.embed(batch)
        seconds += time.perf_counter() - started
        stages.full(batch)
        started = time.perf_counter()
    return seconds


def measure_stages(classifier: "Classifier", request: Request, repeats: int) -> StageCosts:
    """Measures each stage on its own, in turn with full depth in one go; medians over the repeats."""
    rounds: list[NDArray[np.float64]] = []
    actions = {
        "full": lambda: classifier.predict_full(request.texts, request.text_pairs),
        "stages": lambda: rounds.append(_stage_seconds(classifier, request)),
    }
    full = interleave(actions, repeats)["full"]
    stages = np.median(rounds[1:], axis=0)  # the first round warms up
    return StageCosts(tuple(stages.tolist()), float(np.median(full)))


def _stage_seconds(classifier: "Classifier", request: Request) -> NDArray[np.float64]:
    """One pass of all rows through all stages, (exits,)."""
    stages, problem = classifier.stages, classifier.problem
    rule = Threshold(0.5, Confidence(problem))
    seconds = np.zeros(len(stages.layers))
    started = time.perf_counter()
    for batch in classifier.batches(classifier.encode(request.texts, request.text_pairs)):
        state = None
        for stage in range(len(stages.layers)):
            output = stages.first(batch) if state is None else stages.later(stage, state, batch.lengths)
            probabilities = problem.probabilities(output.logits, classifier.calibration.temperatures[stage])
            rule.decide(probabilities, probabilities[None][:0])
            state = output.state
            seconds[stage] += (now := time.perf_counter()) - started
            started = now
    return seconds
