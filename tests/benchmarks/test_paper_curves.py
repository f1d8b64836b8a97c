"""The arithmetic of the reproduction, on answers made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper import curves
from benchmarks.paper.curves import Answers
from benchmarks.paper.times import Cost, Lot, RealSpeed, Times

LAYERS = (1, 2, 4, 6)


@pytest.fixture
def lot():
    """Stages cost as many milliseconds a token as they have layers, and full depth 6 in one go."""
    stages = tuple(Cost(0.0, 1e-3 * layers) for layers in (1, 1, 2, 2))
    cut = tuple(Cost(0.0, 1e-3 * layers) for layers in LAYERS[:-1])
    return Lot(10, Cost(0.0, 6e-3), stages, cut, (RealSpeed(0.9, 0.01, 2.0, 1.9, 2.1, 2.2),))


def answers(rows=400, seed=0):
    """Exits of which each is right more often than the one before, and surer where it is right."""
    random = np.random.default_rng(seed)
    targets = random.integers(3, size=rows)
    logits = random.normal(size=(4, rows, 3))
    for index in range(4):
        logits[index, np.arange(rows), targets] += 1.0 + index
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return Answers(probabilities, targets, random.integers(5, 50, size=rows), LAYERS, 0.0)


def test_a_row_costs_the_stages_up_to_its_exit(lot):
    tokens = np.array([10, 30])
    assert lot.shares(tokens) == pytest.approx(np.outer([1, 2, 4, 6], [0.5, 1.5]) / 6)
    assert lot.cut_shares(1, tokens) == pytest.approx([1 / 6, 1 / 2])
    assert lot.cut_shares(3, tokens).mean() == pytest.approx(1)


def test_times_come_back_from_json(lot):
    times = Times({"cpu": "one"}, "sha256:0", lot, replace(lot, rows=5))
    assert Times.from_dict(times.to_dict()) == times


@given(st.floats(1e-4, 1e-2), st.floats(1e-6, 1e-4), st.integers(0, 2**31))
def test_the_cost_of_a_text_is_found_through_pauses(per_row, per_token, seed):
    random = np.random.default_rng(seed)
    tokens = random.integers(5, 60, size=60)
    seconds = per_row + per_token * tokens
    seconds[random.permutation(60)[:3]] += 5.0
    found = Cost.fitted(tokens, seconds)
    assert found.of(tokens) == pytest.approx(per_row + per_token * tokens, rel=1e-3)


def test_early_exit_runs_from_the_first_exit_to_full_depth(lot):
    found = answers()
    outcomes = curves.early_exit(found, lot)
    costs, values = outcomes.costs.mean(axis=1), outcomes.values.mean(axis=1)
    assert (costs[0], values[0]) == pytest.approx((1.0, found.accuracies[-1]))
    assert (costs[-1], values[-1]) == pytest.approx((1 / 6, found.accuracies[0]))
    assert curves.fastest(outcomes) == pytest.approx(6)
    assert curves.accuracy_at(outcomes, [1.0, 6.0, 6.5]) == pytest.approx([values[0], values[-1], None])


def test_the_lowest_threshold_is_that_of_the_fastest_knob(lot):
    found = answers()
    accuracy = found.accuracies[-1] - 0.02
    threshold = curves.lowest_threshold(found, accuracy)
    probabilities = found.probabilities
    leaves = probabilities[:-1].max(-1) >= threshold
    taken = np.where(leaves.any(0), leaves.argmax(0), 3)
    right = probabilities[taken, np.arange(400)].argmax(-1) == found.targets
    assert right.mean() >= accuracy
    cost = lot.shares(found.tokens)[taken, np.arange(400)].mean()
    assert curves.fastest_with(curves.early_exit(found, lot), accuracy) == pytest.approx(1 / cost)
    assert curves.lowest_threshold(found, 1.1) is None
    assert curves.fastest_with(curves.early_exit(found, lot), 1.1) is None


def test_models_in_turn_pay_for_all_that_ran(lot):
    small, large = answers(seed=1), answers(seed=1)
    outcomes = curves.in_turn([(small, lot.cut_shares(0, small.tokens)), (large, lot.cut_shares(3, large.tokens))])
    costs = outcomes.costs.mean(axis=1)
    assert (costs.max(), costs.min()) == pytest.approx((7 / 6, 1 / 6))


def test_a_comparison_is_paired_and_within_reach_of_both(lot):
    found = answers()
    ours, cut = curves.early_exit(found, lot), curves.one_exit(found, lot.cut_shares(1, found.tokens))
    same = curves.versus(ours, ours, 2.0)
    assert (same.gain.value, same.gain.low, same.gain.high, same.verdict) == (0, 0, 0, "even")
    assert curves.versus(ours, cut, 3.1) is None
    at = curves.versus(ours, cut, 3.0)
    assert at.theirs == pytest.approx(found.accuracies[-1])
    assert at.ours < at.theirs
    assert at.verdict == "worse"


def test_the_area_is_the_mean_height_of_the_curve(lot):
    found = answers()
    first, last = found.accuracies[0], found.accuracies[-1]
    assert first < curves.area(curves.early_exit(found, lot)) < max(found.accuracies) + 0.01
    flat = curves.one_exit(found, np.ones(400))
    assert curves.area(flat) == pytest.approx(last)


def test_confidence_goes_with_consistency():
    found = curves.correlations(answers())
    assert found.consistency > 0.2
    assert abs(found.length) < 0.2
    same = replace(answers(), tokens=np.full(400, 7))
    assert curves.correlations(same).length is None
    assert curves.mean_correlations([found, curves.correlations(same)]).length == found.length
