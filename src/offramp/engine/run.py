"""How texts flow: member by member, stage by stage, and after each exit the rows that are sure leave."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Cascade, Member
from offramp.engine.encoder import Encoder
from offramp.engine.steps import InFlight, Leaving, step
from offramp.engine.turns import Turns
from offramp.engine.windows import SoFar, ends, goes_on, nothing_so_far
from offramp.policy import ExitRule

OnLeaving: TypeAlias = Callable[[Leaving], None]
"""Is told of rows when they leave; their ``ids`` are places among the texts that were given together."""


class Passage:
    """Some texts on their way through a cascade, and their answers so far.

    Args:
        cascade: what they pass.
        texts, text_pairs: the texts.
        rule: when they leave.
        token_budget: tokens of a batch, padding included.
        on_leaving: is told of rows that left together.

    Attributes:
        probabilities: calibrated answers of the rows that have left, (rows, labels).
        exits: index of the exit that each row took, (rows,).
        handed_over: whether its answer is but a best guess, (rows,).
        tokens: tokens read where it left, (rows,).
        truncated: whether something was lost there, (rows,): of long texts that are read window by window only where
            they were read to the end of their last window, and there was more.
    """

    def __init__(
        self,
        cascade: Cascade,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        rule: ExitRule,
        token_budget: int,
        on_leaving: OnLeaving | None = None,
    ) -> None:
        self.probabilities = np.empty((len(texts), len(cascade.labels)))
        self.exits = np.empty(len(texts), np.int64)
        self.handed_over = np.zeros(len(texts), np.bool_)
        self.tokens = np.zeros(len(texts), np.int64)
        self.truncated = np.zeros(len(texts), np.bool_)
        self._cascade = cascade
        self._texts = texts
        self._text_pairs = text_pairs
        self._rule = rule
        self._token_budget = token_budget
        self._on_leaving = on_leaving
        self._member = 0
        # The rows that are still in, what exits have said of them, and how the next member has read them.
        self._rows = np.arange(len(texts))
        self._passed = np.empty((0, *self.probabilities.shape))
        self._read: Any = None
        self._so_far = nothing_so_far(cascade, len(texts))

    @property
    def may_hand_over(self) -> bool:
        """Whether the rule may hand texts over."""
        return self._rule.may_hand_over

    def prepare(self) -> None:
        """Does what goes well beside the computing of other texts: all up to the first encoder, and its tokenizing."""
        self._read_next()
        while len(self._rows) and not isinstance(self._next, Encoder):
            self._run_member(lambda rows: None)

    def complete(self, on_rows: Callable[[int], None]) -> None:
        """Runs all members that are left; ``on_rows`` is told how many rows have left so far."""
        while len(self._rows):
            self._run_member(on_rows)

    @property
    def _next(self) -> Member:
        return self._cascade.members[self._member]

    def _read_next(self) -> None:
        """Lets the next member whose answers matter to the rule read the rows that are still in."""
        while not self._cascade.matters(self._member, self._rule):
            unasked = np.full((len(self._next.layers), len(self._rows), self.probabilities.shape[1]), np.nan)
            self._passed = np.concatenate([self._passed, unasked])
            self._member += 1
        texts, pairs = self._texts, self._text_pairs
        if len(self._rows) < len(self.exits):
            places = self._rows.tolist()
            texts = [texts[place] for place in places]
            pairs = None if pairs is None else [pairs[place] for place in places]
        self._read = self._next.read(texts, pairs)
        self.tokens[self._rows] = self._read.lengths
        self.truncated[self._rows] = self._read.truncated
        if self._so_far is not None and isinstance(self._next, Encoder):
            self._so_far.ends[self._rows] = ends(self._cascade, self._read.windows)

    def _read_on(self, rows: NDArray[np.int64]) -> None:
        """Takes up the next window of those of the rows read last that are still in."""
        self._read = self._read.next_windows(np.searchsorted(rows, self._rows))
        self.tokens[self._rows] += self._read.lengths

    def _run_member(self, on_rows: Callable[[int], None]) -> None:
        left, before = len(self.exits) - len(self._rows), self._rows
        beyond: list[InFlight] = []
        line = run(self._cascade, self._member, self._begun(), self._rule, self._token_budget, beyond, self._so_far)
        for leaving in line:
            self.probabilities[leaving.ids] = leaving.probabilities
            self.exits[leaving.ids] = leaving.exit
            self.handed_over[leaving.ids] = leaving.handed_over
            if self._so_far is not None:
                self.truncated[leaving.ids] &= self._so_far.ends[leaving.ids] == leaving.exit
            if self._on_leaving is not None:
                self._on_leaving(leaving)
            left += len(leaving.ids)
            on_rows(left)
        self._member += 1
        self._rows = np.empty(0, np.int64)
        if beyond:
            rows = np.concatenate([part.ids for part in beyond])
            order = np.argsort(rows)
            self._rows = rows[order]
            self._passed = np.concatenate([part.passed for part in beyond], axis=1).take(order, axis=1)
            if goes_on(self._cascade.members, self._member):
                self._read_on(before)
            else:
                self._read_next()

    def _begun(self) -> Iterator[InFlight]:
        """The rows before the next member's first stage."""
        for batch in self._next.batches(self._read, self._token_budget):
            yield InFlight(self._rows[batch.ids], batch.lengths, self._passed.take(batch.ids, axis=1), batch)


def run(
    cascade: Cascade,
    member: int,
    begun: Iterable[InFlight],
    rule: ExitRule,
    token_budget: int,
    beyond: list[InFlight],
    so_far: SoFar | None = None,
) -> Iterator[Leaving]:
    """Runs rows through the stages of a member; no row computes a stage after the exit it takes.

    After every exit the rule is asked about the rows still in; those that are sure leave at once, and the others wait
    for company until they fill a batch for the next stage. At the cascade's last exit all leave.

    Args:
        cascade: what the rows pass.
        member: index.
        begun: rows before its first stage, the longest first.
        rule: decides on calibrated probabilities, as it does in :func:`offramp.policy.replay`.
        token_budget: tokens of a batch after the first stage, padding included.
        beyond: is given the rows that go on to the next member.
        so_far: of all rows, by their ids, where they are read window by window; what this member says is added.

    Yields:
        The rows in the order they leave. Together with those that go on, each row exactly once.
    """
    turns, windowed = Turns(cascade, member, begun, token_budget), goes_on(cascade.members, member + 1)
    while (following := turns.next()) is not None:
        exit_index, rows = following
        read = None if so_far is None else so_far.of(rows.ids)
        parted = step(cascade, exit_index, rows, [(rule, np.arange(len(rows.ids)))], read)
        yield from parted.leaving
        going = turns.stay(exit_index, parted)
        if going and windowed and so_far is not None:
            so_far.said[rows.ids] = parted.said
        beyond += going
