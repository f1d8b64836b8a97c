"""A rival in a process and an environment of its own: fits, tells how good it is, then classifies when it is told to.

python -m benchmarks.rivals_static.worker RIVAL ROWS ENCODER WORK

Only the standard library and what the rival itself needs is imported here. Each line that comes in asks for one run
over the texts to be timed; each answer is a line of JSON.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.rivals_static import classifiers

# A run repeats until it has lasted as long: fast rivals would be lost in the clock's noise.
LEAST_SECONDS = 0.25


def main(name: str, rows: Path, encoder: Path, work: Path) -> None:
    """Talks over standard input and output; what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        given: dict[str, Any] = json.loads(rows.read_text(encoding="utf-8"))
        if name in classifiers.BEFORE:
            classifiers.BEFORE[name](encoder, work)
        wall, process = time.perf_counter(), time.process_time()
        texts, labels = given["train"]
        fitted = getattr(classifiers, name)(texts, labels, encoder, work)
        fit = {"fit_seconds": time.perf_counter() - wall, "fit_cpu_seconds": time.process_time() - process}
        texts, labels = given["test"]
        right = sum(str(found) == label for found, label in zip(fitted.predict(texts), labels, strict=True))
        about = {
            "accuracy": right / len(labels),
            "bytes": fitted.size,
            "packages": {package: version(package) for package in fitted.packages},
        }
        print(json.dumps(fit | about), file=answers, flush=True)
        for _ in sys.stdin:
            print(json.dumps(timed(fitted, given["timed"])), file=answers, flush=True)


def timed(fitted: classifiers.Fitted, texts: list[str]) -> dict[str, float]:
    """Texts a second of this run, by the clock on the wall and by that of the process, from texts to labels."""
    runs, wall, process = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < LEAST_SECONDS:
        fitted.predict(texts)
        runs += 1
    texts_run = runs * len(texts)
    return {
        "texts_per_second": texts_run / (time.perf_counter() - wall),
        "texts_per_cpu_second": texts_run / (time.process_time() - process),
    }


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:5]))
