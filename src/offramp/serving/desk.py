"""All that the server decides, without threads, HTTP or a clock of its own: what to begin, and what an end means."""

from collections.abc import Sequence
from dataclasses import dataclass

from offramp.serving.audits import Auditor
from offramp.serving.computing import Answer, Computed
from offramp.serving.costs import Costs
from offramp.serving.jobs import Job
from offramp.serving.operating import InForce
from offramp.serving.pace import Pace
from offramp.serving.scheduler import Scheduler, Step


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
        pace: how fast texts are answered; learns from every step.
    """

    def __init__(self, scheduler: Scheduler, in_force: InForce, auditor: Auditor, costs: Costs, pace: Pace) -> None:
        self.in_force = in_force
        self.auditor = auditor
        self.costs = costs
        self._scheduler = scheduler
        self._pace = pace

    def wait(self, texts: int) -> float:
        """How long a new request of so many texts would wait to be begun, in seconds."""
        return self._pace.seconds(self._scheduler.ahead(texts * self._pace.tokens_a_row))

    def add(self, job: Job, now: float) -> None:
        """Takes a job."""
        self._scheduler.add(job, job.rows(), now)

    def drop(self, job: Job) -> None:
        """Does nothing more for a job: nobody waits for it."""
        job.gone = True
        self._scheduler.forget(job)

    def begin(self, now: float) -> Step | None:
        """Gives what to compute next; None if there is nothing."""
        mode = self.in_force.look(self._scheduler.oldest(now), self.auditor.drift.alarm)
        step = self._scheduler.next(now)
        if step is not None and step.stage == 0:
            for row in step.rows:
                row.job.begin(row, self.in_force.point, mode, now)
        return step

    def settle(self, step: Step, computed: Computed, seconds: float, now: float) -> Sequence[Job]:
        """Takes what a step gave and how long it took; gives the jobs that are done."""
        self.costs.learn(step.stage, step.tokens, seconds)
        self._scheduler.stay(step, computed.staying, now)
        ended = [one.row.job for one in computed.answers if _answer(one) and not one.row.job.gone]
        if not step.audit:
            self._pace.add(seconds, len(computed.answers), sum(one.row.length for one in computed.answers))
            for row in step.rows:
                row.job.computed += seconds / len(step.rows)
            for job in filter(None, map(self.auditor.sample, computed.answers)):
                self._scheduler.add(job, job.rows(), now, audit=True)
        return ended

    def look(self, now: float) -> Waiting:
        """Tells what waits."""
        return Waiting(self._scheduler.depth(), self._scheduler.oldest(now), self._scheduler.audits())


def _answer(answer: Answer) -> bool:
    """Notes an answer; tells whether it was its job's last."""
    return answer.row.job.answer(answer.row.position, answer.exit, answer.probabilities)
