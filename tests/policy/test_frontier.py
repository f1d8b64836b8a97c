import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.cached import cached_exits
from offramp.calibration import Problem
from offramp.errors import DataError, OptionError
from offramp.policy import (
    Confidence,
    Patience,
    PerExit,
    Threshold,
    at_exits,
    disagreement,
    exits_taken,
    replay,
    row_costs,
    score_exits,
    search_thresholds,
)

SINGLE = Problem.SINGLE_LABEL


def search(problem, probabilities, stage_costs, n_vectors=20):
    criterion = Confidence(problem)
    scored = score_exits(probabilities, criterion)
    losses = disagreement(scored.answers, problem)
    return search_thresholds(scored.scores, losses, row_costs(stage_costs), criterion, n_vectors)


def uneven(rows, seed=0):
    """Three exits of which the first is far too sure of itself, so that one threshold for all serves it badly."""
    random = np.random.default_rng(seed)
    truth = np.eye(2)[random.integers(0, 2, rows)]
    difficulty = random.exponential(size=(rows, 1))
    logits = [gain * truth / (0.2 + difficulty) + random.normal(size=(rows, 2)) for gain in (0.5, 1.5, 3.0)]
    return SINGLE.probabilities(np.stack([6 * logits[0], 0.7 * logits[1], logits[2]]))


def frontier(probabilities, criterion, costs, grid):
    scored = score_exits(probabilities, criterion)
    exits = exits_taken(scored.scores, grid)
    losses = at_exits(disagreement(scored.answers, SINGLE), exits).mean(axis=1)
    spent = at_exits(np.broadcast_to(costs, (len(probabilities), exits.shape[1])), exits).mean(axis=1)
    return np.interp([0.5, 0.7, 0.9], spent, losses)


def test_beats_one_threshold_where_exits_differ():
    costs = row_costs([1, 1, 1])
    family = search(SINGLE, uneven(3000), [1, 1, 1], 100)
    fresh = uneven(3000, seed=1)
    shared = frontier(fresh, Confidence(SINGLE), costs, Confidence(SINGLE).knob(3).grid(400))
    searched = frontier(fresh, family, costs, family.knob(3).grid(400))
    assert (searched < shared - 0.005).all()


def test_finds_what_trying_all_thresholds_finds():
    probabilities = uneven(60)
    criterion = Confidence(SINGLE)
    scored = score_exits(probabilities, criterion)
    losses, costs = disagreement(scored.answers, SINGLE), row_costs([1, 1, 1])
    family = search_thresholds(scored.scores, losses, costs, criterion, 300)
    tried = [np.append(np.unique(scores), 1.01) for scores in scored.scores]
    every = exits_taken(scored.scores, np.stack(np.meshgrid(*tried), axis=-1).reshape(-1, 2))
    all_costs, all_losses = np.broadcast_to(costs, losses.shape), at_exits(losses, every).mean(axis=1)
    spent = at_exits(all_costs, every).mean(axis=1)
    own = exits_taken(score_exits(probabilities, family).scores, family.knob(3).grid(400))
    for price in (0.1, 0.5, 1.0, 2.0):
        best = (all_losses + price * spent).min()
        found = (at_exits(losses, own) + price * at_exits(all_costs, own)).mean(axis=1).min()
        assert found <= best + 0.02


@settings(max_examples=40)
@given(cached_exits(max_exits=5, least_rows=1, most_rows=40), st.integers(0, 2**16))
def test_is_nested_and_spends_less_from_vector_to_vector(case, seed):
    problem, probabilities = case
    if len(probabilities) == 1:
        return
    stage_costs = np.random.default_rng(seed).random(len(probabilities)) + 0.01
    family = search(problem, probabilities, stage_costs)
    table = np.array(family.thresholds)
    assert (np.diff(table, axis=0) >= 0).all()
    assert table.min() >= 0
    exits = exits_taken(score_exits(probabilities, family).scores, family.knob(len(probabilities)).grid(1000))
    assert (np.diff(exits, axis=0) >= 0).all()


@given(cached_exits(max_exits=5))
def test_the_knob_picks_the_vector(case):
    problem, probabilities = case
    early = len(probabilities) - 1
    vectors = np.sort(np.random.default_rng(0).random((4, max(1, early))), axis=0)
    family = PerExit(Confidence(problem), tuple(map(tuple, vectors.tolist())))
    for knob, vector in enumerate(vectors, 1):
        found = replay(probabilities, Threshold(knob, family)).exits
        scored = score_exits(probabilities, Confidence(problem))
        np.testing.assert_array_equal(found, exits_taken(scored.scores, vector[None, :early])[0])


def test_whole_numbers_and_exits_that_cost_nothing():
    probabilities = uneven(50)
    scored = score_exits(probabilities, Patience(SINGLE))
    losses = disagreement(scored.answers, SINGLE)
    family = search_thresholds(scored.scores, losses, row_costs([1, 1, 1]), Patience(SINGLE))
    assert replay(probabilities, Threshold(1, family)).exits.max() <= 2
    assert search(SINGLE, probabilities, [1, 0, 0]).thresholds


def test_is_plain_numbers():
    family = search(SINGLE, uneven(100), [1, 1, 1])
    content = json.loads(json.dumps(asdict(family), allow_nan=False))
    assert PerExit(Confidence(SINGLE), tuple(map(tuple, content["thresholds"]))) == family


@pytest.mark.parametrize(
    ("thresholds", "match"),
    [
        ((), "thresholds are"),
        (((0.5,), (0.5, 0.6)), "thresholds are"),
        (((-0.5,),), "least of the thresholds is -0.5"),
        (((float("nan"),),), "least of the thresholds is nan"),
        (((0.5, 0.6), (0.6, 0.5)), "falls from one vector"),
    ],
)
def test_not_a_family(thresholds, match):
    with pytest.raises(OptionError, match=match):
        PerExit(Confidence(SINGLE), thresholds)


def test_refuses_what_does_not_fit():
    exits = np.full((3, 1, 2), 0.5)
    with pytest.raises(OptionError, match="1 thresholds, none for exit 1"):
        PerExit(Confidence(SINGLE), ((0.5,),)).score(exits[1], exits[:1])
    with pytest.raises(DataError, match="scores of early exits"):
        search_thresholds(np.zeros((2, 0)), np.zeros((3, 0)), np.zeros((3, 1)), Confidence(SINGLE))
    with pytest.raises(DataError, match="scores of early exits"):
        search_thresholds(np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((3, 1)), Confidence(SINGLE))
    with pytest.raises(OptionError, match="n_vectors is 0"):
        search_thresholds(np.zeros((2, 4)), np.zeros((3, 4)), np.zeros((3, 1)), Confidence(SINGLE), 0)


@given(cached_exits(max_exits=5, least_rows=1), st.integers(1, 5))
def test_one_vector_decides_as_the_family_at_its_knob(cached, knob):
    problem, probabilities = cached
    early = max(1, len(probabilities) - 1)
    family = PerExit(Confidence(problem), tuple((level,) * early for level in (0.0, 0.3, 0.5, 0.5, 1.01)))
    expected = replay(probabilities, Threshold(knob, family))
    found = replay(probabilities, Threshold(1, family.vector(knob)))
    np.testing.assert_array_equal(found.exits, expected.exits)
