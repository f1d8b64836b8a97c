from dataclasses import replace

import pytest

from helpers.evaluations import SAFE, evaluation
from offramp.policy import Interval
from offramp.report import words

POINT = evaluation().focus.point
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
        (words.rate(1234.5), "1,234"),
        (words.rate(12.34), "12.3"),
        (words.rate(1.234), "1.23"),
        (words.milliseconds(1234.5), "0.81 ms"),
        (words.milliseconds(82.5), "12.1 ms"),
        (words.milliseconds(2.0), "500 ms"),
        (words.data_name("/data/r8/test.csv"), "test.csv"),
        (words.data_name("owner/name:test"), "owner/name:test"),
        (words.data_name("-"), "-"),
        (words.whole(12345.6), "12,346"),
        (words.span("1", "2"), "1 to 2"),
        (words.span("1", "1"), "1"),
        (words.quartiles(replace(POINT, speedup_spread=(1.234, 1.301))), "1.23 to 1.30"),
        (words.quartiles(replace(POINT, computed=True)), "computed"),
        (words.loss_of(0.003), "0.3 points"),
        (words.loss_of(0.01), "1 point"),
        (words.interval(Interval(-0.002, -0.01, 0.003)), "-0.20 (-1.00 to +0.30)"),
        (words.promise(None), "none"),
        (words.promise(SAFE), "disagreement at most 1.0 %, with 95 % confidence"),
    ],
)
def test_figures_in_words(made, expected):
    assert plain(made) == expected
