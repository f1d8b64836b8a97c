"""Charts show the figures they are given, and keep everything inside."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from helpers.evaluations import SAFE, evaluation
from offramp.evaluation import Way
from offramp.policy import Interval
from offramp.report import accuracy_chart
from offramp.report.coverage_chart import draw_coverage
from offramp.report.exit_charts import draw_accuracies, draw_overthinking
from offramp.report.reliability_chart import draw_reliability
from offramp.report.svg import CIRCLE, DIAMOND, FOCUS, SQUARE

MADE = evaluation(promises=(("safe", SAFE),), focus=3)
KINDS = {
    "usual": {"promises": (("safe", SAFE), ("fast", SAFE), ("balanced", None))},
    "one exit": {"layers": (6,)},
    "two exits": {"layers": (3, 12)},
    "many exits": {"layers": tuple(range(1, 25)), "rows": 60},
    "few texts": {"rows": 3},
    "one threshold": {"thresholds": (0.9,)},
    "many thresholds": {"thresholds": tuple(index / 40 for index in range(41))},
}


def all_charts(made):
    return [
        accuracy_chart.draw(accuracy_chart.speed_chart(made), "curve"),
        draw_accuracies(made.overthinking, "accuracies"),
        draw_overthinking(made.overthinking, "overthinking"),
        draw_coverage(made.risk_coverage, made.operating_points, "coverage"),
        *(draw_reliability(one, f"reliability-{one.exit}") for one in made.reliability),
    ]


def extent(text):
    """From where to where a text goes, roughly."""
    width = 5.5 * len(text.text)
    x, share = float(text.get("x")), {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor"), 0.0)
    return x - share * width, x + (1 - share) * width


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_everything_is_inside(options):
    for chart in all_charts(evaluation(**options)):
        drawn = ElementTree.fromstring(chart)
        _, _, width, height = map(float, drawn.get("viewBox").split())
        for text in drawn.iter("text"):
            left, right = extent(text)
            assert left >= -2, text.text
            assert right <= width + 2, text.text
            assert 0 < float(text.get("y")) <= height
        for bar in drawn.iter("rect"):
            assert float(bar.get("height")) >= 0
            assert 0 <= float(bar.get("y")) <= height
        assert "nan" not in chart


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_axes_have_units(options):
    for chart in all_charts(evaluation(**options)):
        titles = [one.text for one in ElementTree.fromstring(chart).iter("text") if one.get("class") == "axis"]
        assert len(titles) == 2
        assert all(title.endswith(("(%)", "(times)", "(layers run)")) for title in titles)


def test_spots_have_the_figures():
    shown = accuracy_chart.speed_chart(MADE)
    assert [spot.x for spot in shown.early] == sorted(point.speedup for point in MADE.points)
    by_name = {spot.name: spot for spot in (*shown.early, *shown.named, *shown.cut)}
    point = MADE.points[1]
    spot = by_name["threshold 0.5"]
    assert (spot.x, spot.x_low, spot.x_high) == (point.speedup, *point.speedup_spread)
    assert spot.y == pytest.approx(100 * point.accuracy)
    assert spot.y_low == pytest.approx(100 * (MADE.full.accuracy + point.accuracy_difference.low))
    assert spot.shape is CIRCLE
    assert by_name["threshold 0.9"].shape is FOCUS
    assert by_name["operating point 'safe'"].shape is DIAMOND
    assert by_name["cut after layer 2"].shape is SQUARE
    assert by_name["cut after layer 2"].y == pytest.approx(100 * MADE.truncated[1].accuracy)


def test_speeds_far_apart_are_drawn_by_ratio():
    first, *others = MADE.truncated
    words = replace(first, way=Way.ALONE, end="words", speedup=30.0, speedup_spread=(29.0, 31.0))
    near_full = replace(words, accuracy_difference=Interval(-0.003, -0.01, 0.004))
    wide = replace(MADE, truncated=(near_full, *others))
    drawn, near = (accuracy_chart.draw(accuracy_chart.speed_chart(one), "curve") for one in (wide, MADE))
    assert "Measured speed-up, logarithmic (times)" in drawn
    assert "logarithmic" not in near
    positions = [
        float(text.get("x")) for text in ElementTree.fromstring(drawn).iter("text") if text.text in ("1", "10")
    ]
    left, right = sorted(positions)
    assert right - left < 440 * 0.7
    assert {spot.short for spot in accuracy_chart.speed_chart(wide).cut} == {
        "words alone",
        "cut after 2",
        "cut after 4",
    }


def test_what_was_computed_is_hollow_and_says_so():
    *rest, slowest = MADE.points
    made = replace(MADE, points=(*rest, replace(slowest, computed=True)))
    shown = accuracy_chart.speed_chart(made)
    (computed,) = [spot for spot in (*shown.early, *shown.named, *shown.cut) if spot.computed]
    assert computed.name == slowest.setting
    assert computed.hint.endswith("× (computed)")
    drawn = ElementTree.fromstring(accuracy_chart.draw(shown, "curve"))
    hollow = [mark for mark in drawn.iter("path") if " hollow" in mark.get("class", "")]
    assert [mark.findtext("title") for mark in hollow] == [computed.hint]


def test_the_line_joins_what_nothing_beats_and_the_rest_is_faint():
    shown = accuracy_chart.speed_chart(MADE)
    for spot in (*shown.early, *shown.named):
        better = [
            other
            for other in (*shown.early, *shown.named)
            if other.x >= spot.x and other.y >= spot.y and (other.x > spot.x or other.y > spot.y)
        ]
        assert spot.beaten == bool(better)
    assert shown.frontier
    accuracies = [spot.y for spot in shown.frontier]
    assert accuracies == sorted(accuracies, reverse=True)
    drawn = ElementTree.fromstring(accuracy_chart.draw(shown, "curve"))
    faint = {mark.findtext("title") for mark in drawn.iter("path") if mark.get("class", "").endswith(" faint")}
    assert faint == {spot.hint for spot in shown.seen if spot.beaten and spot.shape is not FOCUS}


def test_what_is_far_below_is_named_instead_of_drawn():
    made = evaluation(labels=tuple("abcdefgh"), rows=1000)
    shown = accuracy_chart.speed_chart(made)
    assert {spot.name for spot in shown.unseen} == {
        spot.name for spot in (*shown.early, *shown.cut) if spot.y < shown.full_accuracy - accuracy_chart.DEEPEST
    }
    assert shown.unseen
    drawn = ElementTree.fromstring(accuracy_chart.draw(shown, "curve"))
    hints = {one.text for one in drawn.iter("title")}
    assert not hints & {spot.hint for spot in shown.unseen}
    assert all(spot.hint in hints for spot in shown.seen)


def test_many_names_are_thinned_out():
    drawn = ElementTree.fromstring(draw_accuracies(evaluation(layers=tuple(range(1, 25))).overthinking, "a"))
    ticks = [one for one in drawn.iter("text") if one.get("class") == "tick"]
    below = [one.text for one in ticks if one.get("text-anchor") == "middle"]
    assert below == [str(layer) for layer in range(1, 25, 2)]
