"""The server without HTTP: admits requests, tokenizes, hands rows to the threads that compute, and answers."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any

from offramp.engine import Classifier, Predictions
from offramp.engine.cascade import Member
from offramp.engine.predictions import predictions_of
from offramp.serving import refusals
from offramp.serving.audits import Auditor
from offramp.serving.computing import Computer
from offramp.serving.costs import costs_of
from offramp.serving.desk import TOKENIZED, Desk, Waiting
from offramp.serving.jobs import Job
from offramp.serving.metrics import Metrics
from offramp.serving.operating import InForce, NamedRule
from offramp.serving.pace import Pace
from offramp.serving.scheduler import Scheduler, StepLimits
from offramp.serving.settings import Settings
from offramp.serving.shapes import shapes_for
from offramp.serving.threads import ComputeThreads
from offramp.serving.watching import Watcher

logger = logging.getLogger("offramp.serving")

# Shapes to learn from where any is as good as another.
_LENGTHS, _ROWS = (16, 64, 128), (1, 4, 16)


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """What a request asks for.

    Attributes:
        texts: the texts, or the first texts of pairs.
        text_pairs: the second texts.
        point: where the texts leave; None for the operating point in force.
        top_k: labels in each prediction; None for all.
        timeout: seconds in which the answer has to be there.
    """

    texts: Sequence[str]
    text_pairs: Sequence[str] | None
    point: NamedRule | None
    top_k: int | None
    timeout: float


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What a request gets.

    Attributes:
        predictions: one for each text, in order.
        point: where the texts left.
        degraded: some left earlier than they would have without load.
        tokenizing, queued, computed, total: seconds.
    """

    predictions: Predictions
    point: NamedRule
    degraded: bool
    tokenizing: float
    queued: float
    computed: float
    total: float


