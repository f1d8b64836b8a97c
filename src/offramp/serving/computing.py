"""Runs steps on a network: gathers rows from where they wait, and lets those go that are sure."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Cascade
from offramp.engine.encoder import Encoder
from offramp.engine.stages import Stages, State, gathered
from offramp.engine.steps import InFlight, Parted
from offramp.engine.steps import step as run_step
from offramp.engine.windows import SoFar, ends, goes_on
from offramp.policy import ExitRule
from offramp.serving.jobs import TextRow
from offramp.serving.scheduler import Step

# Tokens of a row that means nothing.
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """The answer of one row.

    Attributes:
        exit: the exit it took.
        probabilities: calibrated, (labels,).
        passed: calibrated probabilities at the exits passed, the one taken included, (exits, labels).
        handed_over: whether they are but a best guess.
    """

    row: TextRow
    exit: int
    probabilities: NDArray[np.float64]
    passed: NDArray[np.float64]
    handed_over: bool = False


@dataclass(frozen=True, slots=True)
class Computed:
    """A step's rows: those that left, and those that go on."""

    answers: Sequence[RowAnswer]
    staying: Sequence[TextRow]


class Computer:
    """A network that one thread runs.

    Args:
        cascade: what rows pass; no other thread may use it.
        pairs: whether its rows are pairs of texts.

    Attributes:
        sound: whether the networks could be run when they were last looked at.
    """

    def __init__(self, cascade: Cascade, *, pairs: bool = False) -> None:
        self._cascade = cascade
        self._pairs = pairs
        self.sound = True

    def run(self, step: Step) -> Computed:
        """Runs a step; its rows' ``rule`` is set, and those whose rule does not ask this member go on unasked."""
        member, _ = self._cascade.places[step.stage]
        rules = {id(row.rule): row.rule for row in step.rows if row.rule is not None}
        asked = {key for key, rule in rules.items() if self._cascade.matters(member, rule)}
        rows = [row for row in step.rows if id(row.rule) in asked]
        if len(rows) == len(step.rows):
            return self._run(step)
        unasked = self._skip(step.stage, [row for row in step.rows if id(row.rule) not in asked])
        computed = self._run(replace(step, rows=rows)) if rows else Computed([], [])
        return Computed(computed.answers, [*computed.staying, *unasked])

    def _run(self, step: Step) -> Computed:
        member, _ = self._cascade.places[step.stage]
        step = replace(step, length=min(step.length, self._cascade.members[member].longest))
        rows, in_flight = self._begin(step) if step.stage in self._cascade.first_exits else self._gather(step)
        parted = run_step(self._cascade, step.stage, in_flight, _by_rule(rows), self._so_far(step.stage, rows))
        answers = [
            RowAnswer(rows[position], leaving.exit, probabilities, leaving.passed[:, place], over)
            for leaving in parted.leaving
            for place, (position, probabilities, over) in enumerate(
                zip(leaving.ids.tolist(), leaving.probabilities, leaving.handed_over.tolist(), strict=True)
            )
        ]
        for answer in answers:
            if answer.row.end is not None and answer.exit < answer.row.end:
                answer.row.job.truncated[answer.row.position] = False
        if len(parted.staying) and step.stage + 1 in self._cascade.first_exits:
            onward, _ = self._cascade.places[step.stage + 1]
            hand_on = self._read_on if goes_on(self._cascade.members, onward) else self._hand_on
            return Computed(answers, hand_on(step.stage + 1, rows, parted))
        return Computed(answers, self._keep(step.stage, rows, parted))

    def _skip(self, stage: int, rows: Sequence[TextRow]) -> Sequence[TextRow]:
        """Lets rows go on past an exit that nobody asks; in the place of its answers stands NaN."""
        unasked = np.full((1, len(rows), len(self._cascade.labels)), np.nan)
        passed = np.concatenate([self._passed(stage, rows), unasked])
        lengths = np.array([row.length for row in rows], np.int64)
        everyone = np.arange(len(rows))
        said = np.full(unasked.shape[1:], np.nan, np.float32)
        parted = Parted([], everyone, InFlight(everyone, lengths, passed, None), said)
        if stage + 1 in self._cascade.first_exits:
            return self._hand_on(stage + 1, rows, parted)
        return _noted(rows, parted, None)

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

    def warm(self, rows: int, longest: int) -> Iterator[tuple[int, float]]:
        """Runs every stage on rows that mean nothing, so that later ones of that shape find all prepared.

        Args:
            longest: tokens of each row, or as many as a member reads.

        Yields:
            Tokens and seconds of each stage.
        """
        for member in self._cascade.members:
            everyone, length = np.arange(rows), min(longest, member.longest)
            block: Any = member.blank(rows, length, pairs=self._pairs)
            state, lengths = block, block.lengths
            for stage in range(len(member.layers)):
                if stage and isinstance(member, Encoder):
                    state = gathered(member.stages, [(state, everyone)], length)
                began = time.perf_counter()
                state = member.run(stage, state, lengths).state
                yield rows * length, time.perf_counter() - began

    def _begin(self, step: Step) -> tuple[Sequence[TextRow], InFlight]:
        """Puts rows together that are to begin a member's first stage."""
        member, _ = self._cascade.places[step.stage]
        block = self._cascade.members[member].batch([row.read for row in step.rows], step.length)
        passed = self._passed(step.stage, step.rows)
        return step.rows, InFlight(np.arange(len(step.rows)), block.lengths, passed, block)

    def _passed(self, stage: int, rows: Sequence[TextRow]) -> NDArray[np.float64]:
        """What the exits before a stage said of rows, (exits, rows, labels)."""
        if not stage:
            return np.empty((0, len(rows), len(self._cascade.labels)))
        return np.stack([_passed(row) for row in rows], axis=1)

    def _gather(self, step: Step) -> tuple[Sequence[TextRow], InFlight]:
        """Puts the rows of a step together, which may come from several steps before; gives them in their new order.

        Rows that were kept together and are all there, in their order and at this length, are not copied again.
        """
        sources: dict[int, list[TextRow]] = {}
        for row in step.rows:
            sources.setdefault(id(_kept(row)[0]), []).append(row)
        ordered = [row for rows in sources.values() for row in rows]
        first, _ = _kept(ordered[0])
        places = [_kept(row)[1] for row in ordered]
        stages = self._stages(step.stage)
        if len(sources) == 1 and places == list(range(len(first.ids))) and stages.length(first.state) == step.length:
            return ordered, first
        parts = [(_kept(rows[0])[0], np.array([_kept(row)[1] for row in rows], np.int64)) for rows in sources.values()]
        return ordered, InFlight(
            np.arange(len(ordered)),
            np.concatenate([kept.lengths[chosen] for kept, chosen in parts]),
            np.concatenate([kept.passed.take(chosen, axis=1) for kept, chosen in parts], axis=1),
            gathered(stages, [(kept.state, chosen) for kept, chosen in parts], step.length),
        )

    def _keep(self, stage: int, rows: Sequence[TextRow], parted: Parted) -> Sequence[TextRow]:
        """Copies what the rows that go on need, away from the backend's memory, and notes in each where it lies."""
        staying, onward = parted.staying, parted.rows
        if not len(staying):
            return []
        stages = self._stages(stage)
        state = gathered(stages, [(onward.state, staying)], stages.length(onward.state))
        return _noted(rows, parted, state)

    def _hand_on(self, stage: int, rows: Sequence[TextRow], parted: Parted) -> Sequence[TextRow]:
        """Has the texts of the rows that go on read by the next member."""
        member, _ = self._cascade.places[stage]
        going = [rows[position] for position in parted.staying.tolist()]
        texts = [row.job.texts[row.position] for row in going]
        pairs = [row.job.text_pairs[row.position] for row in going if row.job.text_pairs is not None]
        read = self._cascade.members[member].read(texts, pairs or None)
        staying = _noted(rows, parted, None)  # once nothing can fail any more: a step that failed is run again
        for place, row in enumerate(staying):
            row.read, row.length = (read, place), int(read.lengths[place])
            row.job.tokens[row.position] = read.lengths[place]
            row.job.truncated[row.position] = read.truncated[place]
        return staying

    def _read_on(self, stage: int, rows: Sequence[TextRow], parted: Parted) -> Sequence[TextRow]:
        """Takes up the next window of the rows that go on."""
        staying = _noted(rows, parted, None)
        for row, said in zip(staying, parted.said[parted.staying], strict=True):
            read, place = row.read
            row.read, row.said = (read.next_windows(np.array([place])), 0), said
            row.length = int(row.read[0].lengths[0])
            row.job.tokens[row.position] += row.length
        return staying

    def _so_far(self, stage: int, rows: Sequence[TextRow]) -> SoFar | None:
        """What is known of rows that are read window by window; None where long texts are cut."""
        cascade, (member, _) = self._cascade, self._cascade.places[stage]
        if cascade.read_on is None or not isinstance(cascade.members[member], Encoder):
            return None
        for row in rows:
            if row.end is None:
                read, place = row.read
                row.end = int(ends(cascade, read.windows[place]))
        nothing = np.zeros(len(cascade.labels), np.float32)
        return SoFar(
            np.stack([nothing if row.said is None else row.said for row in rows]),
            np.array([row.end for row in rows], np.int64),
        )

    def _stages(self, stage: int) -> Stages:
        """The network that a stage belongs to; none that reads texts has more than one stage."""
        member = self._cascade.members[self._cascade.places[stage][0]]
        assert isinstance(member, Encoder)
        return member.stages


