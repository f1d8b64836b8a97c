"""What a cluster costs: a file scored by the workers of ``offramp predict --ray`` on this machine, and by one process.

python benchmarks/ray_overhead.py MODEL TEXTS --rows 100000 --threshold 0.9 --rounds 5 --json FILE

TEXTS are cut in halves and mixed until there are enough. Both have the same number of processor threads: one process
with two, or two workers with one each; in turn, each with its model loaded.
"""

import argparse
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from stream import write_input

import offramp
from offramp import environment
from offramp.engine import Scorer
from offramp.files import write_json
from offramp.scale import Workers, pool

WORKERS = 2


def seconds(
    classifier: offramp.Classifier, source: Path, output: Path, threshold: float, score: Scorer | None
) -> float:
    """Scores the file once."""
    began = time.perf_counter()
    offramp.predict(classifier, input=str(source), output=str(output), threshold=threshold, keep=["id"], score=score)
    return time.perf_counter() - began


def digest(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threshold", type=float, default=0.9)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    alone = offramp.load(given.model, threads=WORKERS)
    with tempfile.TemporaryDirectory() as folder, pool(given.model, Workers(workers=WORKERS)) as workers:
        source, one, many = Path(folder, "in.jsonl"), Path(folder, "one.jsonl"), Path(folder, "many.jsonl")
        write_input(given.texts, given.text_column, given.rows, source)
        taken = []
        for number in range(given.rounds + 1):  # the first is for warming up
            taken.append(
                (
                    seconds(workers.classifier, source, many, given.threshold, workers.score),
                    seconds(alone, source, one, given.threshold, None),
                )
            )
            same = digest(one) == digest(many)
            print(
                f"round {number}: ray {taken[-1][0]:.2f} s, one process {taken[-1][1]:.2f} s, same bytes: {same}",
                flush=True,
            )
    ray, here = np.array(taken[1:]).T
    low, median, high = np.quantile(ray / here, [0.25, 0.5, 0.75]).tolist()
    found = {
        "model": Path(given.model).name,
        "rows": given.rows,
        "rows_per_second_ray": given.rows / float(np.median(ray)),
        "rows_per_second_one_process": given.rows / float(np.median(here)),
        "time_ray_to_one_process": {"median": median, "low": low, "high": high},
        "same_bytes": same,
    }
    print(json.dumps(found, indent=1))
    if given.json is not None:
        write_json(given.json, {"environment": environment.describe(), **found})


if __name__ == "__main__":
    main()
