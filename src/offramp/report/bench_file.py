"""The figures from ``offramp bench --json`` that a report shows."""

from dataclasses import asdict, dataclass
from pathlib import Path

from offramp.backends import REFERENCE
from offramp.benchmark import Benchmark, BenchmarkRow, Kind
from offramp.benchmark.result import read_benchmark
from offramp.errors import OptionError
from offramp.records import from_json

_CURE = "run  offramp bench MODEL --data FILE --json BENCH"


@dataclass(frozen=True, slots=True)
class BenchSpeed:
    """One way to run the model.

    Attributes:
        accuracy: on the benchmark's rows; None where they have no labels.
        texts_per_second: all texts at once, median of several rounds; ``low`` and ``high`` are the quartiles.
        p50, p90, p99: milliseconds for one text alone, over ``requests``; p99 only from 1,000 requests on.
    """

    name: str
    kind: Kind
    backend: str
    precision: str
    threads: int
    accuracy: float | None
    texts_per_second: float
    low: float
    high: float
    requests: int
    p50: float
    p90: float
    p99: float | None


@dataclass(frozen=True, slots=True)
class BenchSpeeds:
    """A benchmark.

    Attributes:
        processor: the GPU's name, or the CPU's where there is none.
        data, fingerprint: the texts that were classified.
        mean_tokens: tokens of a text, on average.
        timed_rows: texts passed all at once.
        single_rows: texts passed one by one.
    """

    processor: str
    data: str
    fingerprint: str
    mean_tokens: float
    timed_rows: int
    single_rows: int
    rows: tuple[BenchSpeed, ...]


def read_speeds(path: Path, model: Path) -> BenchSpeeds:
    """Reads a benchmark of a model.

    Raises:
        DataError: the file is missing or not a benchmark.
        OptionError: the benchmark is of another model.
        ModelFolderError: the model folder is damaged.
    """
    fingerprint, speeds = read_benchmark(path, _speeds, "benchmark", _CURE)
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    expected = load(model, **asdict(REFERENCE)).fingerprint
    if fingerprint != expected:
        raise OptionError(
            f"the benchmark {path} is of another model ({fingerprint}; {model} is {expected}), or of this one "
            f"before it was recalibrated; {_CURE}"
        )
    return speeds


def _speeds(benchmark: Benchmark) -> tuple[str, BenchSpeeds]:
    """The model's fingerprint, and the figures that are shown."""
    data, environment = benchmark.data, benchmark.environment
    speeds = BenchSpeeds(
        processor=from_json(str, environment["gpu"] or environment["cpu"]),
        data=from_json(str, data["source"]),
        fingerprint=from_json(str, data["fingerprint"]),
        mean_tokens=from_json(float, data["mean_tokens"]),
        timed_rows=from_json(int, data["timed_rows"]),
        single_rows=from_json(int, data["single_rows"]),
        rows=tuple(map(_speed, benchmark.rows)),
    )
    return from_json(str, benchmark.model["fingerprint"]), speeds


def _speed(row: BenchmarkRow) -> BenchSpeed:
    speed, single = row.offline.texts_per_second, row.single_stream
    return BenchSpeed(
        name=row.name,
        kind=row.kind,
        backend=row.backend,
        precision=row.precision,
        threads=row.threads,
        accuracy=row.accuracy,
        texts_per_second=speed.median,
        low=speed.low,
        high=speed.high,
        requests=single.requests,
        p50=single.p50,
        p90=single.p90,
        p99=single.p99,
    )
