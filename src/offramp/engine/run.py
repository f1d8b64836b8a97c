"""How a batch flows: stage by stage, and after each exit the rows that are sure leave."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.engine.batching import Batch
from offramp.engine.exits import Exits, Leaving
from offramp.engine.pool import Pool, Rows
from offramp.engine.stages import Ran, Stages
from offramp.policy import ExitRule


def run(
    stages: Stages,
    batches: Iterable[Batch],
    rule: ExitRule,
    problem: Problem,
    temperatures: tuple[float, ...],
    token_budget: int,
) -> Iterator[Leaving]:
    """Runs batches through the stages; no row computes a layer behind the exit it takes.

    After every exit the rule is asked about the rows still in; those that are sure leave at once, and the others wait
    for company until they fill a batch for the next stage. At the last exit all leave.

    Args:
        stages: the network, in a backend.
        batches: the longest rows first, as :func:`offramp.engine.batching.batches` gives them.
        rule: decides on calibrated probabilities, as it does in :func:`offramp.policy.replay`.
        temperatures: one for each exit.
        token_budget: tokens of a batch behind the first stage, padding included.

    Yields:
        The rows in the order they leave. Together each row of each batch exactly once.
    """
    exits = Exits(problem, temperatures)
    pools = [Pool(token_budget, stages.length_step) for _ in stages.layers[1:]]

    def leave(stage: int, rows: Rows, ran: Ran) -> Iterator[Leaving]:
        """Lets the rows go that are sure behind a stage, and takes the others further."""
        parted = exits.part(stage, rows.ids, rows.passed, ran.logits, rule)
        if parted.leaving is not None:
            yield parted.leaving
        if len(parted.staying):
            onward = replace(rows, passed=parted.passed, state=ran.state)
            for batch in pools[stage].add(onward, parted.staying):
                yield from further(stage + 1, batch)

    def further(stage: int, rows: Rows) -> Iterator[Leaving]:
        yield from leave(stage, rows, stages.later(stage, rows.state, rows.lengths))

    for batch in batches:
        ran = stages.first(batch)
        nothing = np.empty((0, *ran.logits.shape))
        yield from leave(0, Rows(batch.ids, batch.lengths, nothing, ran.state), ran)
    for stage, pool in enumerate(pools):
        for rest in pool.rest():
            yield from further(stage + 1, rest)


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
