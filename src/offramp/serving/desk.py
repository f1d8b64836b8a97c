"""All that the server decides, without threads, HTTP or a clock of its own: what to begin, and what an end means."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from offramp.serving.audits import Auditor
from offramp.serving.computing import Computed, RowAnswer
from offramp.serving.costs import Costs
from offramp.serving.jobs import Job, TextRow
from offramp.serving.operating import InForce
from offramp.serving.pace import Pace
from offramp.serving.scheduler import Scheduler, Step

# Texts that are tokenized in one go, so that a small request does not wait for all of a large one.
TOKENIZED = 32
# Waits from this share of the limit on say how well a wait of the limit's size is estimated.
_NEAR = 0.25


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits.

    Attributes:
        depth: texts to be begun.
        age: seconds that the next of them has waited.
        audits: texts to be compared with full depth.
    """

    depth: int
    age: float
    audits: int


class Desk:
    """Takes jobs, gives steps, and takes what was computed; times are seconds of the caller's clock.

    Args:
        scheduler: which step is next.
        in_force: where texts leave that ask for nothing.
        auditor: compares a few early answers with full depth.
        costs: what stages take; learns from every step.
        pace: how long it takes to get through what waits; learns from every step.
        limit: seconds that a request may wait to be begun.
    """

    def __init__(
        self, scheduler: Scheduler, in_force: InForce, auditor: Auditor, costs: Costs, pace: Pace, limit: float
    ) -> None:
        self.in_force = in_force
        self.auditor = auditor
        self.costs = costs
        self.pace = pace
        self._scheduler = scheduler
        self._limit = limit
        # Requests that are being tokenized, by their number of texts.
        self._coming: Counter[int] = Counter()
        # What each thread runs.
        self._running: dict[int, Step] = {}
        # When the last step ended, if more waited then than a step takes.
        self._busy_since: float | None = None

    def wait(self, texts: int) -> float:
        """How long a new request of so many texts would wait until its last is begun, its own work not counted.

        Requests that are being tokenized come before it, but no more of their texts than it has: the order is fair.
        """
        tokens = self._scheduler.ahead(texts * self.pace.tokens_a_row)
        tokens[0] += round(self._before(texts) * self.pace.tokens_a_row)
        for step in self._running.values():
            tokens[step.stage] += _tokens(step.rows)
        return max(self.pace.seconds(tokens), self._before(max(texts, TOKENIZED)) * self.pace.tokenizing)

    def _before(self, texts: int) -> int:
        """Texts that are being tokenized, of each request as many as the given number at most."""
        return sum(requests * min(size, texts) for size, requests in self._coming.items())

    def admit(self, texts: int) -> float | None:
        """Expects a request of so many texts; or else, if it would wait too long, tells how long, in seconds.

        That its first text is begun in time must be all but certain, and that its last is, likely.
        """
        if (wait := max(self.pace.at_most(self.wait(1)), self.wait(texts))) > self._limit:
            return wait
        self._coming[texts] += 1
        return None

    def withdraw(self, texts: int) -> None:
        """Expects a request no more that was admitted."""
        self._coming[texts] -= 1
        if not self._coming[texts]:
            del self._coming[texts]

    def add(self, job: Job, now: float) -> None:
        """Takes the job of a request that was admitted."""
        self.withdraw(len(job.texts))
        job.arrived, job.begin_by = now, now + self._limit
        job.expected = self.wait(1)
        self.pace.tokenized(len(job.texts), int(job.tokens.sum()))
        self._scheduler.add(job, job.rows(), now)

    def overdue(self, now: float) -> Sequence[Job]:
        """Drops the jobs that have waited too long to be begun, and gives them."""
        late = list(self._scheduler.overdue(now))
        for job in late:
            self._waited(job, now)
            self.drop(job)
        return late

    def _waited(self, job: Job, now: float) -> None:
        """Compares a job's wait with what was expected, if that was near enough to the limit to matter."""
        if job.expected > _NEAR * self._limit:
            self.pace.waited(job.expected, now - job.arrived)

    def drop(self, job: Job) -> None:
        """Does nothing more for a job: nobody waits for it."""
        job.gone = True
        self._scheduler.forget(job)

    def begin(self, now: float, thread: int = 0) -> Step | None:
        """Gives what a thread is to compute next; None if there is nothing."""
        self._running.pop(thread, None)
        mode = self.in_force.look(self._scheduler.oldest(now), self.auditor.found.raised is not None)
        step = self._scheduler.next(now)
        if step is not None and step.stage == 0:
            for row in step.rows:
                if row.job.begun is None:
                    self._waited(row.job, now)
                row.job.begin(row, self.in_force.point, mode, now)
        if step is not None:
            self._running[thread] = step
        return step

    def settle(self, step: Step, computed: Computed, seconds: float, now: float) -> Sequence[Job]:
        """Takes what a step gave and how long it took; gives the jobs that are done."""
        self.costs.learn(step.stage, step.tokens, seconds)
        self._scheduler.stay(step, computed.staying, now)
        ended = [answer.row.job for answer in computed.answers if _answer(answer) and not answer.row.job.gone]
        if not step.audit:
            tokens = _tokens(step.rows)
            self.pace.stayed(step.stage, tokens, _tokens(computed.staying))
            self.pace.ended(step.stage, tokens, None if self._busy_since is None else now - self._busy_since)
            for row in step.rows:
                row.job.computed += seconds / len(step.rows)
            for job in filter(None, map(self.auditor.sample, computed.answers)):
                self._scheduler.add(job, job.rows(), now, audit=True)
        self._busy_since = now if self._scheduler.fills() else None
        return ended

    def look(self, now: float) -> Waiting:
        """Tells what waits."""
        return Waiting(self._scheduler.depth(), self._scheduler.oldest(now), self._scheduler.audits())


def _tokens(rows: Iterable[TextRow]) -> int:
    """Tokens of rows, padding not included."""
    return sum(row.length for row in rows)


def _answer(answer: RowAnswer) -> bool:
    """Notes an answer; tells whether it was its job's last."""
    return answer.row.job.answer(answer.row.position, answer.exit, answer.probabilities, answer.handed_over)
