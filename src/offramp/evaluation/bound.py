"""The time that each stage costs, and so how fast early exit could be at best."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.evaluation.timing import interleave
from offramp.policy import Confidence, StageCosts, Threshold

if TYPE_CHECKING:
    from offramp.engine import Classifier


@dataclass(frozen=True, slots=True)
class Request:
    """Texts, perhaps in pairs, that are classified together."""

    texts: list[str]
    text_pairs: list[str] | None

    def subset(self, rows: NDArray[np.int64]) -> "Request":
        """The texts at the given rows, in that order."""
        places = rows.tolist()
        pairs = None if self.text_pairs is None else [self.text_pairs[place] for place in places]
        return Request([self.texts[place] for place in places], pairs)


def measure_stages(classifier: "Classifier", requests: Sequence[Request], repeats: int) -> StageCosts:
    """Measures each stage on its own, alternating with full depth in one go; medians over the repeats."""
    rounds: list[NDArray[np.float64]] = []

    def full() -> None:
        for request in requests:
            classifier.predict_full(request.texts, request.text_pairs)

    actions = {"full": full, "stages": lambda: rounds.append(stage_seconds(classifier, requests))}
    seconds = interleave(actions, repeats)["full"]
    return costs_of(rounds[1:], seconds, sum(len(request.texts) for request in requests))  # the first round warms up


def costs_of(rounds: Sequence[NDArray[np.float64]], full: NDArray[np.float64], rows: int) -> StageCosts:
    """Medians of what :func:`stage_seconds` gave in some rounds, and of the seconds of full depth, (rounds,)."""
    return StageCosts(tuple((np.median(rounds, axis=0) / rows).tolist()), float(np.median(full)) / rows)


def stage_seconds(classifier: "Classifier", requests: Sequence[Request]) -> NDArray[np.float64]:
    """One pass of all rows through all stages, with a decision after each, (exits,)."""
    from offramp.engine.full_pass import full_pass

    cascade = classifier.runner.cascade
    rule = Threshold(0.5, Confidence(cascade.problem))
    seconds = np.zeros(len(cascade.places))
    started = time.perf_counter()
    for request in requests:
        passed = np.empty((len(cascade.places), len(request.texts), len(cascade.labels)))
        for exit_index, rows, logits in full_pass(classifier.runner, request.texts, request.text_pairs):
            probabilities = cascade.probabilities(exit_index, logits, passed[:, rows])
            passed[exit_index, rows] = probabilities
            rule.decide(probabilities, probabilities[None][:0])
            seconds[exit_index] += (now := time.perf_counter()) - started
            started = now
    return seconds
