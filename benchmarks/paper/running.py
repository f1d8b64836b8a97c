"""All that is missing, in the plan's order; killed at any time, it goes on where it was."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from transformers.utils import logging

from benchmarks.paper.measuring import keep_logits, measure_times, write_record
from benchmarks.paper.place import Place
from benchmarks.paper.plan import CLASSIFIER, Run
from benchmarks.paper.preparing import prepare_all
from benchmarks.paper.training import train
from benchmarks.paper.words import keep_words, time_words
from offramp.errors import OptionError
from offramp.files import locked


def run_all(place: Place, runs: list[Run], say: Callable[[str], None]) -> None:
    """Prepares the data, then trains every run that is not done yet and keeps what it says of dev and test rows.

    A model of words comes first, for each data set one, in seconds.

    Several processes can share the work: each leaves alone what another is at. A run whose answers are kept but whose
    model is elsewhere is trained again where another starts from it; the answers stay.

    Args:
        runs: in order.
        say: is told what is being done.
    """
    _settle()
    prepare_all(place, runs)
    for data in dict.fromkeys(run.data for run in runs):
        if not place.words(data).is_file():
            say(f"words of {data}")
            keep_words(place, data)
    for number, run in enumerate(runs, start=1):
        for part in () if place.is_done(run) else (*run.needed, run):
            _run(place, part, say, f"{number}/{len(runs)} {part.name}")


def time_all(place: Place, runs: list[Run], say: Callable[[str], None], *, again: bool = False) -> None:
    """Times the networks of some runs, of each data set and encoder one: the machine should have nothing else to do.

    And the models of words of their data sets, by processor time.

    Args:
        runs: those with several exits that are done are considered, the first of them speaks for all.
        say: is told what is being done.
        again: also those that were timed before.
    """
    _settle()
    timed = {(run.data, run.encoder): run for run in reversed(runs) if _can_be_timed(place, run)}
    for run in reversed(timed.values()):
        if again or not place.times(run.data, run.encoder).is_file():
            say(f"timing {run.data} {run.encoder}")
            measure_times(place, run)
    for data in dict.fromkeys(run.data for run in runs):
        if place.words(data).is_file() and (again or not place.words_times(data).is_file()):
            say(f"timing words of {data}")
            time_words(place, data)


def _settle() -> None:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _run(place: Place, run: Run, say: Callable[[str], None], name: str) -> None:
    with _claimed(place.model(run).with_suffix(".lock")) as mine:
        if not mine or place.is_here(run):
            return
        if not all(place.is_here(one) for one in run.needed):
            say(f"{name}: left out, what it needs is not done; another process may be at it")
            return
        say(name)
        started = time.monotonic()
        seconds = train(place, run)
        # What was kept stays: another processor makes a little different model of the same seed, and all figures of a
        # data set are set against the one that was there first.
        if not place.is_done(run):
            if run.method != CLASSIFIER:
                keep_logits(place, run)
            write_record(place, run, seconds)
        say(f"{name}: {time.monotonic() - started:.0f} s")


@contextmanager
def _claimed(lock: Path) -> Iterator[bool]:
    """Whether the lock is this process's now."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock))
            mine = True
        except OptionError:
            mine = False
        yield mine


def _can_be_timed(place: Place, run: Run) -> bool:
    return len(place.plan.exits(run)) > 1 and place.is_here(run)
