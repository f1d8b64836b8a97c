from dataclasses import replace
from xml.etree import ElementTree

import pytest

from helpers.benchmark_rows import benchmark_row
from offramp.benchmark import Benchmark, Kind, Spread
from offramp.report import speed_picture
from offramp.report.speed import by_speed

SVG = "{http://www.w3.org/2000/svg}"


def row(name, kind, speed, threads=1):
    return benchmark_row(
        name, Spread(speed, 0.9 * speed, 1.1 * speed, ()), Spread(2.0, 1.9, 2.2, ()), kind=kind, threads=threads
    )


BENCHMARK = Benchmark(
    schema=2,
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


def test_the_fastest_comes_first():
    assert [one.name for one in by_speed(BENCHMARK.rows[:3])] == ["early", "cut", "full"]


def test_an_svg_is_well_formed_and_the_same_every_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        speed_picture(BENCHMARK, tmp_path / name)
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(("accuracy", "name"), [(0.9, "early (90.0%)"), (None, "early")])
def test_bars_are_as_long_as_the_rows_are_fast(tmp_path, accuracy, name):
    rows = tuple(replace(one, accuracy=accuracy) for one in BENCHMARK.rows if one.threads == 1)
    speed_picture(replace(BENCHMARK, rows=rows), tmp_path / "speed.svg")
    drawn = ElementTree.fromstring((tmp_path / "speed.svg").read_text())
    assert name in [one.text for one in drawn.iter(f"{SVG}text")]
    bars = [one for one in drawn.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
    assert [one.get("class") for one in bars[:3]] == ["bar early-exit", "bar other", "bar full-depth"]
    lengths = [float(one.get("width")) for one in bars[:3]]
    assert lengths == pytest.approx([lengths[0], lengths[0] * 2 / 3, lengths[0] / 3], abs=0.05)


def test_each_number_of_threads_has_charts_of_its_own(tmp_path):
    speed_picture(BENCHMARK, tmp_path / "speed.svg")
    told = [one.text for one in ElementTree.fromstring((tmp_path / "speed.svg").read_text()).iter(f"{SVG}text")]
    assert [f"Texts a second ({threads})" in told for threads in ("1 thread", "2 threads")] == [True, True]
    assert any("A <fast> & cheap $CPU_1$" in one for one in told)


def test_speeds_far_apart_have_bars_by_ratio(tmp_path):
    rows = (
        row("words alone", Kind.ALONE, 10_000.0),
        row("early", Kind.EARLY_EXIT, 1000.0),
        row("full", Kind.FULL, 100.0),
    )
    speed_picture(replace(BENCHMARK, rows=rows), tmp_path / "speed.svg")
    drawn = ElementTree.fromstring((tmp_path / "speed.svg").read_text())
    told = [one.text for one in drawn.iter(f"{SVG}text")]
    assert "Texts a second (1 thread), log scale" in told
    assert "Milliseconds a text, median (1 thread)" in told
    assert {"10", "100", "1,000", "10,000"} <= set(told)
    bars = [one for one in drawn.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
    longest, middle, shortest = (float(one.get("width")) for one in bars[:3])
    assert (longest - middle, middle - shortest) == pytest.approx((shortest, shortest), abs=0.05)
