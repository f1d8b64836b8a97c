import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.policy import DEFAULT_THRESHOLD, Confidence, exits_taken, score_exits, threshold_grid


def of(answers):
    return answers.default_threshold()


def test_a_model_that_is_often_sure_has_the_usual_threshold():
    found = of(exit_answers(labels=2))
    assert found.threshold == DEFAULT_THRESHOLD
    assert sum(found.exits) == pytest.approx(1)


def test_a_model_that_is_seldom_sure_lets_texts_leave_where_it_is_as_sure_as_full_depth_mostly_is():
    answers = exit_answers(labels=12, multi_label=True)
    found = of(answers)
    sure = answers.problem.confidence(answers.full, 3)
    assert found.threshold < 0.9
    assert found.threshold == pytest.approx(np.median(sure), rel=0.05)
    taken = exits_taken(score_exits(answers.probabilities, Confidence(answers.problem)).scores, [found.threshold])[0]
    np.testing.assert_allclose(found.exits, np.bincount(taken, minlength=4) / len(answers))
    assert found.layers == pytest.approx(np.mean(taken + 1) / 4)


@pytest.mark.parametrize("labels", [2, 12])
def test_a_grid_spreads_over_the_confidences_that_a_model_has(labels):
    answers = exit_answers(labels=labels, multi_label=True)
    grid = threshold_grid(answers.probabilities, answers.problem)
    assert grid[0] == 0
    assert grid[-1] > 1
    assert list(grid) == sorted(set(grid))
    taken = exits_taken(score_exits(answers.probabilities, Confidence(answers.problem)).scores, grid)
    layers = (taken + 1).mean(axis=1)
    assert np.diff(layers).max() < 0.75
    assert all(len(f"{threshold:.5f}".rstrip("0")) <= 7 for threshold in grid)
