"""The picture: throughput and latency of everything that a benchmark measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offramp.benchmark import Benchmark, Kind, Row, Spread
from offramp.data.wording import count
from offramp.report.pictures import BLUE, GREY, ORANGE, write_picture

# What stands out: early exit, and what it is compared with.
_COLORS = {Kind.EARLY_EXIT: BLUE, Kind.FULL: ORANGE}


def speed_picture(benchmark: Benchmark, path: Path) -> None:
    """Draws bars into an SVG or PNG file: for each number of threads throughput on the left, latency on the right.

    Raises:
        OptionError, MissingExtraError: see :func:`offramp.report.check_picture`.
        StorageError: the file cannot be written.
    """
    write_picture(path, lambda: _draw(benchmark))


def by_speed(rows: Sequence[Row]) -> list[Row]:
    """The slowest first: bars are drawn from the bottom up."""
    return sorted(rows, key=lambda row: row.offline.texts_per_second.median)


def _draw(benchmark: Benchmark) -> Any:
    from matplotlib.figure import Figure

    threads = list(dict.fromkeys(row.threads for row in benchmark.rows))
    groups = [by_speed([row for row in benchmark.rows if row.threads == number]) for number in threads]
    figure = Figure(figsize=(10, 1.2 + 0.22 * len(benchmark.rows)), layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False, height_ratios=[len(rows) for rows in groups])
    for number, rows, (throughput, latency) in zip(threads, groups, panels, strict=True):
        _bars(throughput, rows, [row.offline.texts_per_second for row in rows])
        throughput.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=8)
        throughput.set_xlabel(f"texts a second, all at once\n{count(number, 'thread')}")
        _bars(latency, rows, [row.single_stream.p50_of_rounds for row in rows])
        p90 = [row.single_stream.p90 for row in rows]
        latency.plot(p90, range(len(rows)), "|", color="black", markersize=7, label="p90")
        latency.set_yticks(range(len(rows)), [""] * len(rows))
        latency.set_xlabel(f"milliseconds a text, one by one: median\n{count(number, 'thread')}")
        latency.legend(loc="upper right", frameon=False, fontsize=8)
    data, environment = benchmark.data, benchmark.environment
    figure.suptitle(
        f"{data['timed_rows']:,} texts of {data['mean_tokens']:.0f} tokens; {environment['gpu'] or environment['cpu']}",
        fontsize=9,
        color=GREY,
    )
    return figure


def _bars(axes: Any, rows: Sequence[Row], figures: Sequence[Spread]) -> None:
    middles = [figure.median for figure in figures]
    errors = [[one.median - one.low for one in figures], [one.high - one.median for one in figures]]
    colors = [_COLORS.get(row.kind, GREY) for row in rows]
    axes.barh(range(len(rows)), middles, xerr=errors, color=colors, capsize=2, error_kw={"linewidth": 1})
    axes.grid(alpha=0.25, axis="x")
    axes.margins(y=0.01)


def _label(row: Row) -> str:
    return row.name if row.accuracy is None else f"{row.name} ({row.accuracy:.1%})"
