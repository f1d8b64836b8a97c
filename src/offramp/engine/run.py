"""How a batch flows: stage by stage, and after each exit the rows that are sure leave."""

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from offramp.engine.pool import Pool
from offramp.engine.stages import Stages
from offramp.engine.steps import InFlight, Leaving, Parted, Steps
from offramp.model.padding import Batch
from offramp.policy import ExitRule


def run(steps: Steps, batches: Iterable[Batch], rule: ExitRule, token_budget: int) -> Iterator[Leaving]:
    """Runs batches through the stages; no row computes a layer after the exit it takes.

    After every exit the rule is asked about the rows still in; those that are sure leave at once, and the others wait
    for company until they fill a batch for the next stage. At the last exit all leave.

    Args:
        steps: the network.
        batches: the longest rows first, as :func:`offramp.engine.batching.batches` gives them.
        rule: decides on calibrated probabilities, as it does in :func:`offramp.policy.replay`.
        token_budget: tokens of a batch after the first stage, padding included.

    Yields:
        The rows in the order they leave. Together each row of each batch exactly once.
    """
    line = _Line(steps, batches, token_budget)
    while (following := line.next()) is not None:
        stage, rows = following
        parted = steps.run(stage, rows, [(rule, np.arange(len(rows.ids)))])
        yield from parted.leaving
        line.stay(stage, parted)


class _Line:
    """Which rows run next, first in, first out: what was begun is ended before the next batch is begun.

    The deepest stage with a full batch goes first. So the state of a batch that goes on as a whole, which lies in the
    backend's memory, is read before the stage that gave it runs again.
    """

    def __init__(self, steps: Steps, batches: Iterable[Batch], token_budget: int) -> None:
        self._steps = steps
        self._batches = iter(batches)
        later = range(1, len(steps.temperatures))
        self._pools = {stage: Pool(steps.stages, token_budget) for stage in later}
        self._ready: dict[int, deque[InFlight]] = {stage: deque() for stage in reversed(later)}

    def next(self) -> tuple[int, InFlight] | None:
        """The next stage to run, and the rows to run it on; None when all rows have left."""
        for stage, ready in self._ready.items():
            if ready:
                return stage, ready.popleft()
        if (batch := next(self._batches, None)) is not None:
            return 0, self._steps.begin(batch)
        for stage, pool in self._pools.items():
            for rest in pool.rest():
                return stage, rest
        return None

    def stay(self, stage: int, parted: Parted) -> None:
        """Takes the rows that did not leave after a stage."""
        if len(parted.staying):
            self._ready[stage + 1] += self._pools[stage + 1].add(parted.rows, parted.staying)


def run_exits(stages: Stages, batches: Iterable[Batch]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Runs every row to the end and gives the logits of all exits.

    Yields:
        Row ids (rows,) and logits (exits, rows, labels) of each batch.
    """
    for batch in batches:
        yield batch.ids, np.stack(list(_exits(stages, batch, len(stages.layers) - 1)))


def run_truncated(
    stages: Stages, batches: Iterable[Batch], last: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Runs the network as if it ended at the exit ``last``, asking nothing on the way.

    The heads before the last are computed too; they are a thousandth of a layer's work.

    Yields:
        Row ids (rows,) and that exit's logits (rows, labels) of each batch.
    """
    for batch in batches:
        *_, logits = _exits(stages, batch, last)
        yield batch.ids, logits


def run_full(stages: Stages, batches: Iterable[Batch]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Runs the network as if it had no exits but the last: what early exit has to beat.

    Yields:
        Row ids (rows,) and the last exit's logits (rows, labels) of each batch.
    """
    for batch in batches:
        yield batch.ids, stages.full(batch)


def _exits(stages: Stages, batch: Batch, last: int) -> Iterator[NDArray[np.float32]]:
    """The logits of every exit up to ``last``, each (rows, labels)."""
    ran = stages.first(batch)
    yield ran.logits
    for stage in range(1, last + 1):
        ran = stages.later(stage, ran.state, batch.lengths)
        yield ran.logits
