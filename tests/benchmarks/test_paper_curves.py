"""The arithmetic of the reproduction, on answers made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper import curves
from benchmarks.paper.times import Cost, Lot, RealSpeed, Times
from offramp.calibration import Problem
from offramp.exit_names import layer_name
from offramp.policy import ExitAnswers, Outcomes
from offramp.records import from_json, to_json

LAYERS = (1, 2, 4, 6)


@pytest.fixture
def lot():
    """Stages cost as many milliseconds a token as they have layers, and full depth 6 in one go."""
    stages = tuple(Cost(0.0, 1e-3 * layers) for layers in (1, 1, 2, 2))
    cut = tuple(Cost(0.0, 1e-3 * layers) for layers in LAYERS[:-1])
    real = (RealSpeed(0.9, 2.0, 1.9, 2.1, 2.0), RealSpeed(0.0, 6.0, 5.9, 6.1, 6.0))
    return Lot(10, Cost(0.0, 6e-3), stages, cut, real)


def answers(rows=400, seed=0):
    """Exits of which each is right more often than the one before, and surer where it is right."""
    random = np.random.default_rng(seed)
    targets = random.integers(3, size=rows)
    logits = random.normal(size=(4, rows, 3))
    for index in range(4):
        logits[index, np.arange(rows), targets] += 1.0 + index
    return ExitAnswers(
        logits=logits,
        temperatures=(1.0,) * 4,
        problem=Problem.SINGLE_LABEL,
        targets=targets,
        tokens=random.integers(5, 50, size=rows),
        truncated=np.zeros(rows, bool),
        layers=LAYERS,
        names=tuple(map(layer_name, LAYERS)),
    )


def test_a_row_costs_the_stages_up_to_its_exit(lot):
    tokens = np.array([10, 30])
    assert lot.shares(tokens) == pytest.approx(np.outer([1, 2, 4, 6], [0.5, 1.5]) / 6)
    assert lot.cut_shares(1, tokens) == pytest.approx([1 / 6, 1 / 2])
    assert lot.cut_shares(3, tokens).mean() == pytest.approx(1)


def test_times_come_back_from_json(lot):
    times = Times({"cpu": "one"}, "sha256:0", lot, replace(lot, rows=5))
    assert from_json(Times, to_json(times)) == times


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


def test_what_early_exit_takes_beyond_its_stages_is_added(lot):
    found = answers()
    real = (RealSpeed(1.01, 0.9, 0.9, 0.9, 1.0), RealSpeed(0.5, 1.6, 1.6, 1.6, 2.0), RealSpeed(0.0, 6.0, 6.0, 6.0, 6.0))
    slower = curves.early_exit(found, replace(lot, real=real))
    sums = curves.early_exit(found, lot)
    share = sums.costs.mean(axis=1) / slower.costs.mean(axis=1)
    assert (share[0], share[-1]) == pytest.approx((0.9, 1.0))
    speeds = 1 / sums.costs.mean(axis=1)
    between = np.abs(speeds - 1.5).argmin()
    assert share[between] == pytest.approx(np.interp(speeds[between], [1, 2], [0.9, 0.8]))
    np.testing.assert_array_equal(slower.values, sums.values)


def test_what_the_rows_allow_is_the_fastest_setting_that_is_good_enough(lot):
    found = answers()
    outcomes, standard = curves.early_exit(found, lot), curves.one_exit(found, lot.cut_shares(3, found.tokens))
    at = curves.reach(outcomes, standard, 0.02)
    good = outcomes.values.mean(axis=1) >= standard.values.mean() - 0.02
    assert at.speedup == pytest.approx(1 / outcomes.costs.mean(axis=1)[good].min())
    assert 1 <= at.low <= at.speedup <= at.high <= 6.1
    assert curves.reach(outcomes, standard, 1.0).speedup == pytest.approx(6)
    never = curves.reach(outcomes, Outcomes(np.ones((1, 400)), standard.costs), -0.01)
    assert (never.speedup, never.low) == (None, 1.0)
    # Where all that is good enough is slower, the standard model stays.
    slower = curves.reach(Outcomes(standard.values, 1.1 * standard.costs), standard, 0.02)
    assert (slower.speedup, slower.low, slower.high) == (None, 1.0, 1.0)
    # Against itself it is as fast in every resample, whichever texts are drawn.
    itself = curves.reach(standard, standard, 0.0)
    assert (itself.speedup, itself.low, itself.high) == (None, 1.0, 1.0)


def test_a_setting_is_chosen_on_other_rows_than_it_is_judged_by(lot):
    dev, test = answers(seed=1), answers(seed=2)
    tried = [curves.early_exit(one, lot) for one in (dev, test)]
    standard = [curves.one_exit(one, lot.cut_shares(3, one.tokens)) for one in (dev, test)]
    found = curves.chosen(tried[0], standard[0], tried[1], standard[1], 0.02)
    good = tried[0].values.mean(axis=1) >= standard[0].values.mean() - 0.02
    setting = np.flatnonzero(good)[tried[0].costs.mean(axis=1)[good].argmin()]
    assert found.speedup == pytest.approx(1 / tried[1].costs[setting].mean())
    assert found.gain.value == pytest.approx(tried[1].values[setting].mean() - standard[1].values.mean())
    assert found.gain.low < found.gain.value < found.gain.high
    perfect = Outcomes(np.ones((1, 400)), standard[0].costs)
    assert curves.chosen(tried[0], perfect, tried[1], standard[1], -0.01) is None


def test_timed_thresholds_run_from_the_first_exit_to_full_depth():
    found = answers()
    thresholds = curves.spread_thresholds(found, 7)
    assert len(thresholds) == 7
    confidence = found.probabilities[:-1].max(-1)
    layers = []
    for threshold in thresholds:
        leaves = confidence >= threshold
        layers.append(np.array(LAYERS)[np.where(leaves.any(0), leaves.argmax(0), 3)].mean())
    assert (layers[0], layers[-1]) == (1, 6)
    assert np.diff(layers) == pytest.approx([5 / 6] * 6, abs=0.3)


@pytest.mark.parametrize("name", ["confidence", "certainty", "agreement"])
def test_thresholds_for_each_exit_follow_the_rows_they_are_fitted_to(lot, name):
    found = answers()
    costs, criterion = lot.shares(found.tokens), curves.criterion_named(name, LAYERS)
    fitted = curves.at_thresholds(found, costs, curves.per_exit(found, costs, criterion))
    shared = curves.at_thresholds(found, costs, criterion)
    # On the rows that they are fitted to they can only gain.
    at = [1.5, 2.0, 3.0]
    gains = np.subtract(curves.accuracy_at(fitted, at), curves.accuracy_at(shared, at))
    assert gains.min() > -0.01
    assert curves.fastest(fitted) == pytest.approx(curves.fastest(shared))


def test_models_in_turn_pay_for_all_that_ran(lot):
    small, large = answers(seed=1), answers(seed=1)
    chain = curves.in_turn([(small, lot.cut_shares(0, small.tokens)), (large, lot.cut_shares(3, large.tokens))])
    costs = curves.at_thresholds(*chain).costs.mean(axis=1)
    assert (costs.max(), costs.min()) == pytest.approx((7 / 6, 1 / 6))


def test_a_comparison_is_paired_and_within_reach_of_both(lot):
    found = answers()
    ours, cut = curves.early_exit(found, lot), curves.one_exit(found, lot.cut_shares(1, found.tokens))
    (same,) = curves.versus(ours, ours, [2.0])
    assert (same.gain.value, same.gain.low, same.gain.high, same.verdict) == (0, 0, 0, "even")
    assert curves.versus(ours, cut, [3.1]) == []
    (at,) = curves.versus(ours, cut, [3.0, 3.1])
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
