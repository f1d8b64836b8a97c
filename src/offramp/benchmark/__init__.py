"""Measured speed compared with the alternatives a user has: the ``bench`` verb.

``benchmark.py`` runs every row once in each engine to judge the answers (``quality.py``) and picks rows to time.
``worker.py`` starts a process for each number of threads, in which ``measuring.py`` runs all contenders
(``contenders.py``, ``running.py``) in turn. ``result.py`` turns the times into rows, and ``baseline.py`` compares two
results.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.benchmark.options import Contenders

if TYPE_CHECKING:
    from offramp.benchmark.baseline import Baseline, check, read_baseline
    from offramp.benchmark.benchmark import SECONDS, bench
    from offramp.benchmark.contenders import Kind
    from offramp.benchmark.result import SCHEMA, Benchmark, BenchmarkRow, Offline, SingleStream, Spread

__all__ = [
    "SCHEMA",
    "SECONDS",
    "Baseline",
    "Benchmark",
    "BenchmarkRow",
    "Contenders",
    "Kind",
    "Offline",
    "SingleStream",
    "Spread",
    "bench",
    "check",
    "read_baseline",
]

_HOMES = {
    "SCHEMA": "result",
    "SECONDS": "benchmark",
    "Baseline": "baseline",
    "Benchmark": "result",
    "Kind": "contenders",
    "Offline": "result",
    "BenchmarkRow": "result",
    "SingleStream": "result",
    "Spread": "result",
    "bench": "benchmark",
    "check": "baseline",
    "read_baseline": "baseline",
}
__getattr__ = lazy(__name__, _HOMES)