def _noted(rows: Sequence[TextRow], parted: Parted, state: State) -> Sequence[TextRow]:
    """The rows that go on; in each is noted where it lies, with a state that holds them and no others."""
    staying, onward = parted.staying, parted.rows
    passed = onward.passed.take(staying, axis=1)
    kept = InFlight(np.arange(len(staying)), onward.lengths[staying], passed, state)
    staying_rows = [rows[position] for position in staying.tolist()]
    for place, row in enumerate(staying_rows):
        row.kept = kept, place
    return staying_rows


def _by_rule(rows: Sequence[TextRow]) -> list[tuple[ExitRule, NDArray[np.int64]]]:
    """The rules of a batch's rows, each with the positions of the rows that it decides on."""
    rules: dict[int, ExitRule] = {}
    positions: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        assert row.rule is not None
        rules[id(row.rule)] = row.rule
        positions.setdefault(id(row.rule), []).append(position)
    return [(rule, np.array(positions[key], np.int64)) for key, rule in rules.items()]


def _kept(row: TextRow) -> tuple[InFlight, int]:
    assert row.kept is not None
    return row.kept


def _passed(row: TextRow) -> NDArray[np.float64]:
    """What the exits that a row has passed said of it, (exits, labels)."""
    kept, place = _kept(row)
    return kept.passed[:, place]