class Core:
    """Computes in threads of its own; the methods without a word on it are for the event loop's thread.

    Args:
        classifiers: one for each thread that computes; they are copies of one model.
        settings: see there.
        in_force, auditor: as for :class:`Desk`.
        watcher: looks whether texts have changed.
        metrics: what is counted.
        clock: seconds.
    """

    def __init__(
        self,
        classifiers: Sequence[Classifier],
        settings: Settings,
        in_force: InForce,
        auditor: Auditor,
        watcher: Watcher,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        first = classifiers[0]
        self.classifier = first
        self.watcher = watcher
        self.draining = False
        self.texts = 0
        self._settings = settings
        self._clock = clock
        self._computers = [Computer(model.runner.cascade, pairs=model.takes_pairs) for model in classifiers]
        costs = costs_of(len(first.exits), first.token_budget)
        encoders = first.runner.cascade.encoders
        few = any(encoder.stages.length_step > 1 for encoder in encoders)
        self._longest = max(encoder.longest for encoder in encoders)
        self._shapes = shapes_for(few, self._longest, first.token_budget)
        limits = StepLimits(settings.step_ms / 1000, settings.max_wait_ms / 1000)
        scheduler = Scheduler(len(first.exits), self._shapes, costs, limits)
        pace = Pace(costs, limits.seconds, len(classifiers))
        self.desk = Desk(scheduler, in_force, auditor, costs, pace, settings.max_queue_ms / 1000)
        # Guards the desk.
        self._changed = threading.Condition()
        self._threads = ComputeThreads(self._computers, self.desk, self._changed, watcher, metrics, clock)
        self._open: set[asyncio.Future[Job]] = set()
        self._tokenizer = ThreadPoolExecutor(1, "tokenizer")

    @property
    def alive(self) -> bool:
        """Whether the server computes."""
        return self._threads.alive

    def warm_up(self, seconds: float) -> None:
        """Runs batches of shapes to be expected, small ones first: kernels are prepared, and costs of stages learned.

        For the thread that will call :meth:`start`.
        """
        lengths, rows = self._shapes.lengths or _LENGTHS, self._shapes.rows or _ROWS
        budget = self.desk.costs.token_budget
        every = [(count, length) for length in lengths for count in rows if length <= self._longest]
        shapes = sorted((shape for shape in every if prod(shape) <= budget), key=prod)
        for number, computer in enumerate(self._computers):
            until = self._clock() + seconds / len(self._computers)
            for count, length in shapes:
                if self._clock() > until:
                    break
                for _ in computer.warm(count, length):
                    pass
                for stage, (tokens, taken) in enumerate(computer.warm(count, length) if number == 0 else ()):
                    self.desk.costs.learn(stage, tokens, taken)

    def start(self) -> None:
        """Starts computing."""
        self._threads.start()

    def stop(self) -> None:
        """Ends the threads; requests that are still open get a refusal."""
        self._threads.stop()
        self._tokenizer.shutdown(cancel_futures=True)
        for future in self._open:
            if not future.done():
                future.set_exception(refusals.stopping())

    def look(self) -> Waiting:
        """Tells what waits now; for any thread."""
        with self._changed:
            return self.desk.look(self._clock())

    async def classify(self, ask: Ask) -> Answered:
        """Answers a request. Cancelling the task drops the request's work.

        Raises:
            Refusal: the server is overloaded or stopping, the answer would be late, or computing failed.
        """
        began = self._clock()
        if self.draining:
            raise refusals.stopping()
        if not self.alive:
            raise refusals.broken()
        if not ask.texts:
            nothing = self._job(ask, self._first.read([], None), began, _nobody)
            return self._answered(ask, nothing, began)
        ticket = self._admit(len(ask.texts))
        try:
            async with asyncio.timeout(ask.timeout):
                return self._answered(ask, await self._job_done(ask, ticket, began), began)
        except TimeoutError:
            raise refusals.late(ask.timeout) from None
        finally:
            self._drop(ticket)

    def _admit(self, texts: int) -> "_Ticket":
        with self._changed:
            crowded = self.texts + texts > self._settings.max_queue
            wait = self.desk.wait(texts) if crowded else self.desk.admit(texts)
        if wait is not None:
            raise refusals.overloaded(wait)
        self.texts += texts
        ticket = _Ticket(texts, asyncio.get_running_loop().create_future())
        self._open.add(ticket.future)
        return ticket

    async def _job_done(self, ask: Ask, ticket: "_Ticket", began: float) -> Job:
        """Has a request tokenized, in parts, and waits for its job to be done."""
        loop = asyncio.get_running_loop()
        starts = range(0, ticket.texts, TOKENIZED)
        parts = [await loop.run_in_executor(self._tokenizer, self._read, ask, start) for start in starts[:-1]]
        self._tokenizer.submit(self._hand_over, ask, ticket, parts, starts[-1], began, loop)
        return await ticket.future

    def _read(self, ask: Ask, start: int) -> Any:
        """Tokenizes some of the texts; in the tokenizer's thread, where it holds up nobody else."""
        stop = start + TOKENIZED
        return self._first.read(ask.texts[start:stop], None if ask.text_pairs is None else ask.text_pairs[start:stop])

    def _hand_over(
        self,
        ask: Ask,
        ticket: "_Ticket",
        parts: Sequence[Any],
        start: int,
        began: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Tokenizes the last texts of a request and lets its rows wait; in the tokenizer's thread."""

        def done(job: Job | None, error: Exception | None) -> None:
            loop.call_soon_threadsafe(_resolve, ticket.future, job, error)

        if ticket.gone:
            return
        began_last = self._clock()
        try:
            job = self._job(ask, self._first.joined([*parts, self._read(ask, start)]), began, done)
        except Exception as error:
            logger.exception("tokenizing failed")
            done(None, error)
            return
        with self._changed:
            now = self._clock()
            self.desk.pace.tokenized_in(ticket.texts - start, now - began_last)
            if not ticket.gone:
                ticket.job = job
                self.desk.add(job, now)
                self.watcher.expect(job)
                self._changed.notify()

    def _job(self, ask: Ask, read: Any, began: float, done: Callable[[Job, Exception | None], None]) -> Job:
        labels = len(self.classifier.labels)
        return Job(ask.texts, ask.text_pairs, read, labels, ask.point, began + ask.timeout, done)

    @property
    def _first(self) -> Member:
        """What reads texts first."""
        return self.classifier.runner.cascade.members[0]

    def _drop(self, ticket: "_Ticket") -> None:
        """Makes sure that nothing more is done for a request."""
        self.texts -= ticket.texts
        self._open.discard(ticket.future)
        with self._changed:
            ticket.gone = True
            if ticket.job is None:
                self.desk.withdraw(ticket.texts)
            elif ticket.job.open:
                self.desk.drop(ticket.job)

    def _answered(self, ask: Ask, job: Job, began: float) -> Answered:
        now, point = self._clock(), job.point or self.desk.in_force.point
        handed_over = job.handed_over if point.rule.may_hand_over or job.handed_over.any() else None
        return Answered(
            predictions=predictions_of(
                self.classifier.runner.cascade,
                job.probabilities,
                job.exits,
                job.tokens,
                job.truncated,
                ask.top_k,
                handed_over,
            ),
            point=point,
            degraded=job.degraded,
            tokenizing=max(0.0, job.arrived - began),
            queued=0.0 if job.begun is None else job.begun - job.arrived,
            computed=job.computed,
            total=now - began,
        )


@dataclass(slots=True, eq=False)
class _Ticket:
    """What a request holds while it waits.

    Attributes:
        texts: how many it has.
        future: gets its job when that is done.
        job: once its texts are tokenized.
        gone: nobody waits any more.
    """

    texts: int
    future: "asyncio.Future[Job]"
    job: Job | None = None
    gone: bool = False


def _resolve(future: "asyncio.Future[Job]", job: Job | None, error: Exception | None) -> None:
    if future.done():  # the client has left, or the deadline has passed
        return
    if error is None and job is not None:
        future.set_result(job)
    else:
        future.set_exception(error if isinstance(error, refusals.Refusal) else refusals.failed())


def _nobody(job: Job, error: Exception | None) -> None:
    pass
