"""Runs steps on a network: gathers rows from where they wait, and lets those go that are sure."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from offramp.engine.batching import Batch, batch_of
from offramp.engine.exits import Exits
from offramp.engine.pool import Gathered, Rows
from offramp.engine.stages import Ran, Stages, State
from offramp.model.encoding import Encoded
from offramp.policy import ExitRule
from offramp.serving.jobs import Row
from offramp.serving.scheduler import Step


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
        stages: the network; no other thread may use it.
        exits: decide who leaves, as in :func:`offramp.engine.run.run`.
        padding_id: the tokenizer's token that stands for nothing.
        pairs: whether its rows are pairs of texts.
    """

    def __init__(self, stages: Stages, exits: Exits, padding_id: int, *, pairs: bool = False) -> None:
        self._stages = stages
        self._exits = exits
        self._padding_id = padding_id
        self._pairs = pairs

    def run(self, step: Step) -> Computed:
        """Runs a step; its rows' ``rule`` is set."""
        if step.stage == 0:
            rows, lengths, ran = self._first(step)
            passed = np.empty((0, *ran.logits.shape))
        else:
            rows, waited = _gather(step)
            lengths, passed = waited.lengths, waited.passed
            ran = self._stages.later(step.stage, waited.state, lengths)
        return self._part(step.stage, rows, lengths, passed, ran)

    def warm(self, rows: int, length: int) -> Iterator[float]:
        """Runs every stage on rows that mean nothing, so that later ones of that shape find all prepared.

        Yields:
            Seconds of each stage.
        """
        lengths = np.full(rows, length)
        batch = Batch(np.arange(rows), lengths, np.full((rows, length), self._padding_id, np.int64), None)
        if self._pairs:
            batch = replace(batch, token_type_ids=np.zeros((rows, length), np.int64))
        began = time.perf_counter()
        ran = self._stages.first(batch)
        for stage in range(1, len(self._stages.layers)):
            yield time.perf_counter() - began
            state = State(ran.state.hidden.clone(), ran.state.history.clone())
            began = time.perf_counter()
            ran = self._stages.later(stage, state, lengths)
        yield time.perf_counter() - began

    def _first(self, step: Step) -> tuple[Sequence[Row], NDArray[np.int64], Ran]:
        encoded = _encoded(step.rows)
        batch = batch_of(encoded, np.arange(len(encoded)), self._padding_id, step.length)
        return step.rows, batch.lengths, self._stages.first(batch)

    def _part(
        self, stage: int, rows: Sequence[Row], lengths: NDArray[np.int64], passed: NDArray[np.float64], ran: Ran
    ) -> Computed:
        answers, staying, here = [], [], []
        for rule, chosen in _by_rule(rows):
            before = passed if len(chosen) == len(rows) else np.take(passed, chosen, axis=1)
            parted = self._exits.part(stage, chosen, before, ran.logits[chosen], rule)
            if parted.leaving is not None:
                for position, probabilities in zip(
                    parted.leaving.ids.tolist(), parted.leaving.probabilities, strict=True
                ):
                    answers.append(Answer(rows[position], stage, probabilities))
            staying.append(chosen[parted.staying])
            here.append(np.take(parted.passed, parted.staying, axis=1))
        return Computed(answers, _keep(rows, np.concatenate(staying), lengths, np.concatenate(here, axis=1), ran.state))


def _by_rule(rows: Sequence[Row]) -> list[tuple[ExitRule, NDArray[np.int64]]]:
    """The rules of a batch's rows, each with the positions of the rows that it decides on."""
    rules: dict[int, ExitRule] = {}
    positions: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        assert row.rule is not None
        rules[id(row.rule)] = row.rule
        positions.setdefault(id(row.rule), []).append(position)
    return [(rule, np.array(positions[key], np.int64)) for key, rule in rules.items()]


def _keep(
    rows: Sequence[Row],
    staying: NDArray[np.int64],
    lengths: NDArray[np.int64],
    passed: NDArray[np.float64],
    state: State,
) -> list[Row]:
    """Copies what the rows that go on need, away from the backend's memory, and notes in each where it lies."""
    if not len(staying):
        return []
    index = torch.from_numpy(staying).to(state.hidden.device)
    copied = State(state.hidden.index_select(0, index), state.history.index_select(0, index))
    kept = Rows(np.arange(len(staying)), lengths[staying], passed, copied)
    onward = [rows[position] for position in staying.tolist()]
    for place, row in enumerate(onward):
        row.kept = kept, place
    return onward


def _gather(step: Step) -> tuple[list[Row], Rows]:
    """Puts the rows of a step together, which may come from several steps before; gives them in their new order."""
    sources: dict[int, list[Row]] = {}
    for row in step.rows:
        sources.setdefault(id(_kept(row)[0]), []).append(row)
    ordered = [row for rows in sources.values() for row in rows]
    whole, _ = _kept(ordered[0])
    places = [_kept(row)[1] for row in ordered]
    if len(sources) == 1 and places == list(range(len(whole.ids))) and whole.state.hidden.shape[1] == step.length:
        return ordered, whole
    gathered = Gathered(len(ordered), step.length, whole)
    for rows in sources.values():
        gathered.take(_kept(rows[0])[0], np.array([_kept(row)[1] for row in rows], np.int64))
    return ordered, gathered.rows()


def _kept(row: Row) -> tuple[Rows, int]:
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
