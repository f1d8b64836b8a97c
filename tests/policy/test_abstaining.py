from dataclasses import replace

import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.errors import DataError, OptionError
from offramp.policy import AtMost, Confidence, Limit, Missed, Reference, Risk, replay, select
from offramp.policy.abstaining import GAPS, Plan, make_abstaining, plan_knobs, sweep_abstaining
from offramp.policy.candidates import judging_rows

ROWS = exit_answers(n_rows=1200)
ERROR = Limit(Risk.ERROR, 0.03, answered=True)


def goal(*limits, coverage=0.0, method=None):
    return AtMost(limits or (ERROR,), method, 0.9, coverage=coverage)


@pytest.mark.parametrize("name", ["confidence", "agreement", "gate"])
def test_the_rule_hands_over_what_its_choice_says_and_keeps_the_limit_among_the_answered(name):
    selected = select(goal(), name, ROWS)
    choice, rows = selected.choice, selected.rows
    assert len(rows) == judging_rows(1200)
    assert choice.rule.answer_from <= choice.rule.threshold
    taken = replay(rows.probabilities, choice.rule)
    np.testing.assert_array_equal(choice.exits, taken.exits)
    np.testing.assert_array_equal(choice.handed_over, taken.handed_over)
    (promise,) = choice.promises
    answered = ~taken.handed_over
    assert 0 < promise.rows == answered.sum() < len(rows)
    assert promise.seen == pytest.approx((~rows.right(taken.probabilities))[answered].mean())
    assert promise.seen < promise.bound <= 0.03
    assert (~rows.right(rows.full)).mean() > 0.03  # nothing would do that answers everything
    assert promise.limit.what == "error among the answered"


def test_one_knob_walks_from_handing_everything_over_to_answering_everything_at_once():
    swept = sweep_abstaining(ROWS, Confidence(ROWS.problem), Plan(0.0, 0))
    np.testing.assert_array_equal(swept.thresholds, swept.answer_from)
    assert swept.handed_over[0].all()
    assert not swept.handed_over[-1].any()
    assert not swept.exits[-1].any()
    assert (np.diff(swept.handed_over.sum(axis=1)) <= 0).all()
    assert (np.diff(swept.exits, axis=0) <= 0).all()


def test_the_walk_begins_where_the_fitting_rows_deem_it_safe_and_enough_are_answered():
    fitting = ROWS.subset(np.arange(200))
    criterion = make_abstaining(goal(), "gate", fitting)
    plan = plan_knobs(goal(), criterion, fitting, 600)
    swept = sweep_abstaining(fitting, criterion, plan)
    answered = ~swept.handed_over[0]
    assert 50 < answered.sum() < 200
    assert (~fitting.right(fitting.probabilities[swept.exits[0], np.arange(200)]))[answered].mean() < 0.03


def test_early_exits_have_to_be_surer_where_more_rows_are_then_worth_answering():
    """A gap in log-odds lets rows go on that may become surer; more must be answered, so it is chosen for coverage."""
    criterion = Confidence(ROWS.problem)
    plain, apart = (sweep_abstaining(ROWS, criterion, Plan(gap, 0)) for gap in (0.0, 2.0))
    assert (apart.thresholds >= plain.thresholds).all()
    assert (apart.exits >= plain.exits).all()
    np.testing.assert_array_equal(apart.answer_from, plain.answer_from)
    choice = select(goal(coverage=0.9), "gate", ROWS).choice
    rule = choice.rule
    gap = np.log(rule.threshold / (1 - rule.threshold)) - np.log(rule.answer_from / (1 - rule.answer_from))
    assert min(abs(gap - one) for one in GAPS) < 1e-6


def test_any_reference_decides_what_is_right():
    """The gate learns what the reference would say, and no labels are needed."""
    other = (ROWS.targets + (np.random.default_rng(0).random(len(ROWS)) < 0.02)) % 3
    limit = Limit(Risk.DISAGREEMENT, 0.06, reference=Reference("older"), answered=True)
    selected = select(goal(limit), "gate", replace(ROWS, targets=None, reference=other))
    choice, rows = selected.choice, selected.rows
    predicted = rows.problem.predicted(replay(rows.probabilities, choice.rule).probabilities)
    assert choice.promises[0].seen == pytest.approx((predicted != rows.reference)[~choice.handed_over].mean())
    assert 0 <= choice.handed_over.mean() < 0.5


def test_how_many_have_to_be_answered():
    choice = select(goal(), "confidence", ROWS).choice
    coverage = 1 - choice.handed_over.mean()
    assert select(goal(coverage=coverage - 1e-9), "confidence", ROWS).choice.rule == choice.rule
    missed = select(goal(coverage=0.99), "confidence", ROWS).choice
    assert isinstance(missed, Missed)
    assert f"{coverage:.1%} of the rows can be answered, and at least 99% were asked for" in missed.reason


def test_what_cannot_be_kept_says_what_it_would_take():
    tight = select(goal(Limit(Risk.ERROR, 0.001, answered=True)), "gate", ROWS).choice
    assert isinstance(tight, Missed)
    assert tight.reason.startswith("no threshold keeps the error among the answered at 0.1% or less with 0.9 confid")
    assert "rows that are answered" in tight.reason


@pytest.mark.parametrize("coverage", [-0.1, 1.1, float("nan")])
def test_a_coverage_out_of_range(coverage):
    with pytest.raises(OptionError, match="min_coverage is") as caught:
        goal(coverage=coverage)
    assert caught.value.option == "min_coverage"


@pytest.mark.parametrize("risk", [Risk.DISAGREEMENT, Risk.ACCURACY_DROP])
def test_nothing_is_handed_over_to_agree_with_full_depth(risk):
    with pytest.raises(OptionError, match="compares with full depth, so that nothing would have to be handed over"):
        goal(Limit(risk, 0.1))


def test_a_threshold_for_each_exit_has_none_for_the_last():
    with pytest.raises(OptionError, match="'per-exit' has no threshold for the last exit"):
        select(goal(), "per-exit", ROWS)


def test_without_labels_nobody_knows_what_is_right():
    with pytest.raises(DataError, match="these have none"):
        select(goal(), "gate", replace(ROWS, targets=None))
