"""A process of its own for each number of threads.

How many threads a library uses is often settled once in a process: the tokenizer's pool, OpenMP's, PyTorch's. In a
fresh process all of them get the same number, and with one thread no contender uses a second core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from offramp.backends import Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.benchmark.measuring import Task, Timing, Tried, measure
from offramp.errors import OfframpError
from offramp.evaluation import Request
from offramp.policy import rule_from_dict, rule_to_dict
from offramp.progress import OnProgress

# Seconds between two messages on how far the work is.
_PAUSE = 0.5


def measure_apart(task: Task, on_progress: OnProgress) -> list[Timing]:
    """Runs :func:`offramp.benchmark.measuring.measure` in a process whose libraries all use ``task.threads`` threads.

    Raises:
        OfframpError: the process ended early, perhaps for want of memory.
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
                f"the process that measures with {task.threads} threads ended with code {process.returncode} ({last}); "
                "if it ran out of memory, measure fewer configurations or on a larger machine"
            )
    return timings


def thread_settings(threads: int) -> dict[str, str]:
    """Environment variables for a number of threads: of OpenMP and MKL under PyTorch, and Rayon under tokenizers."""
    number = str(threads)
    return {
        "OMP_NUM_THREADS": number,
        "MKL_NUM_THREADS": number,
        "RAYON_NUM_THREADS": number,
        "TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false",
    }


def task_to_dict(task: Task) -> dict[str, Any]:
    """Gives a task as plain lists, dicts and numbers."""
    rules = [None if one.rule is None else rule_to_dict(one.rule) for one in task.contenders]
    contenders = [asdict(one) | {"rule": rule} for one, rule in zip(task.contenders, rules, strict=True)]
    return asdict(task) | {"contenders": contenders}


def task_of(content: Mapping[str, Any]) -> Task:
    """Reads what :func:`task_to_dict` made of a task."""
    return Task(
        model=content["model"],
        contenders=tuple(_contender(one) for one in content["contenders"]),
        threads=content["threads"],
        token_budgets=tuple(content["token_budgets"]),
        offline=Request(**content["offline"]),
        single=Request(**content["single"]),
        seconds=content["seconds"],
    )


def _contender(content: Mapping[str, Any]) -> Contender:
    rule = None if content["rule"] is None else rule_from_dict(content["rule"])
    return Contender(Kind(content["kind"]), Engine(**content["engine"]), content["layers"], rule, content["at"])


def timing_of(content: Mapping[str, Any]) -> Timing:
    """Reads what ``asdict`` made of a timing."""
    return Timing(
        token_budget=content["token_budget"],
        tried=tuple(Tried(**one) for one in content["tried"]),
        offline=tuple(content["offline"]),
        busy_cores=content["busy_cores"],
        single=tuple(map(tuple, content["single"])),
        offline_bound=content["offline_bound"],
        single_bound=content["single_bound"],
    )


def _converse(process: subprocess.Popen[str], task: Task, on_progress: OnProgress) -> list[Timing] | None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with process.stdin as stdin:
            json.dump(task_to_dict(task), stdin)
    except BrokenPipeError:
        return None
    for line in process.stdout:
        message = json.loads(line)
        if isinstance(message, list):
            return [timing_of(content) for content in message]
        on_progress(message["what"], message["done"], message["total"])
    return None


def _work(stdin: IO[str], stdout: IO[str]) -> None:
    """Reads a task; writes a line with an object now and then, and in the end one with a list of timings."""
    task = task_of(json.load(stdin))
    told = time.monotonic()

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told > _PAUSE:
            print(json.dumps({"what": what, "done": done, "total": total}), file=stdout, flush=True)
            told = time.monotonic()

    timings = measure(task, tell)
    print(json.dumps([asdict(timing) for timing in timings]), file=stdout, flush=True)


if __name__ == "__main__":
    # Whatever libraries print must not come between the messages.
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with open(0, encoding="utf-8") as orders:
        _work(orders, messages)
