from dataclasses import replace

import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.errors import DataError
from offramp.policy import (
    CRITERIA,
    FITTED,
    Agreement,
    PerExit,
    Risk,
    StageCosts,
    Threshold,
    compare_rules,
    criterion_name,
    make_criterion,
    replay,
    sweep,
    sweep_gate,
)


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_name_makes_its_criterion(name, multi_label):
    rows = exit_answers(multi_label=multi_label)
    for risk in (Risk.DISAGREEMENT, Risk.ACCURACY_DROP):
        assert criterion_name(make_criterion(name, rows, risk)) == name


def test_agreement_is_weighted_with_what_exits_cost_to_reach_however_many_layers_they_come_after():
    rows = replace(exit_answers(n_exits=3, stage_costs=(0.5, 2.0, 4.0)), layers=(0, 0, 4))
    assert make_criterion("agreement", rows, Risk.DISAGREEMENT) == Agreement(rows.problem, (0.5, 2.5, 6.5))


def test_a_criterion_is_made_only_where_costs_are_known():
    with pytest.raises(DataError, match="costs of the stages were not measured"):
        make_criterion("agreement", replace(exit_answers(), costs=None), Risk.DISAGREEMENT)


@pytest.mark.parametrize("name", sorted(FITTED))
def test_what_is_fitted_depends_on_the_rows(name):
    made = [make_criterion(name, exit_answers(seed=seed), Risk.DISAGREEMENT) for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_thresholds_of_exits_depend_on_the_risk_and_a_gate_does_not():
    for name in FITTED:
        for_risk = [
            make_criterion(name, exit_answers(seed=0), risk) for risk in (Risk.DISAGREEMENT, Risk.ACCURACY_DROP)
        ]
        assert (for_risk[0] == for_risk[1]) == (name == "gate")
    unlabeled = make_criterion("gate", exit_answers(seed=0, labeled=False), Risk.ACCURACY_DROP)
    assert unlabeled == make_criterion("gate", exit_answers(seed=0), Risk.ACCURACY_DROP)


def test_a_risk_that_needs_labels():
    with pytest.raises(DataError, match="takes rows with labels"):
        make_criterion("per-exit", exit_answers(labeled=False), Risk.ACCURACY_DROP)


@pytest.mark.parametrize("name", CRITERIA)
def test_a_sweep_goes_from_full_depth_to_the_first_exit(name):
    fitting, judging = exit_answers().split(0.5, 0)
    criterion = make_criterion(name, fitting, Risk.DISAGREEMENT)
    swept = sweep(judging, criterion)
    assert (np.diff(swept.thresholds) < 0).all()
    assert (swept.exits[0] == 3).all()
    assert (swept.exits[-1] == 0).all()
    assert (np.diff(swept.exits, axis=0) <= 0).all()
    middle = len(swept.thresholds) // 2
    expected = replay(judging.probabilities, Threshold(swept.thresholds[middle], criterion))
    np.testing.assert_array_equal(swept.exits[middle], expected.exits)
    taken = np.take_along_axis(swept.answers, expected.exits[None, :, None], axis=0)[0]
    np.testing.assert_array_equal(taken, expected.probabilities)


def test_each_row_is_judged_by_a_gate_that_has_not_seen_it():
    rows = exit_answers(n_rows=60)
    swept = sweep_gate(rows, seed=3)
    assert swept.criterion == make_criterion("gate", rows, Risk.DISAGREEMENT)
    assert (np.diff(swept.exits, axis=0) <= 0).all()
    assert (swept.exits[0] == 3).all()
    part = np.array_split(np.random.default_rng(3).permutation(60), 5)[0]
    others = rows.subset(np.setdiff1d(np.arange(60), part))
    unseen = sweep(rows.subset(part), make_criterion("gate", others, Risk.DISAGREEMENT))
    np.testing.assert_array_equal(swept.exits[:, part], unseen.exits)
    assert (swept.exits != sweep(rows, swept.criterion).exits).any()
    with pytest.raises(DataError, match="1 row cannot be split"):
        sweep_gate(rows.subset(np.arange(1)))


@pytest.mark.parametrize("labeled", [True, False])
def test_all_rules_are_compared_at_costs_that_can_be_reached(labeled):
    lines = compare_rules(exit_answers(labeled=labeled), speedups=(1.25, 2.0, 100.0))
    assert [(line.rule, line.cost) for line in lines] == [(rule, cost) for rule in CRITERIA for cost in (0.8, 0.5)]
    assert all(line.gain.low <= line.gain.value <= line.gain.high for line in lines)
    assert all((line.gain.value, line.gain.low, line.gain.high) == (0, 0, 0) for line in lines[:2])
    if not labeled:
        assert all(line.value.value > 0.7 for line in lines)


def test_nothing_to_compare():
    assert compare_rules(exit_answers(), speedups=(50.0,)) == ()


def test_per_exit_thresholds_are_found_where_an_exit_misleads():
    """The first exit is confidently wrong about many rows: a threshold of its own passes it by."""
    rows = exit_answers(n_rows=4000, n_exits=3)
    misled = rows.logits.copy()
    misled[0, ::3] = misled[0, ::3, ::-1]
    rows = replace(rows, logits=misled, costs=StageCosts((0.1, 1.0, 1.0), 2.1))
    lines = {line.rule: line for line in compare_rules(rows, speedups=(1.5,))}
    assert isinstance(make_criterion("per-exit", rows, Risk.ACCURACY_DROP), PerExit)
    assert lines["per-exit"].gain.low > 0
