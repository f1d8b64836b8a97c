"""The threads that compute: each runs steps on a network of its own, and finds out whose fault a failure is."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from offramp.serving import refusals
from offramp.serving.computing import Computed, Computer
from offramp.serving.desk import Desk
from offramp.serving.memory import Memory
from offramp.serving.metrics import Metrics
from offramp.serving.scheduler import Step
from offramp.serving.watching import Watcher

logger = logging.getLogger("offramp.serving")

# Seconds until a network that failed is tried again.
_AGAIN = 1.0
# Seconds between two looks at the memory.
_LOOK = 10.0


class ComputeThreads:
    """Threads that compute until they are stopped.

    A step fails because of one of its texts, or because of the network: rows that mean nothing tell which. Where they
    can be computed, the step's rows are run again in halves, and the halves of those that fail, until only the texts
    are left that cannot be computed; their requests get an error and nobody else's. The state that rows wait with is
    not changed by running them, so they can be run again at any stage. Where even rows that mean nothing fail, the
    step's requests all get an error, and the network takes no more steps until those rows can be computed.

    Args:
        computers: one for each thread.
        desk: gives steps, and takes what was computed.
        changed: guards the desk, and is notified when there may be something to compute.
        watcher: is shown the answers, once they have been given.
        metrics: what is counted.
        clock: seconds.
    """

    def __init__(
        self,
        computers: Sequence[Computer],
        desk: Desk,
        changed: threading.Condition,
        watcher: Watcher,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._computers = computers
        self._desk = desk
        self._changed = changed
        self._watcher = watcher
        self._metrics = metrics
        self._clock = clock
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def alive(self) -> bool:
        """Whether all threads are at work, and one of them at least on a network that can be run."""
        running = bool(self._threads) and all(thread.is_alive() for thread in self._threads)
        return running and any(computer.sound for computer in self._computers)

    def start(self) -> None:
        """Starts computing."""
        for number, computer in enumerate(self._computers):
            thread = threading.Thread(target=self._work, args=(number, computer), name=f"compute-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        threading.Thread(target=self._give_back, name="memory", daemon=True).start()

    def stop(self) -> None:
        """Ends the threads; what waits stays."""
        with self._changed:
            self._stopped.set()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _give_back(self) -> None:
        memory = Memory()
        while not self._stopped.wait(_LOOK):
            memory.give_back()

    def _work(self, number: int, computer: Computer) -> None:
        while not self._stopped.is_set():
            if not computer.sound:
                self._try_again(computer)
            elif (step := self._next(number)) is not None:
                self._run(computer, step)

    def _next(self, number: int) -> Step | None:
        """Waits for a step and begins it; None when the server stops."""
        with self._changed:
            while not self._stopped.is_set():
                now = self._clock()
                for job in self._desk.overdue(now):
                    job.done(job, refusals.overloaded(now - job.arrived))
                if (step := self._desk.begin(now, number)) is not None:
                    return step
                self._changed.wait()
        return None

    def _try_again(self, computer: Computer) -> None:
        if not self._stopped.wait(_AGAIN) and computer.check() is None:
            logger.info("the network can be run again")

    def _run(self, computer: Computer, step: Step) -> None:
        parts = [step]
        while parts:
            part = parts.pop()
            began = self._clock()
            try:
                computed = computer.run(part)
            except Exception as error:
                parts += self._apart(computer, part, error)
            else:
                self._settle(part, computed, self._clock() - began)

    def _apart(self, computer: Computer, step: Step, error: Exception) -> list[Step]:
        """The halves of a step that failed, without rows nobody waits for; none if its requests got the error."""
        rows = [row for row in step.rows if not row.job.gone]
        if computer.check() is not None:
            logger.error("the network cannot be run; stage %d failed on %d rows", step.stage, len(rows), exc_info=error)
        elif len(step.rows) > 1:  # whose fault it was may be known, and gone, already
            middle = (len(rows) + 1) // 2
            return [replace(step, rows=half) for half in (rows[middle:], rows[:middle]) if half]
        elif rows:
            logger.error("stage %d failed on a text of %d tokens", step.stage, rows[0].length, exc_info=error)
        with self._changed:
            for job in {row.job for row in rows}:
                self._desk.drop(job)
                job.done(job, error)
        return []

    def _settle(self, step: Step, computed: Computed, seconds: float) -> None:
        with self._changed:
            for job in self._desk.settle(step, computed, seconds, self._clock()):
                job.done(job, None)
            if len(self._threads) > 1:
                self._changed.notify()
        self._metrics.step(step, computed)
        if not step.audit:
            self._watcher.take(computed.answers)
