from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import hamming_loss

from helpers.cached import cached_exits, every_criterion, exit_answers
from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.policy import (
    AtMost,
    Confidence,
    Limit,
    Method,
    Risk,
    Threshold,
    accuracy_drop,
    at_exits,
    disagreement,
    exits_taken,
    replay,
    row_costs,
    score_exits,
    select,
)
from offramp.policy.sweep import labels_changed

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL


@settings(max_examples=60)
@given(cached_exits())
def test_equals_replay_for_every_rule_and_threshold(case):
    problem, probabilities = case
    n_exits, n_rows, _ = probabilities.shape
    for criterion in every_criterion(problem, n_exits):
        scored = score_exits(probabilities, criterion)
        # Scores themselves are the thresholds at which rounding would show.
        seen = scored.scores[~np.isnan(scored.scores)]
        thresholds = np.unique([*criterion.knob(n_exits).grid(5), *seen[:: max(1, len(seen) // 6)]])
        taken = exits_taken(scored.scores, thresholds)
        assert taken.shape == (len(thresholds), n_rows)
        assert taken.dtype == np.int64
        for threshold, exits in zip(thresholds, taken, strict=True):
            expected = replay(probabilities, Threshold(threshold, criterion))
            np.testing.assert_array_equal(exits, expected.exits)
            np.testing.assert_array_equal(scored.answers[exits, np.arange(n_rows)], expected.probabilities)
        assert (np.diff(taken, axis=0) >= 0).all()  # a higher threshold never lets a row leave earlier


@given(cached_exits())
def test_does_not_depend_on_the_layout_in_memory(case):
    problem, probabilities = case
    for criterion in every_criterion(problem, len(probabilities)):
        plain, other = (score_exits(array, criterion) for array in (probabilities, np.asfortranarray(probabilities)))
        np.testing.assert_array_equal(plain.scores, other.scores)
        np.testing.assert_array_equal(plain.answers, other.answers)


def test_one_threshold_for_each_exit():
    scores = np.array([[0.9, 0.5, 0.2], [0.1, 0.8, 0.3]])
    assert exits_taken(scores, [[0.8, 0.7], [0.4, 0.2]]).tolist() == [[0, 1, 2], [0, 0, 1]]
    np.testing.assert_array_equal(exits_taken(scores, [0.5]), exits_taken(scores, [[0.5, 0.5]]))
    for wrong in ([[0.5]], [[[0.5, 0.5]]], 0.5):
        with pytest.raises(DataError, match="thresholds have shape"):
            exits_taken(scores, wrong)


def test_not_probabilities_of_exits():
    with pytest.raises(DataError, match="exits, rows, labels"):
        score_exits(np.zeros((3, 2)), Confidence(SINGLE))


def test_one_exit():
    scored = score_exits(np.full((1, 4, 2), 0.5), Confidence(SINGLE))
    assert scored.scores.shape == (0, 4)
    assert exits_taken(scored.scores, [0.0, 2.0]).tolist() == [[0] * 4] * 2


def test_losses():
    answers = np.array([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [[0.8, 0.2], [0.7, 0.3], [0.1, 0.9]]])
    assert disagreement(answers, SINGLE).tolist() == [[0, 1, 1], [0, 0, 0]]
    assert accuracy_drop(answers, np.array([0, 0, 0]), SINGLE).tolist() == [[0, 1, -1], [0, 0, 0]]
    sets = np.array([[1, 0], [0, 1], [1, 0]])
    assert accuracy_drop(answers, sets, MULTI).tolist() == [[0, -1, -1], [0, 0, 0]]
    assert at_exits(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[0, 1, 0], [1, 1, 1]])).tolist() == [
        [1, 5, 3],
        [4, 5, 6],
    ]


def test_costs_are_shares_of_the_mean_full_depth():
    np.testing.assert_allclose(row_costs([1, 1, 2]), [[0.25], [0.5], [1]])
    costs = row_costs([1, 3], np.array([10, 30]))
    np.testing.assert_allclose(costs, [[0.125, 0.375], [0.5, 1.5]])
    assert costs[-1].mean() == 1
    # In one go, full depth costs less than stage by stage.
    np.testing.assert_allclose(row_costs([1, 3], full=3.2), [[1 / 3.2], [4 / 3.2]])


@pytest.mark.parametrize("costs", [[], [0, 0], [1, -1], [1, float("nan")], [[1, 2]]])
def test_costs_have_to_be_costs(costs):
    with pytest.raises(DataError, match="stage_costs are"):
        row_costs(costs)


@pytest.mark.parametrize("tokens", [[], [0, 0]])
def test_costs_need_tokens(tokens):
    with pytest.raises(DataError, match="tokens"):
        row_costs([1, 2], np.array(tokens, dtype=np.int64))


def test_losses_against_another_reference():
    answers = np.array([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [[0.8, 0.2], [0.7, 0.3], [0.3, 0.7]]])
    reference = np.array([1, 1, 0])
    assert disagreement(answers, SINGLE, reference).tolist() == [[1, 0, 0], [1, 1, 1]]
    assert accuracy_drop(answers, np.array([0, 1, 1]), SINGLE, reference).tolist() == [[-1, 0, 0], [-1, 1, -1]]
    sets = np.array([[1, 1], [0, 1], [0, 0]])
    assert labels_changed(answers, MULTI, sets).tolist() == [[0.5, 0, 0.5], [0.5, 1, 0.5]]


def test_labels_changed_is_the_hamming_loss_against_full_depth():
    answers = exit_answers(n_rows=50, labels=5, multi_label=True)
    found = answers.losses(answers.probabilities, Risk.LABELS_CHANGED)
    sets = answers.probabilities > 0.5
    expected = [[hamming_loss(full, here) for full, here in zip(sets[-1], exit_, strict=True)] for exit_ in sets]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(found > 0, answers.losses(answers.probabilities, Risk.DISAGREEMENT) > 0)


def test_a_share_of_labels_can_be_bounded():
    answers = exit_answers(n_rows=2000, labels=5, multi_label=True)
    goal = AtMost((Limit(Risk.LABELS_CHANGED, 0.02),), None, 0.9)
    chosen = select(goal, "confidence", replace(answers, targets=None)).choice
    changed = at_exits(answers.losses(answers.probabilities, Risk.LABELS_CHANGED), chosen.exits[None]).mean()
    assert 0 < changed <= 0.02
    assert chosen.promises[0].method is Method.UCB
