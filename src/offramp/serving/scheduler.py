"""What to compute next: a state machine without threads, clocks or tensors, so that every case can be tested.

Rows join at the first stage whenever a batch is made up, leave at any exit, and in between wait after it for the next
stage. The server is never idle while a row waits. Where several stages have rows, the deepest goes first, so that what
was begun is ended; unless it pays to let its rows wait for company (:meth:`Lane._waits`).
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offramp.serving.costs import Costs
from offramp.serving.jobs import Job, TextRow
from offramp.serving.shapes import Shapes

# Rows looked at to make up a batch of similar lengths.
_WINDOW = 256
# A row runs with none that is so much longer that it is less than this share of it.
_ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One stage to be run.

    Attributes:
        stage: index.
        rows: in any order.
        length: tokens that each is padded to.
        audit: whether the rows are audits.
    """

    stage: int
    rows: Sequence[TextRow]
    length: int
    audit: bool = False

    @property
    def tokens(self) -> int:
        """Tokens computed, padding included."""
        return self.length * len(self.rows)


@dataclass(frozen=True, slots=True)
class StepLimits:
    """What bounds a step.

    Attributes:
        seconds: that a step should take at most.
        wait: seconds that a row waits for company at most.
    """

    seconds: float
    wait: float


class Lane:
    """Rows waiting for stages, each stage's in fair order."""

    def __init__(self, stages: int, shapes: Shapes, costs: Costs, limits: StepLimits) -> None:
        self._shapes = shapes
        self._costs = costs
        self._limits = limits
        self._waiting: list[list[TextRow]] = [[] for _ in range(stages)]

    def add(self, stage: int, rows: Iterable[TextRow], now: float) -> None:
        """Lets rows wait for a stage."""
        for row in rows:
            row.since = now
            insort(self._waiting[stage], row, key=_tag)

    def waiting(self, stage: int = 0) -> Sequence[TextRow]:
        """Rows that wait for a stage."""
        return self._waiting[stage]

    def fills(self, stage: int) -> bool:
        """Whether more waits for a stage than a step takes."""
        rows = self._waiting[stage][:_WINDOW]
        return sum(row.length for row in rows) >= self._costs.capacity(stage, self._limits.seconds)

    def overdue(self, now: float) -> set[Job]:
        """Jobs that have waited too long to be begun."""
        return {row.job for row in self._waiting[0][:_WINDOW] if row.job.overdue(now)}

    def stages(self) -> Sequence[Sequence[TextRow]]:
        """Rows that wait for each stage."""
        return self._waiting

    def forget(self, job: Job) -> None:
        """Takes out the rows of a job."""
        for stage, rows in enumerate(self._waiting):
            self._waiting[stage] = [row for row in rows if row.job is not job]

    def next(self, now: float) -> Step | None:
        """Takes out what to run next; None if nothing waits."""
        self._drop_late(now)
        with_rows = [stage for stage, rows in enumerate(self._waiting) if rows]
        for stage in reversed(with_rows):
            if not self._waits(stage, now):
                return self._take(stage)
        return None

    def _drop_late(self, now: float) -> None:
        for stage, rows in enumerate(self._waiting):
            if any(row.job.deadline <= now for row in rows[:_WINDOW]):
                self._waiting[stage] = [row for row in rows if row.job.deadline > now]

    def _waits(self, stage: int, now: float) -> bool:
        """Whether the rows after an exit should wait for company.

        To run them later with others saves the fixed cost of one step, and everybody after them gains that; it costs
        each of them the time of the step that goes first. Rows that fill a batch, or have waited for long, do not wait.

        Source: the idea of a profit test is that of DREX (2025); here it weighs summed waiting times.
        """
        rows = self._waiting[stage]
        behind = [(earlier, len(self._waiting[earlier])) for earlier in range(stage) if self._waiting[earlier]]
        if not behind:
            return False
        if self.fills(stage):
            return False
        if now - min(row.since for row in rows) >= self._limits.wait:
            return False
        first, _ = behind[-1]
        tokens = min(
            sum(row.length for row in self._waiting[first][:_WINDOW]),
            self._costs.capacity(first, self._limits.seconds),
        )
        saved = self._costs.fixed(stage) * sum(count for _, count in behind)
        return saved > len(rows) * self._costs.seconds(first, tokens)

    def _take(self, stage: int) -> Step:
        """Makes up a batch around the row whose turn it is."""
        rows = self._waiting[stage]
        budget = self._costs.capacity(stage, self._limits.seconds)
        window = rows[:_WINDOW]
        lengths = np.array([self._shapes.length(row.length) for row in window])
        group = self._company(stage, lengths, budget)
        taken = sorted(group.tolist())[: self._shapes.count(len(group))]
        chosen = set(taken)
        rows[: len(window)] = [row for position, row in enumerate(window) if position not in chosen]
        return Step(stage, [window[position] for position in taken], int(lengths[taken].max()))

    def _company(self, stage: int, lengths: NDArray[np.int64], budget: int) -> NDArray[np.int64]:
        """The first row and those that run with it: next to each other by length, so that a token takes least time.

        More rows share the fixed cost of a step, but the shorter ones are padded more.

        Args:
            lengths: of rows, (rows,).
            budget: tokens at most, padding included; a single row may be longer.

        Returns:
            Positions.
        """
        if len(lengths) == 1:
            return np.zeros(1, np.int64)
        order = np.argsort(-lengths, kind="stable")
        place = int(np.flatnonzero(order == 0)[0])
        start, end = np.arange(place + 1)[:, None], np.arange(place + 1, len(order) + 1)
        tokens = np.concatenate([[0], np.cumsum(lengths[order])])
        padded = (end - start) * lengths[order][: place + 1, None]
        seconds = (self._costs.fixed(stage) + self._costs.per_token(stage) * padded) / (tokens[end] - tokens[start])
        apart = lengths[order][end - 1] < _ALIKE * lengths[order][: place + 1, None]
        seconds[((padded > budget) & (end - start > 1)) | apart] = np.inf
        first, last = np.unravel_index(int(np.argmin(seconds)), seconds.shape)
        return order[first : place + 1 + last]


