"""Rows of a benchmark that nobody has run."""

from offramp.benchmark import BenchmarkRow, Kind, Offline, SingleStream, Spread
from offramp.evaluation import Ratio

ONE = Ratio(1.0, 1.0, 1.0)


def benchmark_row(
    name: str,
    speed: Spread,
    latency: Spread,
    *,
    kind: Kind = Kind.FULL,
    threads: int = 1,
    accuracy: float | None = 0.9,
    p90: float = 3.0,
) -> BenchmarkRow:
    """A row of PyTorch in fp32, as fast as full depth."""
    return BenchmarkRow(
        name=name,
        kind=kind,
        backend="torch",
        precision="fp32",
        end=None,
        threshold=None,
        at=None,
        threads=threads,
        accuracy=accuracy,
        agreement=1.0,
        offline=Offline(speed, 1.0, 64, (), 1.0, ONE, ONE, None),
        single_stream=SingleStream(50, latency.median, p90, None, latency, ONE, ONE, None),
    )
