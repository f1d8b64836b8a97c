import re
from dataclasses import replace

import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.errors import DataError, OptionError
from offramp.policy import (
    FITTING_SHARE,
    AtLeast,
    AtMost,
    Chosen,
    Confidence,
    Exactly,
    Limit,
    Method,
    Missed,
    Risk,
    StageCosts,
    Threshold,
    at_exits,
    choose_rule,
    enough_to_fit,
    make_criterion,
    replay,
    sweep,
)
from offramp.policy.candidates import judging_rows

ROWS = exit_answers(n_rows=1000)
SWEPT = sweep(ROWS, Confidence(ROWS.problem))


def cost_of(rule, rows=ROWS):
    return at_exits(rows.row_costs, replay(rows.probabilities, rule).exits[None]).mean()


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("risk", [Risk.DISAGREEMENT, Risk.ACCURACY_DROP])
def test_a_risk_is_kept(method, risk):
    chosen = choose_rule(AtMost((Limit(risk, 0.05),), method, 0.9), SWEPT, ROWS)
    assert isinstance(chosen, Chosen)
    (promise,) = chosen.promises
    assert (promise.limit, promise.method, promise.rows) == (Limit(risk, 0.05), method, 1000)
    assert promise.confidence == (0.9 if method in (Method.LTT, Method.UCB) else None)
    assert promise.seen <= promise.bound <= 0.05 + 1e-12
    answers = replay(ROWS.probabilities, chosen.rule).probabilities
    assert promise.seen == pytest.approx(
        ROWS.losses(np.stack([answers, ROWS.probabilities[-1]]), risk)[0].mean(), abs=1e-12
    )
    assert cost_of(chosen.rule) == ROWS.cost(chosen.exits) < 1


def test_thresholds_that_are_one_to_these_rows_give_the_safest():
    rows = exit_answers(n_rows=1000, n_exits=2)
    sure = np.full(rows.probabilities.shape, 0.01)
    sure[..., 0] = 0.98
    rows = replace(rows, logits=np.log(sure), targets=None)
    swept = sweep(rows, Confidence(rows.problem))
    chosen = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, 0.01),), Method.LTT, 0.95), swept, rows)
    below = swept.thresholds[swept.thresholds <= rows.probabilities.max()]
    assert chosen.rule.threshold == below.max()


def test_a_speed_is_reached_with_the_best_accuracy():
    chosen = choose_rule(AtLeast(2.0), SWEPT, ROWS)
    assert chosen.promises == ()
    assert cost_of(chosen.rule) <= 0.5
    right = ROWS.good(SWEPT.answers, Risk.ACCURACY_DROP)
    fast = at_exits(ROWS.row_costs, SWEPT.exits).mean(axis=1) <= 0.5
    best = at_exits(right, SWEPT.exits[fast]).mean(axis=1).max()
    found = replay(ROWS.probabilities, chosen.rule).probabilities
    assert ROWS.problem.right(found, ROWS.targets).mean() == best


def test_without_labels_a_speed_is_reached_with_least_disagreement():
    rows = exit_answers(n_rows=1000, labeled=False)
    chosen = choose_rule(AtLeast(2.0), sweep(rows, Confidence(rows.problem)), rows)
    assert cost_of(chosen.rule, rows) <= 0.5


@pytest.mark.parametrize("threshold", [0.0, 0.5, 7.0])
def test_a_plain_threshold_is_taken_as_it_is(threshold):
    chosen = choose_rule(Exactly(threshold), SWEPT, ROWS)
    assert (chosen.rule, chosen.promises) == (Threshold(threshold, Confidence(ROWS.problem)), ())
    np.testing.assert_array_equal(chosen.exits, replay(ROWS.probabilities, chosen.rule).exits)


@pytest.mark.parametrize("speedup", [1.0, 0.0, -2.0, float("nan"), float("inf")])
def test_a_speed_that_is_none(speedup):
    with pytest.raises(OptionError, match=f"speedup is {speedup}; use a number above 1"):
        AtLeast(speedup)


def test_a_threshold_that_is_none():
    with pytest.raises(OptionError, match="threshold is -1"):
        choose_rule(Exactly(-1), SWEPT, ROWS)


def test_a_risk_that_needs_labels():
    rows = exit_answers(labeled=False)
    with pytest.raises(DataError, match="takes rows with labels"):
        choose_rule(
            AtMost((Limit(Risk.ACCURACY_DROP, 0.1),), Method.UCB, 0.9), sweep(rows, Confidence(rows.problem)), rows
        )


