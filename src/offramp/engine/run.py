"""How a batch flows: stage by stage, and after each exit the rows that are sure leave."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.engine.batching import Batch
from offramp.engine.stages import Stages
from offramp.policy import ExitRule

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Leaving:
    """Rows that took an exit together.

    Attributes:
        ids: where each row stands in the input, (rows,).
        exit: index of the exit they took.
        probabilities: calibrated, (rows, labels).
    """

    ids: NDArray[np.int64]
    exit: int
    probabilities: NDArray[np.float64]


def run(
    stages: Stages[S], batches: Iterable[Batch], rule: ExitRule, problem: Problem, temperatures: tuple[float, ...]
) -> Iterator[Leaving]:
    """Runs batches through the stages; no row computes a layer behind the exit it takes.

    After every exit the rule is asked about the rows still in; those that are sure leave at once, and the others go on
    as a smaller batch, cut to the longest of them. At the last exit all leave.

    Args:
        stages: the network, in a backend.
        rule: decides on calibrated probabilities, as it does in :func:`offramp.policy.replay`.
        temperatures: one for each exit.

    Yields:
        The rows in the order they leave. Together each row of each batch exactly once.
    """
    last = len(stages.layers) - 1
    for batch in batches:
        rows = stages.start(batch)
        passed: list[NDArray[np.float64]] = []
        for stage in range(last):
            rows = stages.run(stage, rows)
            probabilities = problem.probabilities(rows.logits, temperatures[stage])
            staying = ~rule.decide(probabilities, np.array(passed).reshape(stage, *probabilities.shape))
            if not staying.all():
                yield Leaving(rows.ids[~staying], stage, probabilities[~staying])
                if not staying.any():
                    break
                rows = stages.keep(rows, staying)
            passed = [earlier[staying] for earlier in (*passed, probabilities)]
        else:
            rows = stages.run(last, rows)
            yield Leaving(rows.ids, last, problem.probabilities(rows.logits, temperatures[last]))


def run_exits(stages: Stages[S], batches: Iterable[Batch]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Runs every row to the end and gives the logits of all exits.

    Yields:
        Row ids (rows,) and logits (exits, rows, labels) of each batch.
    """
    for batch in batches:
        rows = stages.start(batch)
        logits = []
        for stage in range(len(stages.layers)):
            rows = stages.run(stage, rows)
            logits.append(rows.logits)
        yield batch.ids, np.stack(logits)


def run_full(stages: Stages[S], batches: Iterable[Batch]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Runs the network as if it had no exits but the last: what early exit has to beat.

    Yields:
        Row ids (rows,) and the last exit's logits (rows, labels) of each batch.
    """
    for batch in batches:
        rows = stages.run_all(stages.start(batch))
        yield batch.ids, rows.logits
