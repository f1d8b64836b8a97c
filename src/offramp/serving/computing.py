"""Runs steps on a network: gathers rows from where they wait, and lets those go that are sure."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offramp.engine.stages import gathered
from offramp.engine.steps import InFlight, Parted, Steps
from offramp.model.encoding import Encoded
from offramp.model.padding import Batch, batch_of
from offramp.policy import ExitRule
from offramp.serving.jobs import Row
from offramp.serving.scheduler import Step

# Tokens of a row that means nothing.
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one row: the exit it took, and its calibrated probabilities (labels,)."""

    row: Row
    exit: int
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Computed:
    """A step's rows: those that left, and those that go on."""

    answers: Sequence[Answer]
    staying: Sequence[Row]


class Computer:
    """A network that one thread runs.

    Args:
        steps: the network with its exits; no other thread may use it.
        padding_id: the tokenizer's token that stands for nothing.
        pairs: whether its rows are pairs of texts.

    Attributes:
        sound: whether the network could be run when it was last looked at.
    """

    def __init__(self, steps: Steps, padding_id: int, *, pairs: bool = False) -> None:
        self._steps = steps
        self._padding_id = padding_id
        self._pairs = pairs
        self.sound = True

    def run(self, step: Step) -> Computed:
        """Runs a step; its rows' ``rule`` is set."""
        rows, in_flight = self._begin(step) if step.stage == 0 else self._gather(step)
        parted = self._steps.run(step.stage, in_flight, _by_rule(rows))
        answers = [
            Answer(rows[position], leaving.exit, probabilities)
            for leaving in parted.leaving
            for position, probabilities in zip(leaving.ids.tolist(), leaving.probabilities, strict=True)
        ]
        return Computed(answers, self._keep(rows, parted))

    def check(self) -> Exception | None:
        """Looks whether the network can be run, on a row that means nothing; gives the error if not."""
        try:
            for _ in self.warm(1, _SHORTEST):
                pass
        except Exception as error:
            self.sound = False
            return error
        self.sound = True
        return None

    def warm(self, rows: int, length: int) -> Iterator[float]:
        """Runs every stage on rows that mean nothing, so that later ones of that shape find all prepared.

        Yields:
            Seconds of each stage.
        """
        lengths, everyone = np.full(rows, length), np.arange(rows)
        batch = Batch(everyone, lengths, np.full((rows, length), self._padding_id, np.int64), None)
        if self._pairs:
            batch = replace(batch, token_type_ids=np.zeros((rows, length), np.int64))
        stages = self._steps.stages
        began = time.perf_counter()
        output = stages.first(batch)
        for stage in range(1, len(stages.layers)):
            yield time.perf_counter() - began
            state = gathered(stages, [(output.state, everyone)], length)
            began = time.perf_counter()
            output = stages.later(stage, state, lengths)
        yield time.perf_counter() - began

    def _begin(self, step: Step) -> tuple[Sequence[Row], InFlight]:
        encoded = _encoded(step.rows)
        batch = batch_of(encoded, np.arange(len(encoded)), self._padding_id, step.length)
        return step.rows, self._steps.begin(batch)

    def _gather(self, step: Step) -> tuple[Sequence[Row], InFlight]:
        """Puts the rows of a step together, which may come from several steps before; gives them in their new order.

        Rows that were kept together and are all there, in their order and at this length, are not copied again.
        """
        sources: dict[int, list[Row]] = {}
        for row in step.rows:
            sources.setdefault(id(_kept(row)[0]), []).append(row)
        ordered = [row for rows in sources.values() for row in rows]
        first, _ = _kept(ordered[0])
        places = [_kept(row)[1] for row in ordered]
        stages = self._steps.stages
        if len(sources) == 1 and places == list(range(len(first.ids))) and stages.length(first.state) == step.length:
            return ordered, first
        parts = [(_kept(rows[0])[0], np.array([_kept(row)[1] for row in rows], np.int64)) for rows in sources.values()]
        return ordered, InFlight(
            np.arange(len(ordered)),
            np.concatenate([kept.lengths[chosen] for kept, chosen in parts]),
            np.concatenate([kept.passed.take(chosen, axis=1) for kept, chosen in parts], axis=1),
            gathered(stages, [(kept.state, chosen) for kept, chosen in parts], step.length),
        )

    def _keep(self, rows: Sequence[Row], parted: Parted) -> Sequence[Row]:
        """Copies what the rows that go on need, away from the backend's memory, and notes in each where it lies."""
        staying, onward = parted.staying, parted.rows
        if not len(staying):
            return []
        stages = self._steps.stages
        kept = InFlight(
            np.arange(len(staying)),
            onward.lengths[staying],
            onward.passed.take(staying, axis=1),
            gathered(stages, [(onward.state, staying)], stages.length(onward.state)),
        )
        staying_rows = [rows[position] for position in staying.tolist()]
        for place, row in enumerate(staying_rows):
            row.kept = kept, place
        return staying_rows


def _by_rule(rows: Sequence[Row]) -> list[tuple[ExitRule, NDArray[np.int64]]]:
    """The rules of a batch's rows, each with the positions of the rows that it decides on."""
    rules: dict[int, ExitRule] = {}
    positions: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        assert row.rule is not None
        rules[id(row.rule)] = row.rule
        positions.setdefault(id(row.rule), []).append(position)
    return [(rule, np.array(positions[key], np.int64)) for key, rule in rules.items()]


def _kept(row: Row) -> tuple[InFlight, int]:
    assert row.kept is not None
    return row.kept


def _encoded(rows: Sequence[Row]) -> Encoded:
    """The texts of rows that may come from several requests."""
    types = None
    if rows[0].job.encoded.token_type_ids is not None:
        types = [(row.job.encoded.token_type_ids or [])[row.position] for row in rows]
    return Encoded(
        [row.job.encoded.input_ids[row.position] for row in rows],
        types,
        np.array([row.length for row in rows], np.int64),
        np.zeros(len(rows), np.bool_),
    )
