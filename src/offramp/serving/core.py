"""The server without HTTP: admits requests, tokenises, hands rows to the threads that compute, and answers."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from offramp.engine import Classifier, Predictions
from offramp.model.encoding import Encoded, joined
from offramp.serving import refusals
from offramp.serving.audits import Auditor
from offramp.serving.computing import Computed, Computer
from offramp.serving.costs import costs_of
from offramp.serving.desk import Desk, Waiting
from offramp.serving.jobs import Job
from offramp.serving.metrics import Metrics
from offramp.serving.operating import InForce, Point
from offramp.serving.pace import Pace
from offramp.serving.scheduler import Limits, Scheduler, Step
from offramp.serving.settings import Settings
from offramp.serving.shapes import shapes_for

logger = logging.getLogger("offramp.serving")

# Texts tokenised in one go, so that a small request does not wait for all of a large one.
_CHUNK = 32

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
    point: Point | None
    top_k: int | None
    timeout: float


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What a request gets.

    Attributes:
        predictions: one for each text, in order.
        point: where the texts left.
        degraded: some left earlier than they would have without load.
        tokenising, queued, computed, total: seconds.
    """

    predictions: Predictions
    point: Point
    degraded: bool
    tokenising: float
    queued: float
    computed: float
    total: float


class Core:
    """Computes in threads of its own; the methods without a word on it are for the event loop's thread.

    Args:
        classifiers: one for each thread that computes; they are copies of one model.
        settings: see there.
        in_force, auditor: as for :class:`Desk`.
        metrics: what is counted.
        clock: seconds.
    """

    def __init__(
        self,
        classifiers: Sequence[Classifier],
        settings: Settings,
        in_force: InForce,
        auditor: Auditor,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        first = classifiers[0]
        self.classifier = first
        self.draining = False
        self.texts = 0
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._computers = [Computer(one.steps, one.padding_id, pairs=one.takes_pairs) for one in classifiers]
        costs = costs_of(len(first.exits), first.token_budget)
        self._shapes = shapes_for(first.stages.length_step > 1, first.tokenizer.model_max_length, first.token_budget)
        limits = Limits(settings.step_ms / 1000, settings.max_wait_ms / 1000)
        scheduler = Scheduler(len(first.exits), self._shapes, costs, limits)
        self.desk = Desk(scheduler, in_force, auditor, costs, Pace(len(classifiers)))
        self._stopped = False
        # Guards the desk.
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._open: set[asyncio.Future[Job]] = set()
        self._tokeniser = ThreadPoolExecutor(1, "tokeniser")

    @property
    def alive(self) -> bool:
        """Whether all threads that compute are at work."""
        return bool(self._threads) and all(thread.is_alive() for thread in self._threads)

    def warm_up(self, seconds: float) -> None:
        """Runs batches of shapes to be expected, small ones first: kernels are prepared, and costs of stages learned.

        For the thread that will call :meth:`start`.
        """
        lengths, rows = self._shapes.lengths or _LENGTHS, self._shapes.rows or _ROWS
        longest, budget = self.classifier.tokenizer.model_max_length, self.desk.costs.token_budget
        every = [(count, length) for length in lengths for count in rows if length <= longest]
        shapes = sorted((one for one in every if one[0] * one[1] <= budget), key=lambda one: one[0] * one[1])
        for number, computer in enumerate(self._computers):
            until = self._clock() + seconds / len(self._computers)
            for count, length in shapes:
                if self._clock() > until:
                    break
                for _ in computer.warm(count, length):
                    pass
                for stage, taken in enumerate(computer.warm(count, length) if number == 0 else ()):
                    self.desk.costs.learn(stage, count * length, taken)

    def start(self) -> None:
        """Starts computing."""
        for number, computer in enumerate(self._computers):
            thread = threading.Thread(target=self._work, args=(computer,), name=f"compute-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Ends the threads; requests that are still open get a refusal."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._tokeniser.shutdown(cancel_futures=True)
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
        self._admit(len(ask.texts))
        self.texts += len(ask.texts)
        try:
            async with asyncio.timeout(ask.timeout):
                return await self._answer(ask, began)
        except TimeoutError:
            raise refusals.late(ask.timeout) from None
        finally:
            self.texts -= len(ask.texts)

    def _admit(self, texts: int) -> None:
        if self.draining:
            raise refusals.stopping()
        with self._changed:
            wait = self.desk.wait(texts)
        if wait > self._settings.max_queue_ms / 1000 or self.texts + texts > self._settings.max_queue:
            raise refusals.overloaded(wait)

    async def _answer(self, ask: Ask, began: float) -> Answered:
        if not ask.texts:
            nothing = self._job(ask, self.classifier.encode([]), began, _nobody)
            return self._answered(ask, nothing, began)
        loop = asyncio.get_running_loop()
        ticket = _Ticket(loop.create_future())
        self._open.add(ticket.future)
        parts: list[Encoded] = []
        starts = range(0, len(ask.texts), _CHUNK)
        try:
            for start in starts[:-1]:
                encoded = await loop.run_in_executor(self._tokeniser, self._encode, ask, start)
                parts.append(encoded)
            self._tokeniser.submit(self._hand_over, ask, ticket, parts, starts[-1], began, loop)
            return self._answered(ask, await ticket.future, began)
        finally:
            self._open.discard(ticket.future)
            self._drop(ticket)

    def _encode(self, ask: Ask, start: int) -> Encoded:
        """Tokenises some of the texts; in the tokeniser's thread, where it holds up nobody else."""
        stop = start + _CHUNK
        return self.classifier.encode(
            ask.texts[start:stop], None if ask.text_pairs is None else ask.text_pairs[start:stop]
        )

    def _hand_over(
        self,
        ask: Ask,
        ticket: "_Ticket",
        parts: Sequence[Encoded],
        start: int,
        began: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Tokenises the last texts of a request and lets its rows wait; in the tokeniser's thread."""

        def done(job: Job | None, error: Exception | None) -> None:
            loop.call_soon_threadsafe(_resolve, ticket.future, job, error)

        try:
            job = self._job(ask, joined(*parts, self._encode(ask, start)), began, done)
        except Exception as error:
            logger.exception("tokenising failed")
            done(None, error)
            return
        with self._changed:
            job.arrived = self._clock()
            if not ticket.gone:
                ticket.job = job
                self.desk.add(job, job.arrived)
                self._changed.notify()

    def _job(self, ask: Ask, encoded: Encoded, began: float, done: Callable[[Job, Exception | None], None]) -> Job:
        return Job(encoded, len(self.classifier.labels), ask.point, began + ask.timeout, done)

    def _drop(self, ticket: "_Ticket") -> None:
        """Makes sure that nothing more is done for a request."""
        with self._changed:
            ticket.gone = True
            if ticket.job is not None and ticket.job.open:
                self.desk.drop(ticket.job)

    def _answered(self, ask: Ask, job: Job, began: float) -> Answered:
        now = self._clock()
        return Answered(
            predictions=self.classifier.predictions(job.encoded, job.probabilities, job.exits, ask.top_k),
            point=job.point or self.desk.in_force.point,
            degraded=job.degraded,
            tokenising=max(0.0, job.arrived - began),
            queued=0.0 if job.begun is None else job.begun - job.arrived,
            computed=job.computed,
            total=now - began,
        )

    def _work(self, computer: Computer) -> None:
        """What a thread that computes does until :meth:`stop`."""
        while (step := self._next()) is not None:
            began = self._clock()
            try:
                computed = computer.run(step)
            except Exception as error:
                logger.exception("stage %d failed on %d rows", step.stage, len(step.rows))
                self._fail(step, error)
            else:
                self._settle(step, computed, self._clock() - began)

    def _next(self) -> Step | None:
        """Waits for a step and begins it; None when the server stops."""
        with self._changed:
            while not self._stopped:
                if (step := self.desk.begin(self._clock())) is not None:
                    return step
                self._changed.wait()
        return None

    def _settle(self, step: Step, computed: Computed, seconds: float) -> None:
        with self._changed:
            for job in self.desk.settle(step, computed, seconds, self._clock()):
                job.done(job, None)
            if len(self._threads) > 1:
                self._changed.notify()
        self._metrics.step(step, computed)

    def _fail(self, step: Step, error: Exception) -> None:
        with self._changed:
            for job in {row.job for row in step.rows if not row.job.gone}:
                self.desk.drop(job)
                job.done(job, error)


@dataclass(slots=True, eq=False)
class _Ticket:
    """What a request holds while it waits.

    Attributes:
        future: gets its job when that is done.
        job: once its texts are tokenised.
        gone: nobody waits any more.
    """

    future: "asyncio.Future[Job]"
    job: Job | None = None
    gone: bool = False


def _resolve(future: "asyncio.Future[Job]", job: Job | None, error: Exception | None) -> None:
    if future.done():  # the client has left, or the deadline has passed
        return
    if error is None and job is not None:
        future.set_result(job)
    else:
        future.set_exception(refusals.failed())


def _nobody(job: Job, error: Exception | None) -> None:
    pass