class Scheduler:
    """Rows of requests, and beside them rows of audits, which run only when no request's row waits.

    Every row gets a tag when it comes, and rows are begun in the order of their tags. A request's first tag is how many
    tokens were begun so far, and its rows are their tokens apart, so that requests share the server by tokens: one with
    a single text does not wait until one with hundreds is done; and no more tokens can overtake a waiting row than its
    own request has before it.

    Source: Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996, §2, with another virtual time: theirs, the
    tag of what is begun, would stand still while new requests keep coming, and rows after it would wait for ever.
    """

    def __init__(self, stages: int, shapes: Shapes, costs: Costs, limits: StepLimits) -> None:
        self._requests = Lane(stages, shapes, costs, limits)
        self._audits = Lane(stages, shapes, costs, StepLimits(limits.seconds / 4, limits.wait))
        self._virtual = 0.0

    def add(self, job: Job, rows: Iterable[TextRow], now: float, *, audit: bool = False) -> None:
        """Lets new rows wait for the first stage."""
        job.tag = max(job.tag, self._virtual)
        tagged = list(rows)
        for row in tagged:
            row.tag = job.tag
            job.tag += row.length
        self._lane(audit).add(0, tagged, now)

    def forget(self, job: Job) -> None:
        """Takes out the rows of a job nobody waits for."""
        self._requests.forget(job)

    def next(self, now: float) -> Step | None:
        """Takes out what to run next; None if nothing waits."""
        if (step := self._requests.next(now)) is not None:
            if step.stage == 0:
                self._virtual += sum(row.length for row in step.rows)
            return step
        step = self._audits.next(now)
        return None if step is None else replace(step, audit=True)

    def stay(self, step: Step, rows: Iterable[TextRow], now: float) -> None:
        """Lets rows that did not leave after a step wait for the next stage."""
        self._lane(step.audit).add(step.stage + 1, [row for row in rows if not row.job.gone], now)

    def ahead(self, tokens: float) -> list[int]:
        """Tokens at each stage whose turn is before the last of a new request of so many, its own not counted."""
        first, *later = self._requests.stages()
        place = bisect_left(first, self._virtual + tokens, key=_tag)
        return [sum(row.length for row in rows) for rows in (first[:place], *later)]

    def fills(self) -> bool:
        """Whether more rows of requests wait to be begun than a step takes."""
        return self._requests.fills(0)

    def overdue(self, now: float) -> set[Job]:
        """Jobs that have waited too long to be begun."""
        return self._requests.overdue(now)

    def oldest(self, now: float) -> float:
        """How long the row whose turn is next has waited to be begun, in seconds."""
        waiting = self._requests.waiting()
        return now - waiting[0].since if waiting else 0.0

    def depth(self) -> int:
        """Rows that wait to be begun."""
        return len(self._requests.waiting())

    def audits(self) -> int:
        """Audits that wait to be begun."""
        return len(self._audits.waiting())

    def _lane(self, audit: bool) -> Lane:
        return self._audits if audit else self._requests


def _tag(row: TextRow) -> float:
    return row.tag
