"""All rivals on one data set: fitted one after the other, then timed in turn."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals_static.classifiers import DISTILLED
from benchmarks.rivals_static.environments import python_of
from benchmarks.rivals_static.rivals import Rival
from benchmarks.rivals_static.rows import DataSet, Rows
from offramp import environment
from offramp.benchmark.worker import thread_settings

REPOSITORY = Path(__file__).parents[2]
ROUNDS = 7
TIMED, SLOW_TIMED = 1_000, 40
"""Test texts that are timed in every round; some of them, where an encoder reads every text."""


def measure(
    data: DataSet,
    train: Rows,
    test: Rows,
    rivals: Sequence[Rival],
    encoder: Path,
    work: Path,
    say: Callable[[str], None],
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """Fits and times rivals on one data set.

    Args:
        encoder: what embeddings and static vectors come from.
        work: for environments and what is made once.
        say: called with messages for people.
        rounds: in which all are timed in turn.

    Returns:
        What goes into the file of the data set.
    """
    labels = len(set(train.labels))
    able = [rival for rival in rivals if rival.most_labels is None or labels <= rival.most_labels]
    results = []
    with ExitStack() as stack:
        processes = []
        for rival in able:
            used = _rows_of(rival, data, train, test)
            process = stack.enter_context(_Process(rival, used, encoder, work, say))
            results.append({"rival": rival.name, **{f"{part}_rows": len(rows) for part, rows in used.items()}})
            results[-1] |= process.answer()
            processes.append(process)
            say(f"{data.title}: {rival.title}, accuracy {results[-1]['accuracy']:.2%}")
        answers = [[process.ask() for process in processes] for _ in range(rounds)]
    for result, speeds in zip(results, zip(*answers, strict=True), strict=True):
        for clock in speeds[0]:
            result[clock] = np.quantile([speed[clock] for speed in speeds], [0.25, 0.5, 0.75]).tolist()
    distilled = work / DISTILLED
    return {
        "data": data.title,
        "labels": labels,
        "environment": environment.describe() | {"threads": 1, "load": os.getloadavg()[0]},
        "rounds": rounds,
        "distilled": json.loads(distilled.read_text(encoding="utf-8")) if distilled.is_file() else None,
        "results": results,
    }


def _rows_of(rival: Rival, data: DataSet, train: Rows, test: Rows) -> dict[str, Rows]:
    """The rows that a rival is fitted to, judged by and timed on; those of a slow one are among the others'."""
    if rival.slow:
        train, test = train.drawn(data.slow_train_rows), test.drawn(data.slow_test_rows)
    if rival.rows_per_label is not None:
        train = train.few(rival.rows_per_label)
    return {"train": train, "test": test, "timed": test.drawn(SLOW_TIMED if rival.slow else TIMED)}


class _Process:
    """A rival's process, on one thread and without a network."""

    def __init__(
        self, rival: Rival, rows: dict[str, Rows], encoder: Path, work: Path, say: Callable[[str], None]
    ) -> None:
        python = python_of(rival.environment, work / "environments", say)
        with tempfile.NamedTemporaryFile("w", suffix=".json", dir=work, encoding="utf-8", delete=False) as file:
            given = {part: (found.texts, found.labels) for part, found in rows.items()}
            json.dump(given | {"timed": rows["timed"].texts}, file)
        self._rows = Path(file.name)
        arguments = [rival.name, file.name, str(encoder.resolve()), str(work.resolve())]
        settings = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | thread_settings(1)
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.rivals_static.worker", *arguments],
            cwd=REPOSITORY,
            env=os.environ | settings | {"OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def answer(self) -> dict[str, Any]:
        """The next line that the process writes."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a rival ended with {self._process.wait()}; what it said is above")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self) -> dict[str, Any]:
        """Lets it run once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._rows.unlink()
