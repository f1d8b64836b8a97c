"""The result of a benchmark: the content of ``offramp bench --json``."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from offramp.backends import REFERENCE, Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.benchmark.measuring import Timing
from offramp.benchmark.quality import Quality
from offramp.evaluation import Ratio, ratio
from offramp.records import read_result

SCHEMA = 2

T = TypeVar("T")

# With fewer requests, the slowest hundredth is just a few outliers.
LEAST_FOR_P99 = 1000

_PIPELINE = Contender(Kind.PIPELINE, REFERENCE)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, their quartiles, and the rounds themselves."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """Texts a second with a token budget, from the better of two runs."""

    token_budget: int
    texts_per_second: float


@dataclass(frozen=True, slots=True)
class Offline:
    """All texts at once.

    Attributes:
        tokens_per_second: without padding.
        token_budget: the best of ``tried``; None for the pipeline.
        busy_cores: processor time / wall-clock.
        over_pipeline, over_full: times faster than the pipeline, and than full depth in the same engine, by rounds.
        efficiency: measured / highest possible speed; only for early exit.
    """

    texts_per_second: Spread
    tokens_per_second: float
    token_budget: int | None
    tried: tuple[Budget, ...]
    busy_cores: float
    over_pipeline: Ratio
    over_full: Ratio
    efficiency: float | None


@dataclass(frozen=True, slots=True)
class SingleStream:
    """One text after the other; times in milliseconds.

    Attributes:
        requests: number of requests behind the percentiles: every text once per round.
        p99: None below 1,000 requests.
        p50_of_rounds: the median latency of each round.
        over_pipeline, over_full: as for :class:`Offline`, by the time for all texts.
        efficiency: measured / highest possible speed; only for early exit.
    """

    requests: int
    p50: float
    p90: float
    p99: float | None
    p50_of_rounds: Spread
    over_pipeline: Ratio
    over_full: Ratio
    efficiency: float | None


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One contender's speed and quality with one number of threads.

    Attributes:
        end: name of the exit that everything ends after, in a truncated network and where something is alone.
        threshold, at: of early exit: a threshold of confidence, or the name of an operating point.
        accuracy: on all rows; None if they have no labels.
        agreement: share of all rows that are answered as by PyTorch in fp32 when used in the same way.
    """

    name: str
    kind: Kind
    backend: str
    precision: str
    end: str | None
    threshold: float | None
    at: str | None
    threads: int
    accuracy: float | None
    agreement: float
    offline: Offline
    single_stream: SingleStream

    @property
    def engine(self) -> Engine:
        """The backend and precision."""
        return Engine(self.backend, self.precision)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Everything ``offramp bench --json`` writes.

    Attributes:
        doubts: why the figures are too rough to build on, see :func:`offramp.benchmark.doubts.doubts_of`.
    """

    schema: int
    environment: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    options: dict[str, Any]
    rows: tuple[BenchmarkRow, ...]
    doubts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)


def read_benchmark(path: Path, take: Callable[[Benchmark], T], role: str, cure: str) -> T:
    """Reads a file that ``offramp bench --json`` wrote.

    Args:
        take: picks what is needed from the benchmark; a ``KeyError`` that it raises is reported as damage.
        role: what messages call the file.
        cure: what to do about a file that cannot be used.

    Raises:
        DataError: the file is missing or not a benchmark.
    """
    return read_result(path, Benchmark, SCHEMA, take, role, "bench", cure)


def rows_of(
    timings: Mapping[Contender, Timing], qualities: Mapping[Contender, Quality], threads: int, tokens: NDArray[np.int64]
) -> list[BenchmarkRow]:
    """Combines the timings and qualities of all contenders; ``tokens`` are those of each offline text, (texts,)."""
    return [
        BenchmarkRow(
            name=contender.name,
            kind=contender.kind,
            **asdict(contender.engine),
            end=contender.end,
            threshold=contender.rule.threshold if contender.rule is not None and contender.at is None else None,
            at=contender.at,
            threads=threads,
            accuracy=qualities[contender].accuracy,
            agreement=qualities[contender].agreement,
            offline=_offline(contender, timings, tokens),
            single_stream=_single_stream(contender, timings),
        )
        for contender in timings
    ]


def spread(values: NDArray[np.float64]) -> Spread:
    """Summarizes the figures of several rounds, (rounds,)."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return Spread(float(median), float(low), float(high), tuple(values.tolist()))


def _offline(contender: Contender, timings: Mapping[Contender, Timing], tokens: NDArray[np.int64]) -> Offline:
    timing, texts = timings[contender], len(tokens)
    seconds = {each: np.array(timing.offline) for each, timing in timings.items()}
    over_full = ratio(seconds[_full(contender)], seconds[contender])
    speed = spread(texts / seconds[contender])
    return Offline(
        texts_per_second=speed,
        tokens_per_second=speed.median * float(tokens.mean()),
        token_budget=timing.token_budget,
        tried=tuple(Budget(trial.token_budget, texts / trial.seconds) for trial in timing.tried),
        busy_cores=timing.busy_cores,
        over_pipeline=ratio(seconds[_PIPELINE], seconds[contender]),
        over_full=over_full,
        efficiency=_efficiency(over_full, seconds[_full(contender)], timing.offline_bound),
    )


def _single_stream(contender: Contender, timings: Mapping[Contender, Timing]) -> SingleStream:
    timing = timings[contender]
    latencies = 1000 * np.array(timing.single)
    p50, p90, p99 = np.quantile(latencies, [0.5, 0.9, 0.99]).tolist()
    seconds = {each: np.array(timing.single).sum(axis=1) for each, timing in timings.items()}
    over_full = ratio(seconds[_full(contender)], seconds[contender])
    return SingleStream(
        requests=latencies.size,
        p50=p50,
        p90=p90,
        p99=p99 if latencies.size >= LEAST_FOR_P99 else None,
        p50_of_rounds=spread(np.median(latencies, axis=1)),
        over_pipeline=ratio(seconds[_PIPELINE], seconds[contender]),
        over_full=over_full,
        efficiency=_efficiency(over_full, seconds[_full(contender)], timing.single_bound),
    )


def _full(contender: Contender) -> Contender:
    """The contender's baseline: full depth in the same engine."""
    return Contender(Kind.FULL, contender.engine)


def _efficiency(over_full: Ratio, full: NDArray[np.float64], bound: float | None) -> float | None:
    return None if bound is None else over_full.median / (float(np.median(full)) / bound)
