"""What a cluster costs: a file scored by the workers of ``offramp predict --ray`` on this machine, and by one process.

python -m benchmarks.ray_overhead MODEL TEXTS --rows 100000 --threshold 0.9 --rounds 5 --json FILE

TEXTS are cut in halves and mixed until there are enough. Both have the same number of processor threads: one process
with two, or two workers with one each; in turn, each with its model loaded.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

import offramp
from benchmarks.stream import checksum, write_input
from offramp import environment
from offramp.evaluation import interleave, ratio
from offramp.files import write_json
from offramp.scale import Workers, pool

WORKERS = 2


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
        predict = partial(offramp.predict, input=str(source), threshold=given.threshold, keep=["id"])
        seconds = interleave(
            {
                "ray": partial(predict, workers.classifier, output=str(many), score=workers.score),
                "one process": partial(predict, alone, output=str(one)),
            },
            given.rounds,
        )
        same = checksum(one) == checksum(many)
    found = {
        "model": Path(given.model).name,
        "rows": given.rows,
        "rows_per_second_ray": given.rows / float(np.median(seconds["ray"])),
        "rows_per_second_one_process": given.rows / float(np.median(seconds["one process"])),
        "time_ray_to_one_process": asdict(ratio(seconds["ray"], seconds["one process"])),
        "same_bytes": same,
    }
    print(json.dumps(found, indent=1))
    if given.json is not None:
        write_json(given.json, {"environment": environment.describe(), **found})


if __name__ == "__main__":
    main()
