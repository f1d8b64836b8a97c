"""Ordinary answers are looked at for whether the texts have changed: many at once, after they have been given."""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from offramp.drift import TEXTS_HAVE_CHANGED, Alarm, Observed, View
from offramp.engine.watching import Watched
from offramp.serving.computing import RowAnswer
from offramp.serving.jobs import Job

logger = logging.getLogger("offramp.serving")

# So many answers are looked at together: few enough to be soon, and enough to be worth the calls.
TOGETHER = 64


class Watcher:
    """Watches the texts that are answered at the ordinary operating point; for any thread.

    Requests are looked at in the order in which they came, each when all its texts have been answered. In the order of
    the answers texts that leave early would come first, as texts of their own kind, and raise the alarm.

    Args:
        begin: begins to watch; gives None where nothing is known of the calibration texts.
    """

    def __init__(self, begin: Callable[[], Watched | None]) -> None:
        self._begin = begin
        self._changed = threading.Lock()
        # The answers of each request that was expected, as far as they are there.
        self._answers: dict[Job, list[RowAnswer]] = {}
        self._waiting: list[RowAnswer] = []
        self._watched = begin()
        if self._watched is not None:  # what is made at the first look takes longer than a request
            self._watched.view.vocabulary.count([""], None)

    def expect(self, job: Job) -> None:
        """Takes note of a request that came."""
        if self._watched is not None:
            with self._changed:
                self._answers[job] = []

    def take(self, answers: Sequence[RowAnswer]) -> None:
        """Takes answers."""
        if self._watched is None:
            return
        with self._changed:
            for answer in answers:
                if (known := self._answers.get(answer.row.job)) is not None:
                    known.append(answer)
            self._settle()
            if len(self._waiting) >= TOGETHER:
                self._look()

    def alarm(self) -> Alarm | None:
        """What was found so far; None where nothing is known of the calibration texts."""
        with self._changed:
            self._look()
            return None if self._watched is None else self._watched.monitor.alarm

    def reset(self) -> None:
        """Forgets what was found, the alarm included."""
        with self._changed:
            self._answers, self._waiting, self._watched = {}, [], self._begin()

    def _settle(self) -> None:
        """Lets go of the requests that came first, as far as they are answered or given up."""
        while self._answers:
            job, answers = next(iter(self._answers.items()))
            if not job.gone and len(answers) < len(job.texts):
                return
            del self._answers[job]
            if not job.gone:
                in_force = [answer for answer in answers if answer.row.in_force]
                self._waiting += sorted(in_force, key=lambda answer: answer.row.position)

    def _look(self) -> None:
        waiting, self._waiting = self._waiting, []
        if self._watched is None or not waiting:
            return
        monitor = self._watched.monitor
        if monitor.add(_observed(self._watched.view, waiting)):
            logger.warning("alarm: %s: %s", TEXTS_HAVE_CHANGED, monitor.alarm.cause)


def _observed(view: View, answers: Sequence[RowAnswer]) -> Observed:
    exits = np.array([answer.exit for answer in answers], np.int64)

    def passed(_: int, places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.stack([answers[place].passed for place in places.tolist()], axis=1)

    rows_of_jobs = [(answer.row.job, answer.row.position) for answer in answers]
    pairs = [job.text_pairs[place] for job, place in rows_of_jobs if job.text_pairs is not None]
    return view.observed(
        [job.texts[place] for job, place in rows_of_jobs],
        pairs or None,
        exits,
        np.stack([answer.probabilities for answer in answers]),
        view.disagreement_by_exit(exits, passed),
        np.array([job.tokens[place] for job, place in rows_of_jobs], np.int64),
    )
