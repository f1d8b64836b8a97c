"""The picture: throughput and latency of everything that a benchmark measured."""

import math
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from offramp.benchmark import Benchmark, BenchmarkRow, Kind, Spread
from offramp.data.wording import count
from offramp.report import words
from offramp.report.pictures import Key, Panel, Picture, width_of, write_picture
from offramp.report.scale import Scale, decimals, ticks
from offramp.report.svg import element, hint, line, rectangle, text

# Early exit and the baseline it is compared with stand out.
_CLASSES = {Kind.EARLY_EXIT: "early-exit", Kind.FULL: "full-depth"}

# Figures further apart than this factor are drawn on a logarithmic axis.
_WIDE = 50.0

_FIELD, _PITCH, _BAR, _RIGHT = 260.0, 18.0, 12.0, 12.0


def speed_picture(benchmark: Benchmark, path: Path) -> None:
    """Draws bars into an SVG file: for each number of threads, throughput on the left and latency on the right.

    Raises:
        OptionError: see :func:`offramp.report.check_picture`.
        StorageError: the file cannot be written.
    """
    data, machine = benchmark.data, benchmark.environment
    threads = dict.fromkeys(row.threads for row in benchmark.rows)
    groups = [by_speed([row for row in benchmark.rows if row.threads == number]) for number in threads]
    picture = Picture(
        title="Throughput and latency",
        description="; ".join(_description(row) for rows in groups for row in rows),
        rows=[_panels(rows) for rows in groups],
        keys=[_key("early-exit", "early exit"), _key("full-depth", "full depth"), _key("other", "others"), _P90],
        heading=f"{data['timed_rows']:,} texts of {data['mean_tokens']:.0f} tokens; {machine['gpu'] or machine['cpu']}",
        note="Texts a second: all at once. Milliseconds: one text after the other. Whiskers: quartiles of the rounds.",
    )
    write_picture(path, picture)


def by_speed(rows: Sequence[BenchmarkRow]) -> list[BenchmarkRow]:
    """Sorts rows, the fastest first."""
    return sorted(rows, key=lambda row: -row.offline.texts_per_second.median)


def _panels(rows: Sequence[BenchmarkRow]) -> list[Panel]:
    """Throughput, with names, and latency of rows measured with the same number of threads."""
    names = [_name(row) for row in rows]
    left = max(map(width_of, names)) + 6
    named = [text(name, left - 6, _middle(place) + 4, anchor="end") for place, name in enumerate(names)]
    throughput, latency = ([row.offline.texts_per_second for row in rows], [_latency(row) for row in rows])
    p90 = [row.single_stream.p90 for row in rows]
    threads = count(rows[0].threads, "thread")
    return [
        _bars(rows, throughput, left, named, f"Texts a second ({threads})"),
        _bars(rows, latency, 4, (), f"Milliseconds a text, median ({threads})", p90),
    ]


def _bars(
    rows: Sequence[BenchmarkRow],
    figures: Sequence[Spread],
    left: float,
    named: Sequence[Markup],
    title: str,
    marks: Sequence[float] = (),
) -> Panel:
    """One bar per row with its quartiles, and a mark if it has one."""
    bottom = _PITCH * len(rows)
    across = _across([*(spread.low for spread in figures), *(spread.high for spread in figures), *marks], left)
    drawn = [*named, *_grid(across, bottom)]
    for place, (row, figure) in enumerate(zip(rows, figures, strict=True)):
        middle, class_ = _middle(place), _CLASSES.get(row.kind, "other")
        length = across(figure.median) - left
        drawn += [
            rectangle(left, middle - _BAR / 2, length, _BAR, f"bar {class_}", hint(_description(row))),
            line(across(figure.low), middle, across(figure.high), middle, "spread"),
        ]
    drawn += [_p90(across(mark), _middle(place)) for place, mark in enumerate(marks)]
    wholly = f"{title}, log scale" if across.by_ratio else title
    width = max(left + _FIELD + _RIGHT, width_of(wholly))
    return Panel(width, bottom + 20, Markup("").join(drawn), wholly)


def _across(figures: Sequence[float], left: float) -> Scale:
    """From 0; by ratio, and from a power of ten, where bars would otherwise be too short to be seen."""
    low, high, right = min(figures), max(*figures, 1e-9), left + _FIELD
    if low > 0 and high / low > _WIDE:
        return Scale(10.0 ** math.floor(math.log10(low)), 1.2 * high, left, right, by_ratio=True)
    return Scale(0, 1.04 * high, left, right)


def _grid(across: Scale, bottom: float) -> list[Markup]:
    if across.by_ratio:
        powers = range(round(math.log10(across.low)), math.floor(math.log10(across.high)) + 1)
        values = [10.0**power for power in powers]
    else:
        values = ticks(across.low, across.high)
    digits = decimals(values)
    return [
        line(across(value), 0, across(value), bottom, "grid")
        + text(
            f"{value:,g}" if across.by_ratio else f"{value:,.{digits}f}",
            across(value),
            bottom + 16,
            anchor="middle",
            class_="tick",
        )
        for value in values
    ]


def _middle(place: int) -> float:
    return _PITCH * (place + 0.5)


def _p90(x: float, y: float) -> Markup:
    return line(x, y - _BAR / 2, x, y + _BAR / 2, "spread")


def _key(class_: str, meaning: str) -> Key:
    return Key(meaning, rectangle(-6, -6, 12, 12, f"bar {class_}"))


_P90 = Key("90th percentile", element("g", _p90(0, 0)))


def _latency(row: BenchmarkRow) -> Spread:
    return row.single_stream.p50_of_rounds


def _name(row: BenchmarkRow) -> str:
    return row.name if row.accuracy is None else f"{row.name} ({row.accuracy:.1%})"


def _description(row: BenchmarkRow) -> str:
    speed = words.rate(row.offline.texts_per_second.median)
    return f"{_name(row)}: {speed} texts a second, {_latency(row).median:.2f} ms a text"