def test_of_per_exit_thresholds_one_vector_is_left():
    fitting, judging = ROWS.split(0.25, seed=0)
    swept = sweep(judging, make_criterion("per-exit", fitting, Risk.DISAGREEMENT))
    for goal in (AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.95), AtLeast(1.5)):
        rule = choose_rule(goal, swept, judging).rule
        assert (rule.threshold, len(rule.criterion.thresholds)) == (1, 1)
    promised = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.95), swept, judging)
    found = replay(judging.probabilities, promised.rule).probabilities
    changed = ~judging.problem.agree(found, judging.probabilities[-1])
    assert promised.promises[0].seen == pytest.approx(changed.mean())
    # Where nothing can be lost, everybody leaves at once.
    free = replace(judging, targets=None)
    free.probabilities[:-1] = free.probabilities[-1]
    swept = sweep(free, make_criterion("per-exit", free, Risk.DISAGREEMENT))
    rule = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.95), swept, free).rule
    assert set(replay(free.probabilities, rule).exits) == {0}


def missed(goal, n_rows=1000):
    rows = exit_answers(n_rows=n_rows)
    found = choose_rule(goal, sweep(rows, Confidence(rows.problem)), rows)
    assert isinstance(found, Missed)
    return found.reason


def test_too_few_rows_are_told_how_many_it_takes():
    reason = missed(AtMost((Limit(Risk.DISAGREEMENT, 0.01),), Method.LTT, 0.95), n_rows=100)
    assert reason.startswith("no threshold keeps the disagreement at 1% or less with 0.95 confidence, by method ltt")
    assert "on 100 rows; it takes at least 299 rows or a disagreement of " in reason


def test_rows_that_a_rule_is_fitted_to_are_counted():
    fitting, judging = exit_answers(n_rows=100).split(FITTING_SHARE, seed=0)
    goal = AtMost((Limit(Risk.DISAGREEMENT, 0.01),), Method.LTT, 0.95)
    swept = sweep(judging, make_criterion("per-exit", fitting, Risk.DISAGREEMENT))
    reason = choose_rule(goal, swept, judging, fitted=len(fitting)).reason
    assert "on 75 rows, after 25 others served to fit the rule; it takes at least 398 rows or a" in reason


@pytest.mark.parametrize(
    ("goal", "least"),
    [
        (AtMost((Limit(Risk.DISAGREEMENT, 0.01),), Method.LTT, 0.95), 398),
        (AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.95), 200),
        (AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.CONFORMAL, 0.95), 200),
        (AtLeast(2.0), 1),
        (Exactly(0.5), 1),
    ],
)
def test_a_rule_is_fitted_where_the_other_rows_can_keep_the_promise(goal, least):
    assert enough_to_fit(goal, least)
    assert least == 1 or not enough_to_fit(goal, least - 1)
    if isinstance(goal, AtMost):
        judging = exit_answers(n_rows=least).split(FITTING_SHARE, seed=0)[1]
        assert len(judging) == judging_rows(least)


def test_exits_that_are_sure_and_wrong_leave_no_threshold_at_any_number_of_rows():
    rows = exit_answers(n_rows=100)
    rows.probabilities[:-1] = np.eye(3)[(rows.probabilities[-1].argmax(axis=-1) + 1) % 3]
    found = choose_rule(
        AtMost((Limit(Risk.DISAGREEMENT, 0.001),), Method.EMPIRICAL, 0.95), sweep(rows, Confidence(rows.problem)), rows
    )
    assert found.reason.endswith("by method empirical on 100 rows; it takes another model")


def test_a_speed_out_of_reach():
    reason = missed(AtLeast(9.0))
    assert reason == (
        "no threshold is 9x as fast as full depth: even if every text left at the first exit, it would be 4.00x; "
        "ask for less"
    )


def test_a_risk_that_only_a_slow_setting_keeps_is_missed():
    slow = replace(ROWS, costs=StageCosts((2.0,) * len(ROWS.layers), 1.0))
    found = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.9), SWEPT, slow)
    assert isinstance(found, Missed)
    assert re.fullmatch(
        r"early exit with a disagreement of 5% or less is expected to be slower than full depth \(0\.\d\dx\): stay at "
        r"full depth",
        found.reason,
    )
    assert isinstance(choose_rule(Exactly(0.9), SWEPT, slow), Chosen)
