"""Which setting is recommended, from speed-ups, accuracies and promises alone."""

from dataclasses import replace

import pytest

from evaluations import SAFE, SEEN, evaluation
from offramp.evaluation import LOSSES, OperatingPointHere, Way, recommend
from offramp.policy import Interval, Method, Promise, Risk

BASE = evaluation(thresholds=(0.9,))
FULL = replace(BASE.full, accuracy=0.9)


def named(name, speed, target, width=0.01, *, accuracy=0.899, agreement=1.0, **promised):
    promise = None if target is None else replace(SAFE, target=target, **promised)
    point = replace(
        BASE.points[0],
        way=Way.OPERATING_POINT,
        name=name,
        accuracy=accuracy,
        agreement=agreement,
        accuracy_difference=Interval(accuracy - 0.9, accuracy - 0.9, accuracy - 0.9),
        measured_speedup=speed,
        measured_speedup_spread=(speed * (1 - width), speed * (1 + width)),
        exits=(0.5, 0.25, 0.25, 0.0),
    )
    return OperatingPointHere(point, promise, SEEN, default=False)


def threshold(speed, accuracy=0.899):
    return replace(named("", speed, None, accuracy=accuracy).point, way=Way.THRESHOLD, name=None, threshold=0.7)


def chosen(*points, thresholds=(), rows=1000):
    return recommend(FULL, thresholds, points, (), rows).point


@pytest.mark.parametrize(
    ("points", "name"),
    [
        ([named("fast", 5.0, 0.05), named("balanced", 4.0, 0.02), named("safe", 3.0, 0.01)], "fast"),
        ([named("balanced", 5.08, 0.02), named("safe", 5.03, 0.01)], "safe"),
        ([named("safe", 5.03, 0.01), named("balanced", 5.08, 0.02)], "safe"),
        ([named("fast", 5.0, 0.05), named("balanced", 4.9, 0.02), named("safe", 3.0, 0.01)], "balanced"),
        ([named("balanced", 5.0, 0.02, 0.2), named("safe", 4.0, 0.01, 0.2)], "safe"),  # quartiles overlap
        ([named("plain", 5.0, None), named("fast", 4.9, 0.05)], "fast"),
        ([named("mean", 5.0, 0.01, method=Method.CONFORMAL, confidence=None), named("sure", 4.9, 0.02)], "sure"),
        ([named("drop", 5.0, 0.01, risk=Risk.ACCURACY_DROP), named("same", 4.9, 0.01)], "same"),
        ([named("safe", 5.0, 0.01), named("safe as well", 5.1, 0.01)], "safe as well"),
    ],
)
def test_ties_go_to_the_stricter_promise(points, name):
    assert chosen(*points).name == name


def test_a_point_whose_promise_is_broken_is_not_recommended():
    broken, kept = named("fast", 5.0, 0.05, agreement=0.8), named("safe", 3.0, 0.01)
    assert chosen(broken, kept).name == "safe"
    assert chosen(broken, thresholds=(threshold(2.0),)).way is Way.THRESHOLD


def test_a_point_beats_faster_thresholds_unless_it_loses_too_much():
    assert chosen(named("safe", 2.0, 0.01), thresholds=(threshold(4.0),)).name == "safe"
    costly = named("safe", 2.0, 0.01, accuracy=0.85)
    assert chosen(costly, thresholds=(threshold(4.0),)).threshold == 0.7
    assert chosen(costly) == FULL


def test_what_it_was_chosen_from_is_told():
    cut = replace(threshold(1.5), way=Way.CUT, threshold=None, exits=(0.0, 1.0, 0.0, 0.0))
    best = named("safe", 2.0, 0.01)
    found = recommend(FULL, (), (best,), (cut,), 1000)
    assert (found.point, found.early, found.cut, found.simpler) == (best.point, best.point, cut, cut)
    assert found.loss == LOSSES[0]
    assert recommend(FULL, (), (), (cut,), 1000).point == cut


def test_promises_sort_by_what_they_say():
    assert isinstance(SAFE, Promise)
    assert chosen(named("a", 3.0, 0.02), named("b", 3.0, 0.01), named("c", 3.0, 0.05)).name == "b"
