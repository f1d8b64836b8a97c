"""All that is missing, in the plan's order; killed at any time, it goes on where it was."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

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
    torch.set_num_threads(1)
    place.work.mkdir(parents=True, exist_ok=True)
    with locked(place.work / "lock"):
        for data in dict.fromkeys(run.data for run in runs):
            prepare(place, place.plan.data_sets[data])
        for number, run in enumerate(runs, start=1):
            started = time.monotonic()
            if not place.is_done(run):
                say(f"{number}/{len(runs)} {run.name}")
                _run(place, run)
                say(f"{number}/{len(runs)} {run.name}: {time.monotonic() - started:.0f} s")
            _time(place, run, say)


def _time(place: Place, run: Run, say: Callable[[str], None]) -> None:
    """Once for a data set and an encoder, on the first joint model."""
    standard = replace(run, method=STANDARD)
    if run.method != JOINT or place.times(run.data, run.encoder).is_file() or not place.is_done(standard):
        return
    say(f"timing {run.data} {run.encoder}")
    measure_times(place, run, standard)


def _run(place: Place, run: Run) -> None:
    if run.targets is not None and not place.is_done(run.classifier):
        _run(place, run.classifier)
    seconds = train(place, run)
    if run.method != CLASSIFIER:
        keep_logits(place, run)
    write_record(place, run, seconds)
