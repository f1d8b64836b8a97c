"""All that is missing, in the plan's order; killed at any time, it goes on where it was."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from transformers.utils import logging

from benchmarks.paper.measuring import keep_logits, measure_times, write_record
from benchmarks.paper.place import Place
from benchmarks.paper.plan import CLASSIFIER, JOINT, STANDARD, Run
from benchmarks.paper.preparing import prepare
from benchmarks.paper.training import train
from offramp.files import locked


def run_all(place: Place, runs: list[Run], say: Callable[[str], None]) -> None:
    """Prepares the data, then trains and measures every run that is not done yet.

    Args:
        runs: in order.
        say: is told what is being done.
    """
    with _alone(place):
        for data in dict.fromkeys(run.data for run in runs):
            prepare(place, place.plan.data_sets[data])
        for number, run in enumerate(runs, start=1):
            if not place.is_done(run):
                started = time.monotonic()
                say(f"{number}/{len(runs)} {run.name}")
                _run(place, run)
                say(f"{number}/{len(runs)} {run.name}: {time.monotonic() - started:.0f} s")
            if _can_be_timed(place, run) and not place.times(run.data, run.encoder).is_file():
                _time(place, run, say)


def time_again(place: Place, runs: list[Run], say: Callable[[str], None]) -> None:
    """Times the networks of some runs anew, for when the machine was not quiet the first time."""
    timed = {(run.data, run.encoder): run for run in reversed(runs) if _can_be_timed(place, run)}
    with _alone(place):
        for run in reversed(timed.values()):
            _time(place, run, say)


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    place.work.mkdir(parents=True, exist_ok=True)
    with locked(place.work / "lock"):
        yield


def _can_be_timed(place: Place, run: Run) -> bool:
    """One joint model speaks for its data set and encoder; it takes the standard model, too."""
    return run.method == JOINT and place.is_done(run) and place.is_done(replace(run, method=STANDARD))


def _time(place: Place, run: Run, say: Callable[[str], None]) -> None:
    say(f"timing {run.data} {run.encoder}")
    measure_times(place, run, replace(run, method=STANDARD))


def _run(place: Place, run: Run) -> None:
    if run.targets is not None and not place.is_done(run.classifier):
        _run(place, run.classifier)
    seconds = train(place, run)
    if run.method != CLASSIFIER:
        keep_logits(place, run)
    write_record(place, run, seconds)
