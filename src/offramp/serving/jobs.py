"""What the server works on: a request is a job, and each of its texts a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.steps import InFlight
from offramp.policy import ExitRule
from offramp.serving.operating import Mode, NamedRule


@dataclass(eq=False, slots=True)
class Job:
    """The texts of a request, and what is known of their answers.

    Attributes:
        texts, text_pairs: the texts.
        read: them as the first member of the cascade reads them.
        labels: number of labels.
        point: where its rows leave; None for the operating point in force, and then the one they were begun under.
        asked: whether the request named the point itself.
        deadline: after it nothing is begun for the job, in seconds of the server's clock.
        begin_by: if no row was begun until then, none will be.
        handed_over: whether the row's answer is but a best guess, (rows,).
        tokens, truncated: what was read of each row, by the member that read it last, (rows,). Of long texts read
            window by window that is all windows so far, and something is lost only at the end of the last.
        done: called once, by the thread that answers the last row; with an error where computing failed.
        gone: the client has left or the deadline has passed; nobody waits for an answer.
        tag: fair order of its next row, see :mod:`offramp.serving.scheduler`.
        arrived: when it began to wait.
        expected: seconds until it is begun, as estimated then.
        begun: when its first row was begun.
        computed: seconds of the stages that its rows ran in.
        degraded: whether a row was answered at the degraded operating point.
    """

    texts: Sequence[str]
    text_pairs: Sequence[str] | None
    read: Any
    labels: int
    point: NamedRule | None
    deadline: float
    done: Callable[["Job", Exception | None], None]
    begin_by: float = float("inf")
    gone: bool = False
    tag: float = 0.0
    arrived: float = 0.0
    expected: float = 0.0
    begun: float | None = None
    computed: float = 0.0
    degraded: bool = False
    asked: bool = field(init=False)
    probabilities: NDArray[np.float64] = field(init=False)
    exits: NDArray[np.int64] = field(init=False)
    handed_over: NDArray[np.bool_] = field(init=False)
    tokens: NDArray[np.int64] = field(init=False)
    truncated: NDArray[np.bool_] = field(init=False)
    open: int = field(init=False)

    def __post_init__(self) -> None:
        self.probabilities = np.empty((len(self.texts), self.labels))
        self.exits = np.full(len(self.texts), -1)
        self.handed_over = np.zeros(len(self.texts), np.bool_)
        self.tokens, self.truncated = self.read.lengths.copy(), self.read.truncated.copy()
        self.open = len(self.texts)
        self.asked = self.point is not None

    def begin(self, row: "TextRow", in_force: NamedRule, mode: Mode, now: float) -> None:
        """Settles where a row leaves, when its first stage is begun."""
        if self.begun is None:
            self.begun = now
        row.in_force = not self.asked and mode is Mode.NORMAL
        if not self.asked and (self.point is None or mode is Mode.DEGRADED):
            self.point = in_force
            self.degraded = mode is Mode.DEGRADED
        row.rule = self.point.rule if self.asked and self.point is not None else in_force.rule

    def overdue(self, now: float) -> bool:
        """Whether it has waited for longer than allowed to be begun."""
        return self.begun is None and self.begin_by <= now

    def rows(self) -> list["TextRow"]:
        """Its texts, ready to be scheduled."""
        return [TextRow(self, place, length, (self.read, place)) for place, length in enumerate(self.tokens.tolist())]

    def alone(self, position: int, point: NamedRule, done: Callable[["Job", Exception | None], None]) -> "Job":
        """A job for one of its texts, that leaves at a point of its own; nobody waits for it."""
        row = slice(position, position + 1)
        pairs = None if self.text_pairs is None else self.text_pairs[row]
        return Job(self.texts[row], pairs, self.read.alone(position), self.labels, point, float("inf"), done)

    def answer(self, position: int, exit_index: int, probabilities: NDArray[np.float64], handed_over: bool) -> bool:
        """Notes the answer (labels,) of a row; tells whether it was the last."""
        self.exits[position] = exit_index
        self.probabilities[position] = probabilities
        self.handed_over[position] = handed_over
        self.open -= 1
        return not self.open


@dataclass(eq=False, slots=True)
class TextRow:
    """A text on its way.

    Attributes:
        position: in its job.
        length: tokens.
        read: what the member of the cascade that comes next has read, with its place there.
        rule: when it leaves; set when it is begun.
        in_force: whether ``rule`` is the server's ordinary operating point.
        tag: the lower, the sooner it is its turn.
        since: when it began to wait for its next stage.
        kept: where its state lies after a stage, with its place there; None before it began.
        end: the exit at which it has been read to its end, where long texts are read window by window.
        said: what its windows before the present one say together, not calibrated, (labels,); None before the second.
    """

    job: Job
    position: int
    length: int
    read: tuple[Any, int]
    rule: ExitRule | None = None
    in_force: bool = False
    tag: float = 0.0
    since: float = 0.0
    kept: tuple[InFlight, int] | None = None
    end: int | None = None
    said: NDArray[np.float32] | None = None
