from xml.etree import ElementTree

from benchmarks.lines import Line, joined, legend, lines_panel, style_of
from offramp.report.frame import Axis
from offramp.report.svg import CIRCLE

AXES = Axis("x", 0, 10), Axis("y", 0, 100)


def drawn(*lines, **options):
    return ElementTree.fromstring(f"<g>{lines_panel(lines, AXES, 'panel', **options).content}</g>")


def test_points_lie_where_the_axes_say():
    places = drawn(Line("a", [(0, 0), (5, 50), (10, 100)], "early")).find(".//polyline").get("points").split()
    (left, bottom), middle, (right, top) = [tuple(map(float, place.split(","))) for place in places]
    assert middle == ((left + right) / 2, (bottom + top) / 2)
    assert left < right
    assert top < bottom


def test_points_have_marks_and_labels():
    root = drawn(Line("a", [(1, 10), (2, 20)], "early", CIRCLE, ["one", "two"]))
    assert len(root.findall(".//path")) == 2
    assert [one.text for one in root.iter("text") if one.get("class") == "name"] == ["one", "two"]


def test_what_lies_outside_is_cut_off():
    root = drawn(Line("a", [(0, -50), (20, 200)], "early"), level=50)
    clipped = next(one for one in root.iter("g") if one.get("clip-path") == "url(#panel)")
    assert clipped.find("polyline") is not None
    assert root.find(".//clipPath").get("id") == "panel"


def test_a_name_stands_in_the_legend_once():
    lines = [Line("a", [], "early"), Line("b", [], "cut"), Line("a", [], "early")]
    assert [key.words for key in legend(lines)] == ["a", "b"]
    assert style_of({"mine": "red"}) == "svg polyline.mine, svg line.mine { stroke: red; }\n"


def test_panels_are_put_into_rows():
    assert [len(row) for row in joined([lines_panel([], AXES, "p")] * 5, 3)] == [3, 2]
