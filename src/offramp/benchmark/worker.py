"""A separate process for each number of threads.

Libraries often fix their number of threads once per process: the tokenizer's pool, OpenMP, PyTorch. In a fresh process
all of them get the same number, and with one thread no contender uses a second core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import IO

from offramp.benchmark.measuring import Task, Timing, measure
from offramp.data.wording import count
from offramp.errors import OfframpError
from offramp.progress import OnProgress
from offramp.records import from_json, to_json

# Seconds between two progress messages.
_PAUSE = 0.5


def measure_apart(task: Task, on_progress: OnProgress) -> list[Timing]:
    """Runs :func:`offramp.benchmark.measuring.measure` in a process whose libraries all use ``task.threads`` threads.

    Raises:
        OfframpError: the process ended early, perhaps for lack of memory.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "offramp.benchmark.worker"],
            env=os.environ | thread_settings(task.threads) | {"TRANSFORMERS_VERBOSITY": "error"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            encoding="utf-8",
        )
        with process:
            try:
                timings = _converse(process, task, on_progress)
            except BaseException:
                process.kill()
                raise
        if process.returncode or timings is None:
            complaints.seek(0)
            last = (complaints.read().strip().splitlines() or ["it said nothing"])[-1]
            raise OfframpError(
                f"the process that measures with {count(task.threads, 'thread')} ended with code {process.returncode} "
                f"({last}); if it ran out of memory, measure fewer configurations or on a larger machine"
            )
    return timings


def thread_settings(threads: int) -> dict[str, str]:
    """Environment variables that set the number of threads of OpenMP, MKL (PyTorch) and Rayon (tokenizers)."""
    number = str(threads)
    return {
        "OMP_NUM_THREADS": number,
        "MKL_NUM_THREADS": number,
        "RAYON_NUM_THREADS": number,
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }


def _converse(process: subprocess.Popen[str], task: Task, on_progress: OnProgress) -> list[Timing] | None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as stdin:
            json.dump(to_json(task), stdin)
    except BrokenPipeError:
        return None
    for line in process.stdout:
        message = json.loads(line)
        if isinstance(message, list):
            return from_json(list[Timing], message)
        on_progress(message["what"], message["done"], message["total"])
    return None


def _work(stdin: IO[str], stdout: IO[str]) -> None:
    """Reads a task; writes progress as lines with an object, and finally a line with a list of timings."""
    task = from_json(Task, json.load(stdin))
    last_message = time.monotonic()

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal last_message
        if time.monotonic() - last_message > _PAUSE:
            print(json.dumps({"what": what, "done": done, "total": total}), file=stdout, flush=True)
            last_message = time.monotonic()

    timings = measure(task, tell)
    print(json.dumps(to_json(timings)), file=stdout, flush=True)


if __name__ == "__main__":
    # Keeps the output of libraries from mixing with the messages.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(0, encoding="utf-8") as orders:
        _work(orders, messages)
