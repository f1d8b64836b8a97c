from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmark_rows import benchmark_row
from offramp.benchmark import Benchmark, Kind, Spread
from offramp.report import speed_picture
from offramp.report.speed import by_speed


def row(name, kind, speed, threads=1):
    return benchmark_row(
        name, Spread(speed, 0.9 * speed, 1.1 * speed, ()), Spread(2.0, 1.9, 2.2, ()), kind=kind, threads=threads
    )


BENCHMARK = Benchmark(
    schema=1,
    environment={"cpu": "A <fast> & cheap $CPU_1$", "gpu": None},
    model={},
    data={"timed_rows": 1000, "mean_tokens": 20.0},
    options={},
    rows=(
        row("full", Kind.FULL, 10.0),
        row("early", Kind.EARLY_EXIT, 30.0),
        row("cut", Kind.TRUNCATED, 20.0),
        row("full", Kind.FULL, 15.0, threads=2),
    ),
)


def test_the_fastest_comes_last():
    assert [one.name for one in by_speed(BENCHMARK.rows[:3])] == ["full", "cut", "early"]


def test_an_svg_is_well_formed_and_the_same_every_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        speed_picture(BENCHMARK, tmp_path / name)
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("accuracy", [0.9, None])
def test_a_png_is_one(tmp_path, accuracy):
    rows = tuple(replace(one, accuracy=accuracy) for one in BENCHMARK.rows)
    speed_picture(replace(BENCHMARK, rows=rows), tmp_path / "speed.png")
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
