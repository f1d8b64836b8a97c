"""Which setting is recommended, from speed-ups, accuracies and promises alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.evaluations import SAFE, SEEN, evaluation, here
from offramp.evaluation import LEAST_SPEEDUP, LOSSES, ConstantAnswer, EvaluatedPoint, Way, recommend
from offramp.policy import Interval, Limit, Method, Promise, Risk

BASE = evaluation(thresholds=(0.9,))
FULL = replace(BASE.full, accuracy=0.9)
GUESS = ConstantAnswer(("a",), 0.5)


def named(name, speed, target, width=0.01, *, accuracy=0.899, agreement=1.0, risk=Risk.DISAGREEMENT, **promised):
    limit = None if target is None else Limit(risk, target)
    promise = None if limit is None else replace(SAFE, limit=limit, **promised)
    point = replace(
        BASE.points[0],
        way=Way.OPERATING_POINT,
        name=name,
        accuracy=accuracy,
        agreement=agreement,
        accuracy_difference=Interval(accuracy - 0.9, accuracy - 0.9, accuracy - 0.9),
        speedup=speed,
        speedup_spread=(speed * (1 - width), speed * (1 + width)),
        exits=(0.5, 0.25, 0.25, 0.0),
    )
    return here(EvaluatedPoint(point, (), SEEN, default=False), promise, 1000)


def threshold(speed, accuracy=0.899):
    return replace(named("", speed, None, accuracy=accuracy).point, way=Way.THRESHOLD, name=None, threshold=0.7)


def chosen(*points, thresholds=(), rows=1000):
    return recommend(FULL, thresholds, points, (), GUESS).point


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


def test_a_point_does_not_stand_in_the_way_of_a_threshold_that_is_clearly_faster_and_loses_as_little():
    assert chosen(named("safe", 2.0, 0.01), thresholds=(threshold(4.0),)).threshold == 0.7
    assert chosen(named("safe", 3.9, 0.01), thresholds=(threshold(4.0),)).name == "safe"
    costly = named("safe", 2.0, 0.01, accuracy=0.85)
    assert chosen(costly, thresholds=(threshold(4.0),)).threshold == 0.7
    assert chosen(costly) == FULL


def test_what_it_was_chosen_from_is_told():
    cut = replace(threshold(1.5), way=Way.CUT, threshold=None, exits=(0.0, 1.0, 0.0, 0.0))
    best = named("safe", 2.0, 0.01)
    found = recommend(FULL, (), (best,), (cut,), GUESS)
    assert (found.point, found.early, found.cut, found.simpler) == (best.point, best.point, cut, cut)
    assert found.loss == LOSSES[0]
    assert recommend(FULL, (), (), (cut,), GUESS).point == cut


def cut_at(speed, accuracy=0.899):
    return replace(threshold(speed, accuracy), way=Way.CUT, threshold=None, exits=(0.0, 1.0, 0.0, 0.0))


def test_a_threshold_faster_than_the_cut_network_counts_although_operating_points_are_slow():
    slow = named("balanced", 0.7, 0.02)
    found = recommend(FULL, (threshold(1.61, 0.898),), (slow,), (cut_at(1.34),), GUESS)
    assert found.point.threshold == 0.7
    assert found.promised == slow.point


def test_what_was_not_timed_is_not_recommended():
    computed, timed = replace(threshold(3.0), computed=True), replace(threshold(2.0), threshold=0.8)
    cut = replace(cut_at(5.0), computed=True)
    assert recommend(FULL, (computed, timed), (), (cut,), GUESS).point == timed
    assert recommend(FULL, (computed,), (), (cut,), GUESS).point == FULL


SETTINGS = st.tuples(
    st.floats(0.5, 5.0), st.sampled_from([0.9, 0.899, 0.895, 0.88]), st.sampled_from([0.001, 0.02, 0.3])
)


@given(st.lists(SETTINGS, max_size=4), st.lists(SETTINGS, max_size=3), st.lists(SETTINGS, max_size=3))
def test_nothing_that_loses_as_little_is_clearly_faster_than_what_is_recommended(plain, points, cut):
    def spread(point, width):
        speed = point.speedup
        return replace(point, speedup_spread=(speed * (1 - width), speed * (1 + width)))

    thresholds = [
        replace(spread(threshold(speed, accuracy), width), threshold=0.1 * index)
        for index, (speed, accuracy, width) in enumerate(plain)
    ]
    tuned = [
        named(f"p{index}", speed, 0.01, width, accuracy=accuracy)
        for index, (speed, accuracy, width) in enumerate(points)
    ]
    truncated = [
        replace(spread(cut_at(speed, accuracy), width), mean_layers=index + 1.0)
        for index, (speed, accuracy, width) in enumerate(cut)
    ]
    found = recommend(FULL, thresholds, tuned, truncated, GUESS)
    early = [*thresholds, *(here.point for here in tuned)]
    for other in [*early, *truncated]:
        if other.accuracy < FULL.accuracy - found.loss - 1e-9:
            continue
        if found.point == FULL:
            assert other.speedup < LEAST_SPEEDUP
            continue
        apart = other.speedup_spread[0] > found.point.speedup_spread[1]
        if other in early:
            assert not (apart and 0.95 * other.speedup > found.point.speedup)
        else:
            assert not apart or found.point.way is Way.CUT


def test_a_broken_promise_that_would_be_faster_is_told():
    broken, kept = named("fast", 5.0, 0.05, agreement=0.8), named("safe", 3.0, 0.01)
    assert recommend(FULL, (), (broken, kept), (), GUESS).broken == broken.point


@pytest.mark.parametrize("accuracy", [0.9, 0.95])
def test_nothing_is_recommended_of_a_model_that_is_no_better_than_one_answer_to_all(accuracy):
    fast, constant = threshold(3.0, 0.9), ConstantAnswer(("a",), accuracy)
    assert recommend(FULL, (fast,), (), (cut_at(4.0, 0.9),), constant).point == FULL
    assert recommend(FULL, (fast,), (), (), ConstantAnswer((), 0.899)).point == fast


def test_promises_sort_by_what_they_say():
    assert isinstance(SAFE, Promise)
    assert chosen(named("a", 3.0, 0.02), named("b", 3.0, 0.01), named("c", 3.0, 0.05)).name == "b"
