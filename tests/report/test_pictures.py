from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from offramp.report.pictures import Key, Panel, Picture, write_picture
from offramp.report.svg import CIRCLE, rectangle

SVG = "{http://www.w3.org/2000/svg}"
SQUARE = rectangle(0, 0, 200, 100, "bar")


def drawn(**options):
    picture = Picture("a <title>", "b & c", [[Panel(200, 100, SQUARE, "left"), Panel(200, 80, SQUARE)]], **options)
    return ElementTree.fromstring(picture.draw())


def shifts(root):
    """Where each text starts, with all that it is moved by."""
    found = []

    def visit(node, x, y):
        if (moved := node.get("transform")) is not None:
            dx, dy = map(float, moved.removeprefix("translate(").removesuffix(")").split())
            x, y = x + dx, y + dy
        if node.tag == f"{SVG}text":
            found.append((node.text, x + float(node.get("x")), y + float(node.get("y"))))
        for child in node:
            visit(child, x, y)

    visit(root, 0.0, 0.0)
    return found


def test_a_file_brings_its_style_its_ground_and_its_size():
    root = drawn(style="svg .mine { stroke: red; }")
    assert root.find(f"{SVG}title").text == "a <title>"
    assert root.find(f"{SVG}desc").text == "b & c"
    style = root.find(f"{SVG}style").text
    assert "prefers-color-scheme: dark" in style
    assert ".mine" in style
    _, _, width, height = map(float, root.get("viewBox").split())
    ground = root.find(f"{SVG}rect")
    assert (float(ground.get("width")), float(ground.get("height"))) == (width, height)
    assert float(root.get("width")) / width == pytest.approx(float(root.get("height")) / height, abs=0.01)


@pytest.mark.parametrize("number", [1, 4, 15])
def test_nothing_covers_the_legend_and_nothing_leaves_the_picture(number):
    keys = [Key.shape(CIRCLE, f"something with a name, number {one}") for one in range(number)]
    root = drawn(keys=keys, heading="word " * 40, note="word " * 40)
    _, _, width, height = map(float, root.get("viewBox").split())
    placed = shifts(root)
    assert len({(x, y) for _, x, y in placed}) == len(placed)
    for words, x, y in placed:
        assert x >= 0
        assert x + 5.5 * len(words) <= width
        assert 0 < y < height
    rows = [y for words, _, y in placed if "something" in words]
    assert rows == sorted(rows)


def test_panels_stand_side_by_side_below_their_titles():
    root = drawn()
    groups = [one.get("transform") for one in root.iter(f"{SVG}g")]
    assert groups[1:3] == ["translate(0 16)", "translate(220 16)"]


def test_a_line_in_the_legend_is_drawn_as_in_the_chart():
    key = Key.line("full", "full depth")
    assert ElementTree.fromstring(key.mark).get("class") == "key full"
    assert isinstance(key.mark, Markup)


def test_the_same_picture_gives_the_same_file(tmp_path):
    for name in ("one.svg", "two.svg"):
        write_picture(tmp_path / name, Picture("t", "d", [[Panel(10, 10, SQUARE)]]))
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
