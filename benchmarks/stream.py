"""Streams a large file through ``offramp predict``: rows a second, memory over the rows, and the same after a kill.

python -m benchmarks.stream MODEL TEXTS OUTPUT --rows 1000000 --threshold 0.9 --kill-at 0.6

TEXTS is whatever ``offramp predict`` reads; its texts are cut in halves and mixed until there are enough. OUTPUT, a
folder, gets the input, the results, ``stream.json`` and ``stream.svg``.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.lines import Line, lines_panel
from offramp import environment
from offramp.data import Columns, read_rows
from offramp.report.frame import Axis
from offramp.report.pictures import Picture, write_picture

INPUT = "input.jsonl"


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment: seconds since its start, rows done, resident memory in MiB."""

    seconds: float
    rows: int
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its end. ``code`` is negative for the signal that killed it."""

    code: int
    seconds: float
    samples: list[Sample]


def mixed(texts: list[str], rows: int) -> Iterator[dict[str, Any]]:
    """Rows whose text is the first half of one text and the second half of another; always the same ones."""
    randomly = random.Random(0)
    for number in range(rows):
        first, second = (randomly.choice(texts).split() for _ in range(2))
        yield {"id": number, "text": " ".join(first[: len(first) // 2] + second[len(second) // 2 :])}


def write_input(source: str, column: str, rows: int, path: Path) -> None:
    """Writes the rows that are to be classified."""
    texts = [row.text for row in read_rows(source, Columns(text=column), labeled=False)]
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(row)}\n" for row in mixed(texts, rows))


def watched(command: list[str], note: Path, every: float, stop: Callable[[int], bool]) -> Run:
    """Runs a command, looks at it ``every`` so many seconds, and kills it when ``stop`` holds of the rows done."""
    start = time.perf_counter()
    samples = []
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if (rss := resident(process.pid)) is not None:
                samples.append(Sample(round(time.perf_counter() - start, 2), rows_done(note), rss))
                if stop(samples[-1].rows):
                    process.kill()
            time.sleep(every)
    return Run(process.returncode, round(time.perf_counter() - start, 2), samples)


def resident(pid: int) -> float | None:
    """Resident memory of a process in MiB; None when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmRSS:")), None)


def rows_done(note: Path) -> int:
    """Rows done according to the note that an unfinished run keeps; 0 when there is none."""
    try:
        return int(json.loads(note.read_text(encoding="utf-8"))["progress"]["rows"])
    except FileNotFoundError:
        return 0


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def draw(samples: list[Sample]) -> Picture:
    """Memory over rows."""
    memory = Line("resident memory", [(sample.rows, sample.rss_mib) for sample in samples if sample.rows], "early")
    rows, rss = max(sample.rows for sample in samples), max(sample.rss_mib for sample in samples)
    axes = Axis("rows done", 0, max(1, rows)), Axis("resident memory (MiB)", 0, 1.2 * rss)
    return Picture("Memory over rows", f"at most {rss:.0f} MiB", [[lines_panel([memory], axes, "memory")]])


def never(rows: int) -> bool:
    """Lets a run go to its end."""
    return False


def classify(arguments: argparse.Namespace, output: Path, *more: str, stop: Callable[[int], bool] = never) -> Run:
    """Runs ``offramp predict`` on the input in the folder of ``output``."""
    program = [sys.executable, "-m", "offramp", "predict", arguments.model, "--keep", "id", *more]
    files = ["--input", str(output.with_name(INPUT)), "--output", str(output)]
    note = output.with_name(f"{output.name}.unfinished") / "progress.json"
    return watched([*program, *files, "--threshold", str(arguments.threshold)], note, arguments.every, stop)


def unbroken(arguments: argparse.Namespace, output: Path) -> dict[str, Any]:
    """What a run from start to end takes."""
    run = classify(arguments, output)
    if run.code:
        sys.exit(run.code)
    write_picture(output.with_name("stream.svg"), draw(run.samples))
    return {
        "seconds": run.seconds,
        "rows_per_second": round(arguments.rows / run.seconds, 1),
        "peak_rss_mib": max(sample.rss_mib for sample in run.samples),
        "sha256": checksum(output),
        "samples": [asdict(sample) for sample in run.samples],
    }


def killed(arguments: argparse.Namespace, output: Path) -> dict[str, Any]:
    """What a run is like that is killed and resumed."""
    output.unlink(missing_ok=True)
    before = classify(arguments, output, stop=lambda rows: rows >= arguments.kill_at * arguments.rows)
    absent = not output.exists()
    after = classify(arguments, output, "--resume")
    return {
        "code": before.code,
        "rows_done": before.samples[-1].rows,
        "nothing_under_the_final_name": absent,
        "seconds": [before.seconds, after.seconds],
        "sha256": checksum(output),
        "samples": [[asdict(sample) for sample in run.samples] for run in (before, after)],
    }


def main(arguments: argparse.Namespace) -> None:
    """Runs the benchmark."""
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    write_input(arguments.texts, arguments.text_column, arguments.rows, folder / INPUT)
    result = {
        "environment": environment.describe(),
        "rows": arguments.rows,
        "threshold": arguments.threshold,
        "format": arguments.format,
        "unbroken": unbroken(arguments, folder / f"unbroken.{arguments.format}"),
    }
    if arguments.kill_at is not None:
        result["killed"] = killed(arguments, folder / f"killed.{arguments.format}")
        result["same_bytes"] = result["killed"]["sha256"] == result["unbroken"]["sha256"]
    (folder / "stream.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model folder")
    parser.add_argument("texts", help="file, folder or hub id with texts")
    parser.add_argument("output", help="folder for everything that is written")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--threshold", type=float, default=0.9)
    parser.add_argument("--format", default="jsonl", help="csv, tsv, jsonl (also .gz) or parquet")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from one look at the memory to the next")
    parser.add_argument("--kill-at", type=float, help="kill a second run at this share of the rows and resume it")
    return parser.parse_args()


if __name__ == "__main__":
    main(options())
