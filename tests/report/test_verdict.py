"""Which way wins, from speed-ups and accuracies alone."""

from dataclasses import replace

import pytest

from helpers.evaluations import SAFE, evaluation, here
from offramp.evaluation import LEAST_SPEEDUP, LOSSES, ConstantAnswer, Way
from offramp.exit_names import alone as alone_name
from offramp.policy import Interval
from offramp.report.verdict import decide

BASE = evaluation(thresholds=(0.9,))
FULL = 0.900


def made(early, cut, width=0.01):
    """Thresholds and cut networks, as (speed-up, accuracy); quartiles are as far from the speed-up as ``width``."""

    def spread(speed):
        return (speed * (1 - width), speed * (1 + width))

    return replace(
        BASE,
        full=replace(BASE.full, accuracy=FULL),
        points=tuple(
            replace(
                BASE.points[0],
                threshold=round(0.5 + 0.1 * index, 1),
                accuracy=accuracy,
                accuracy_difference=Interval(accuracy - FULL, accuracy - FULL, accuracy - FULL),
                speedup=speed,
                speedup_spread=spread(speed),
                exits=(0.5, 0.25, 0.25, 0.0),
            )
            for index, (speed, accuracy) in enumerate(early)
        ),
        truncated=tuple(
            replace(one, accuracy=accuracy, speedup=speed, speedup_spread=spread(speed))
            for one, (speed, accuracy) in zip(BASE.truncated, cut, strict=False)
        ),
    )


def test_the_limits():
    assert LOSSES == (0.003, 0.01)
    assert LEAST_SPEEDUP == 1.2


@pytest.mark.parametrize(
    ("early", "cut"),
    [
        ([(2.0, 0.899)], []),
        ([(2.0, 0.899)], [(1.5, 0.899)]),  # slower
        ([(2.0, 0.899)], [(3.0, 0.880)]),  # faster, but loses too much
        ([(2.0, 0.899)], [(2.01, 0.898)]),  # a little faster, a little less accurate
        ([(3.0, 0.897)], [(1.5, 0.910)]),
        ([(1.1, 0.899), (2.0, 0.891)], [(1.1, 0.899)]),  # only at the larger loss
    ],
)
def test_early_exit_wins(early, cut):
    found = decide(made(early, cut))
    assert found.advice.startswith("Use early exit at threshold 0.")
    assert "Early exit wins" in found.rule


@pytest.mark.parametrize(
    ("early", "cut"),
    [
        ([(2.0, 0.899)], [(2.0, 0.899)]),  # as good, and simpler
        ([(2.0, 0.899)], [(2.5, 0.898)]),  # clearly faster
        ([(2.0, 0.899)], [(2.001, 0.905)]),
        ([(1.1, 0.899)], [(1.5, 0.899)]),  # early exit hardly gains anything
        ([(2.0, 0.880)], [(1.5, 0.899)]),  # early exit loses too much
        ([], [(1.5, 0.899)]),
        ([(1.15, 0.899)], [(1.19, 0.899), (1.6, 0.892)]),
    ],
)
def test_a_cut_network_wins(early, cut):
    found = decide(made(early, cut))
    assert found.advice.startswith("Just cut the model: end it after layer ")
    assert "cut off after one of its exits wins" in found.rule


def alone(made, end):
    """The same with the first cut network as something that is whole on its own."""
    first, *others = made.truncated
    return replace(made, truncated=(replace(first, way=Way.ALONE, end=end), *others))


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("words", "Words are enough here: right on 89.80 % at "),
        ("keywords", "Keywords alone is enough here: right on 89.80 % at "),
        ("layer 2 of model 1", "Model 1 alone is enough here: right on 89.80 % at "),
    ],
)
def test_what_is_enough_alone_is_said_to_be(end, said):
    found = decide(alone(made([(2.0, 0.899)], [(30.0, 0.898)]), end))
    assert found.advice.replace("\u202f", " ").startswith(said)
    assert "What needs nothing after it" in found.rule
    assert ("words.safetensors" in found.advice) == (end == "words")
    assert f"{alone_name(end)}: 89.80\u202f% at 30.0×" in found.figures


def test_words_are_not_enough_where_they_lose_more_or_early_exit_loses_less():
    lost = decide(alone(made([(2.0, 0.899)], [(30.0, 0.880)]), "words"))
    assert lost.advice.startswith("Use early exit at threshold 0.5.")
    close = decide(alone(made([(2.0, 0.899)], [(30.0, 0.892)]), "words"))
    assert close.advice.startswith("Use early exit at threshold 0.5.")
    assert "It is close: words alone: 89.20\u202f% at 30.0×" in close.advice
    assert decide(alone(made([(1.1, 0.899)], [(30.0, 0.892)]), "words")).advice.startswith("Words are enough here")


