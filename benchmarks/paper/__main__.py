"""Reproduces the paper on its five data sets, in pieces, on one processor thread.

    python -m benchmarks.paper STEP ... [--data FOLDER] [--work WORK] [--minilm PATH] [--mpnet PATH] [--only WORD ...]
    [--again]

- ``run`` fits models of words and trains all whose answers are missing, in order. It can be killed at any time and goes
  on where it was; several processes may run side by side.
- ``time`` times the networks that were not timed yet, with ``--again`` all; nothing else should be at work then.
- ``analyse`` makes figures of the answers and times in ``--results``, which ``run`` and ``time`` keep there: arithmetic
  alone, no model is needed.
- ``write`` makes of these ``reproduction.md`` and its pictures in ``--docs``; needs nothing else.
- ``list`` says which runs are done.
- ``smoke`` goes through all steps in small: random encoders, made-up texts, a folder of its own.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.paper.place import Place
from benchmarks.paper.plan import PLAN, Run

_HERE = Path(__file__).parents[1]
STEPS = ("run", "time", "analyse", "write", "list", "smoke")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="+", choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--data", type=Path, help="folder of NAME/{train,dev,test}.jsonl.gz; by default the hub")
    parser.add_argument("--work", type=Path, default=Path("reproduction"), help="working folder, some gigabytes")
    parser.add_argument("--minilm", default="sentence-transformers/all-MiniLM-L6-v2", help="folder or hub id")
    parser.add_argument("--mpnet", default="microsoft/mpnet-base", help="folder or hub id")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="runs with all these in their names")
    parser.add_argument("--again", action="store_true", help="with time: also what was timed before")
    parser.add_argument(
        "--results",
        type=Path,
        default=_HERE / "results" / "paper",
        help="what models answer, times, and the figures made of them: small",
    )
    parser.add_argument("--training", type=Path, default=_HERE / "results" / "training", help="of training_time.py")
    parser.add_argument("--docs", type=Path, default=_HERE.parent / "docs", help="folder of the page")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Goes through the steps asked for."""
    options = _options(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    encoders = {"minilm": options.minilm, "mpnet": options.mpnet}
    place = Place(PLAN, options.work, options.results, options.data, encoders)
    runs = [run for run in PLAN.runs() if all(word in run.name for word in options.only)]
    if not runs:
        raise SystemExit(f"no run has {' and '.join(options.only)} in its name; `list` shows all names")
    for step in options.steps:
        _go(step, place, runs, options)


def _go(step: str, place: Place, runs: list[Run], options: argparse.Namespace) -> None:
    # What a step needs takes seconds to import.
    if step == "run":
        from benchmarks.paper.running import run_all

        run_all(place, runs, _say)
    elif step == "time":
        from benchmarks.paper.running import time_all

        time_all(place, runs, _say, again=options.again)
    elif step == "analyse":
        from benchmarks.paper.analysis import analyse
        from benchmarks.paper.document import write_results
        from benchmarks.paper.preparing import prepare_all
        from benchmarks.paper.ways import Models

        prepare_all(place, runs)
        for models in Models.of(place, runs):
            if models.are_enough:
                write_results(analyse(models), place.results)
            else:
                _say(f"{models.name}: left out, there are no times or not enough answers for these rows and weights")
    elif step == "write":
        from benchmarks.paper.document import read_results, read_steps, write_document

        plan, steps = place.plan, read_steps(place.plan, options.training)
        write_document(plan, read_results(plan, place.results), steps, options.docs)
    elif step == "smoke":
        from benchmarks.paper.smoke import small_plan, smoke

        smoke(options.work, small_plan(), _say)
    else:
        for run in runs:
            _say(f"{'done   ' if place.is_done(run) else 'missing'} {run.name}")


def _say(message: str) -> None:
    print(message, flush=True)


if __name__ == "__main__":
    main()
