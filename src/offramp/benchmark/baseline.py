"""An earlier benchmark, to compare with: ``offramp bench --check``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from offramp.benchmark.result import Benchmark, BenchmarkRow, read_benchmark
from offramp.data.wording import count
from offramp.errors import CheckFailed, DataError, OptionError
from offramp.records import from_json

# What has to be equal for two benchmarks to be comparable. Versions may differ: they may be what the check is about.
_SAME = {
    "environment": ("cpu", "cores", "gpu"),
    "model": ("fingerprint",),
    "data": ("fingerprint",),
    "options": ("thresholds", "points", "threads", "token_budgets", "seed"),
}
_CURE = "measure a new baseline with  offramp bench MODEL --data FILE --json BASELINE"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The result of an earlier benchmark.

    Attributes:
        content: the parts of the file that have to be equal in a comparison.
        timed_rows, single_rows: number of texts in the two scenarios; a comparison measures as many.
        rows: by name and threads.
    """

    path: Path
    content: Mapping[str, Any]
    timed_rows: int
    single_rows: int
    rows: Mapping[tuple[str, int], BenchmarkRow]


def read_baseline(path: Path) -> Baseline:
    """Reads a file that ``offramp bench --json`` wrote.

    Raises:
        DataError: the file is missing, not a benchmark, or too rough to compare with.
    """
    return read_benchmark(path, partial(_baseline, path), "baseline", _CURE)


def check_comparable(
    baseline: Baseline, now: Mapping[str, Mapping[str, Any]], measurable: set[tuple[str, int]]
) -> None:
    """Checks, before anything is measured, that the comparison will be fair.

    Args:
        baseline: the earlier benchmark.
        now: environment, model, data and options of this one.
        measurable: names and threads of everything that will be measured.

    Raises:
        OptionError: machine, model, data or options differ, or something cannot be measured any more.
    """
    for part, keys in _SAME.items():
        for key in keys:
            then, today = baseline.content[part][key], _plain(now[part][key])
            if then != today:
                raise OptionError(
                    f"the baseline {baseline.path} is of another {part} ({key} was {then}, is {today}); "
                    f"use the same, or {_CURE}"
                )
    gone = sorted(name for name, _ in baseline.rows.keys() - measurable)
    if gone:
        raise OptionError(
            f"the baseline {baseline.path} has {gone[0]!r}, which is not measured now; "
            f"export it again, leave `backends` and `precisions` out, or {_CURE}"
        )


def check(result: Benchmark, baseline: Baseline) -> None:
    """Compares speeds; a row is slower if its quartiles and the baseline's do not overlap.

    Raises:
        CheckFailed: rows got slower, which the message lists; or the result is too rough to tell.
    """
    if result.doubts:
        raise CheckFailed(
            f"too rough to compare with {baseline.path}: {'; '.join(result.doubts)}; measure again on a quiet "
            "machine, or for longer"
        )
    slower = []
    for row in result.rows:
        past = baseline.rows.get((row.name, row.threads))
        if past is None:
            continue
        where = f"{row.name} ({count(row.threads, 'thread')})"
        speed, latency = row.offline.texts_per_second, row.single_stream.p50_of_rounds
        past_speed, past_latency = past.offline.texts_per_second, past.single_stream.p50_of_rounds
        if speed.high < past_speed.low:
            slower.append(f"{where}: {speed.median:.1f} texts/s, were {past_speed.median:.1f}")
        if latency.low > past_latency.high:
            slower.append(f"{where}: {latency.median:.2f} ms a text, were {past_latency.median:.2f}")
    if slower:
        raise CheckFailed(f"slower than {baseline.path}: {'; '.join(slower)}")


def _baseline(path: Path, benchmark: Benchmark) -> Baseline:
    if benchmark.doubts:
        raise DataError(f"the baseline {path} is too rough to compare with: {'; '.join(benchmark.doubts)}; {_CURE}")
    parts = benchmark.to_dict()
    content = {part: {key: parts[part][key] for key in keys} for part, keys in _SAME.items()}
    timed, single = (from_json(int, benchmark.data[key]) for key in ("timed_rows", "single_rows"))
    return Baseline(path, content, timed, single, {(row.name, row.threads): row for row in benchmark.rows})


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))
