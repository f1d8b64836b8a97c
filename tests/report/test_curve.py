import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from helpers.evaluations import SAFE, evaluation
from offramp.errors import OptionError, StorageError
from offramp.report import curve_picture

MADE = evaluation(promises=(("safe", SAFE),), focus=3)


def drawn(made, place):
    curve_picture(made, place / "curve.svg")
    return (place / "curve.svg").read_text()


def words(svg):
    return [one.text for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_an_svg_is_well_formed_and_the_same_every_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        curve_picture(MADE, tmp_path / name)
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_figures_stand_in_it(tmp_path):
    svg = drawn(MADE, tmp_path)
    for point in MADE.points:
        assert f"{100 * point.accuracy:.2f} %, {point.speedup:.2f}×" in svg
    assert f"full depth: {100 * MADE.full.accuracy:.2f} %" in words(svg)


def test_it_says_where_it_was_measured(tmp_path):
    made = replace(MADE, environment=MADE.environment | {"gpu": "A GPU", "threads": 3})
    assert any("3 threads, A GPU" in told for told in words(drawn(made, tmp_path)))


def test_the_legend_names_what_is_shown_and_nothing_else(tmp_path):
    told = words(drawn(MADE, tmp_path))
    assert {"early exit, by threshold", "in focus", "operating point", "model that ends after an exit"} < set(told)
    assert "operating point" not in words(drawn(evaluation(), tmp_path))


def test_what_is_far_below_is_named(tmp_path):
    told = " ".join(words(drawn(evaluation(labels=tuple("abcdefgh"), rows=1000), tmp_path)))
    assert re.search(r"Below the chart: threshold 0 \(\d+\.\d\u202f%", told)


@pytest.mark.parametrize("name", ["curve.pdf", "curve.png", "curve", "curve.svgz"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match=rf"{name} does not end in \.svg; pictures are written as SVG files only"):
        curve_picture(MADE, tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_a_name_in_capitals_and_a_new_folder_do(tmp_path):
    curve_picture(MADE, tmp_path / "new" / "curve.SVG")
    assert (tmp_path / "new" / "curve.SVG").read_text().startswith("<svg ")


def test_one_point_is_drawn_too(tmp_path):
    assert "nan" not in drawn(replace(MADE, points=MADE.points[:1]), tmp_path)


def test_a_folder_of_the_name_is_left_alone(tmp_path):
    folder = tmp_path / "curve.svg"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="not a file"):
        curve_picture(MADE, folder)
    assert (folder / "mine.txt").exists()
