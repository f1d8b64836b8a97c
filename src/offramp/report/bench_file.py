"""What ``offramp bench --json`` measured, as far as a report shows it."""

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
        data, fingerprint: what was classified.
        mean_tokens: of a text.
        timed_rows: texts handed in at once; ``single_rows`` are those handed in one by one.
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
        DataError: the file is missing, or something else.
        OptionError: the benchmark is of another model.
        ModelFolderError: the model folder is damaged.
    """
    fingerprint, speeds = read_benchmark(path, _speeds, "benchmark", _CURE)
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    found = load(model, **asdict(REFERENCE)).fingerprint
    if fingerprint != found:
        raise OptionError(
            f"the benchmark {path} is of another model ({fingerprint}, {model} is {found}), or of this one before it "
            f"was calibrated anew; {_CURE}"
        )
    return speeds


def _speeds(found: Benchmark) -> tuple[str, BenchSpeeds]:
    """The model's fingerprint, and what is shown."""
    data, environment = found.data, found.environment
    speeds = BenchSpeeds(
        processor=from_json(str, environment["gpu"] or environment["cpu"]),
        data=from_json(str, data["source"]),
        fingerprint=from_json(str, data["fingerprint"]),
        mean_tokens=from_json(float, data["mean_tokens"]),
        timed_rows=from_json(int, data["timed_rows"]),
        single_rows=from_json(int, data["single_rows"]),
        rows=tuple(map(_speed, found.rows)),
    )
    return from_json(str, found.model["fingerprint"]), speeds


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
