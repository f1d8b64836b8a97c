"""An earlier benchmark, to compare with: ``offramp bench --check``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offramp.benchmark.result import SCHEMA, Benchmark
from offramp.data.wording import count
from offramp.errors import CheckFailed, DataError, OptionError

# What has to be the same for two benchmarks to be comparable. Versions may differ: that is what one may want to check.
_SAME = {
    "environment": ("cpu", "cores", "gpu"),
    "model": ("fingerprint",),
    "data": ("fingerprint",),
    "options": ("thresholds", "points", "threads", "token_budgets", "seed"),
}
_CURE = "measure a baseline anew with --json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Past:
    """The speed of one contender: texts a second offline, and the median latency in milliseconds."""

    offline: Figure
    single_stream: Figure


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier benchmark found.

    Attributes:
        content: the file's, as far as it says what was measured on what.
        timed_rows, single_rows: texts of the two scenarios; a comparison measures as many.
        rows: by name and threads.
    """

    path: Path
    content: Mapping[str, Any]
    timed_rows: int
    single_rows: int
    rows: Mapping[tuple[str, int], Past]


def read_baseline(path: Path) -> Baseline:
    """Reads what ``offramp bench --json`` wrote.

    Raises:
        DataError: the file is missing, something else, or too rough to compare with.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, this version reads {SCHEMA}")
        doubts = [str(doubt) for doubt in content.get("doubts", ())]
        kept = {part: {key: content[part][key] for key in keys} for part, keys in _SAME.items()}
        rows = {(row["name"], row["threads"]): _past(row) for row in content["rows"]}
        found = Baseline(path, kept, content["data"]["timed_rows"], content["data"]["single_rows"], rows)
    except OSError as error:
        raise DataError(f"cannot read the baseline {path}: {error.strerror or error}; {_CURE}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not what 'offramp bench --json' writes ({error!r:.80}); {_CURE}") from None
    if doubts:
        raise DataError(f"the baseline {path} is too rough to compare with: {'; '.join(doubts)}; {_CURE}")
    return found


def check_comparable(
    baseline: Baseline, now: Mapping[str, Mapping[str, Any]], measurable: set[tuple[str, int]]
) -> None:
    """Makes sure, before anything is measured, that the comparison will be fair.

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
            f"export it again, leave --backend and --precision out, or {_CURE}"
        )


def check(result: Benchmark, baseline: Baseline) -> None:
    """Compares speeds: worse is what lies beyond the quartiles of both.

    Raises:
        CheckFailed: something got slower, and the message names all of it; or the result is too rough to tell.
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
        if speed.high < past.offline.low:
            slower.append(f"{where}: {speed.median:.1f} texts/s, were {past.offline.median:.1f}")
        if latency.low > past.single_stream.high:
            slower.append(f"{where}: {latency.median:.2f} ms a text, were {past.single_stream.median:.2f}")
    if slower:
        raise CheckFailed(f"slower than {baseline.path}: {'; '.join(slower)}")


def _past(row: Mapping[str, Any]) -> Past:
    return Past(
        _figure(row["offline"]["texts_per_second"]),
        _figure(row["single_stream"]["p50_of_rounds"]),
    )


def _figure(content: Mapping[str, Any]) -> Figure:
    return Figure(float(content["median"]), float(content["low"]), float(content["high"]))


def _plain(value: Any) -> Any:
    """The value as JSON gives it back."""
    return json.loads(json.dumps(value))
