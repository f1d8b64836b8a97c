import pytest

from evaluations import SAFE, evaluation
from offramp.policy import Interval
from offramp.report import words

NARROW, MINUS = "\u202f", "\u2212"


def plain(text):
    return text.replace(NARROW, " ").replace(MINUS, "-")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (words.percent(0.8874), "88.74 %"),
        (words.percent(-0.001, 1), "-0.1 %"),
        (words.percent(-0.00001, 1), "0.0 %"),
        (words.points(0.0032), "+0.32 points"),
        (words.points(-0.0032), "-0.32 points"),
        (words.signed(0.00001), "0.00"),
        (words.signed(-0.00001), "0.00"),
        (words.times(1.634), "1.6×"),
        (words.whole(12345.6), "12,346"),
        (words.span("1", "2"), "1 to 2"),
        (words.span("1", "1"), "1"),
        (words.quartiles((1.234, 1.301)), "1.23 to 1.30"),
        (words.count(1, "text"), "1 text"),
        (words.count(2000, "text"), "2,000 texts"),
        (words.loss_of(0.003), "0.3 points"),
        (words.loss_of(0.01), "1 point"),
        (words.interval(Interval(-0.002, -0.01, 0.003)), "-0.20 (-1.00 to +0.30)"),
        (words.promise(None), "none"),
        (words.promise(SAFE), "disagreement at most 1.0 %, with 95 % confidence"),
    ],
)
def test_figures_in_words(made, expected):
    assert plain(made) == expected


def test_the_headline_has_speed_accuracy_and_how_sure_both_are():
    made = evaluation(thresholds=(0.0, 0.9), focus=1)
    point, full = made.points[1], made.full
    headline = plain(words.headline(made))
    assert headline.startswith("At threshold 0.9 the model is ")
    for figure in (point.measured_speedup, *point.measured_speedup_spread):
        assert f"{figure:.1f}×" in headline
    for figure in (point.accuracy, full.accuracy):
        assert f"{100 * figure:.2f} %" in headline
    for figure in (point.accuracy_difference.low, point.accuracy_difference.high):
        assert f"{100 * figure:+.2f}".replace("+0.00", "0.00") in headline
    assert "of 400 texts" in headline


def test_an_operating_point_is_called_by_its_name():
    made = evaluation(promises=(("safe", SAFE),), focus=5)
    assert words.headline(made).startswith("At operating point 'safe' the model")