@pytest.mark.parametrize(
    ("early", "cut"),
    [
        ([(2.0, 0.88)], [(2.0, 0.88)]),
        ([(1.19, 0.90)], [(1.1, 0.90)]),
        ([], []),
    ],
)
def test_full_depth_wins(early, cut):
    found = decide(made(early, cut))
    assert found.advice.startswith("Do not use early exit here")
    assert "Full depth wins" in found.rule


def test_a_rival_that_is_close_is_named():
    close = decide(made([(2.0, 0.899)], [(2.1, 0.892)], width=0.1))
    assert "It is close: cut after layer 1: 89.20\u202f% at 2.1×" in close.advice
    assert "close" not in decide(made([(2.0, 0.899)], [(1.5, 0.892)])).advice


def test_the_figures_that_decided_are_told():
    found = decide(made([(2.0, 0.899)], [(1.5, 0.898)]))
    assert "early exit at threshold 0.5: 89.90\u202f% at 2.0×" in found.figures
    assert "cut after layer 1: 89.80\u202f% at 1.5×" in found.figures
    assert "no cut network loses so little" in decide(made([(2.0, 0.899)], [])).figures
    assert "no early exit loses so little" in decide(made([], [(2.0, 0.899)])).figures
    assert decide(made([], [])).figures == "No setting stays within 1 point of full depth (90.00\u202f%)."


def test_a_threshold_at_which_all_texts_take_one_exit_is_a_cut_network_by_another_name():
    whole = made([(9.0, 0.90)], [(1.5, 0.899)])
    only = replace(whole, points=(replace(whole.points[0], exits=(1.0, 0.0, 0.0, 0.0)),))
    assert decide(only).advice.startswith("Just cut the model")


def test_an_operating_point_is_preferred_to_thresholds_that_are_as_fast():
    whole = made([(2.1, 0.899)], [])
    point = replace(
        whole.points[0],
        way=Way.OPERATING_POINT,
        name="safe",
        speedup=2.0,
        speedup_spread=(1.9, 2.1),
        agreement=1.0,
    )
    (safe,) = evaluation(promises=(("safe", SAFE),)).operating_points
    safe = here(replace(safe, point=point), SAFE, 400)
    tuned = replace(whole, operating_points=(safe,))
    assert decide(tuned).advice.startswith("Use early exit at operating point 'safe'.")
    costly = replace(tuned, operating_points=(replace(safe, point=replace(point, accuracy=0.8)),))
    assert decide(costly).advice.startswith("Use early exit at threshold 0.5.")


def test_what_is_faster_than_an_operating_point_is_used_and_the_point_named_for_its_promise():
    whole = made([(1.61, 0.898)], [(1.34, 0.899)])
    (safe,) = evaluation(promises=(("safe", SAFE),)).operating_points
    tuned = here(safe, SAFE, 400, accuracy=0.9, agreement=1.0, speedup=0.7, speedup_spread=(0.69, 0.71))
    found = decide(replace(whole, operating_points=(tuned,)))
    assert found.advice.startswith(
        "Use early exit at threshold 0.5. Where you need a promise for other texts, use early"
    )
    assert "operating point 'safe': 90.00\u202f% at 0.7×" in found.advice


def test_an_operating_point_that_breaks_its_promise_is_said_to_be_left_out():
    whole = made([(1.5, 0.898)], [(1.34, 0.899)])
    (safe,) = evaluation(promises=(("safe", SAFE),)).operating_points
    tuned = here(safe, SAFE, 400, accuracy=0.9, agreement=0.7, speedup=3.0, speedup_spread=(3.0, 3.0))
    found = decide(replace(whole, operating_points=(tuned,)))
    assert found.advice.startswith("Use early exit at threshold 0.5.")
    assert "Left out, since its promise is broken here: early exit at operating point 'safe'" in found.figures


def test_a_model_that_knows_nothing_is_not_cut():
    whole = made([(2.0, 0.9)], [(3.0, 0.9)])
    nothing = replace(whole, data=replace(whole.data, constant=ConstantAnswer(("a",), 0.95)))
    found = decide(nothing)
    assert found.advice.startswith("The model has learned nothing that shows on these texts")
    assert "the most frequent answer: 95.00" in found.figures
    assert decide(whole).advice.startswith("Just cut the model")


def test_on_few_texts_the_verdict_is_a_guess():
    enough, few = (
        replace(whole, data=replace(whole.data, rows=rows))
        for whole, rows in ((made([(2.0, 0.899)], []), 368), (made([(2.0, 0.899)], []), 200))
    )
    assert decide(enough).advice.startswith("Use early exit")
    said = decide(few).advice
    assert said.startswith("200 texts cannot settle this")
    assert "lose up to 1.8 points" in said
    assert "Evaluate on 368 labeled texts or more. As far as it can be seen: Use early exit at threshold 0.5." in said
    assert decide(replace(few, data=replace(few.data, rows=1))).advice.startswith("1 text cannot settle this")
