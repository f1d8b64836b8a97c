import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from helpers.problems import PROBLEMS
from offramp.calibration import Problem, auroc
from offramp.errors import DataError, OptionError
from offramp.policy import Confidence, Gate, Threshold, fit_gate, replay

SINGLE = Problem.SINGLE_LABEL


def example(seed, rows=2000, problem=SINGLE):
    """Exits that grow better and are right more often when they repeat the exit before."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, 3, rows)
    truth = np.eye(3)[targets]
    centred = truth - (0 if problem is SINGLE else 0.5)
    logits = np.stack([centred * gain + random.normal(size=(rows, 3)) for gain in (1.5, 2.0, 4.0)])
    probabilities = problem.probabilities(2 * logits)
    return probabilities, problem.right(probabilities, targets if problem is SINGLE else truth)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_learns_to_tell_right_from_wrong(problem):
    gate = fit_gate(*example(0, problem=problem), problem)
    probabilities, right = example(1, problem=problem)
    for index in range(2):
        score = gate.score(probabilities[index], probabilities[:index])
        plain = Confidence(problem).score(probabilities[index], probabilities[:index])
        assert auroc(score, right[index]) >= auroc(plain, right[index]) - 0.01
        assert score.mean() == pytest.approx(right[index].mean(), abs=0.05)
    assert auroc(gate.score(probabilities[1], probabilities[:1]), right[1]) > auroc(
        Confidence(problem).score(probabilities[1], probabilities[:1]), right[1]
    )


def test_it_scores_the_last_exit_where_it_was_fitted_to():
    probabilities, right = example(0)
    gate = fit_gate(probabilities, right, SINGLE, last=True)
    assert gate.biases[:2] == fit_gate(probabilities, right, SINGLE).biases
    score = gate.score(probabilities[2], probabilities[:2])
    assert score.mean() == pytest.approx(right[2].mean(), abs=0.01)
    handed_over = replay(probabilities, Threshold(0.9, gate, answer_from=0.9)).handed_over
    assert 0 < handed_over.mean() < 1
    with pytest.raises(OptionError, match="fitted for 2 exits"):
        replay(probabilities, Threshold(1.01, fit_gate(probabilities, right, SINGLE), answer_from=0.9))


def test_is_plain_numbers():
    gate = fit_gate(*example(0), SINGLE)
    content = json.loads(json.dumps(asdict(gate), allow_nan=False))
    again = Gate(Problem(content["problem"]["type"]), tuple(map(tuple, content["weights"])), tuple(content["biases"]))
    assert again == gate
    assert len({Threshold(0.9, gate), Threshold(0.9, again)}) == 1


def test_an_exit_that_is_always_right_or_always_wrong():
    probabilities, right = example(0, rows=98)
    right[0], right[1] = True, False
    gate = fit_gate(probabilities, right, SINGLE)
    np.testing.assert_allclose(gate.score(probabilities[0], probabilities[:0]), 0.99)
    np.testing.assert_allclose(gate.score(probabilities[1], probabilities[:1]), 0.01)
    assert set(replay(probabilities, Threshold(0.9, gate)).exits) == {0}


def test_an_exit_that_is_passed_over_lets_no_row_leave_and_is_not_looked_back_at():
    probabilities, right = example(0)
    gate = fit_gate(probabilities, right, SINGLE, passed_over=(0,))
    assert gate.weights[0] == ()
    alone = fit_gate(probabilities[1:], right[1:], SINGLE)
    assert (gate.weights[1:], gate.biases[1:]) == (alone.weights, alone.biases)
    unknown = probabilities.copy()
    unknown[0] = np.nan
    rule = Threshold(0.8, gate)
    np.testing.assert_array_equal(replay(unknown, rule).exits, replay(probabilities, rule).exits)
    assert 0 not in replay(probabilities, rule).exits
    assert [rule.asks(index) for index in range(2)] == [False, True]
    assert set(replay(probabilities, Threshold(0.0, gate)).exits) == {1}


def test_one_threshold_means_the_same_at_exits_that_are_calibrated_differently():
    """The first exit says more than it knows; by its confidence rows would leave there far too early."""
    probabilities, right = example(0, rows=4000)
    probabilities = np.stack([SINGLE.probabilities(4 * SINGLE.logits(probabilities[0])), *probabilities[1:]])
    here, there = slice(None, 2000), slice(2000, None)
    rule = Threshold(0.9, fit_gate(probabilities[:, here], right[:, here], SINGLE))
    exits = replay(probabilities[:, there], rule).exits
    wrong = [1 - right[index, there][exits == index].mean() for index in range(2)]
    assert max(wrong) < 0.1
    exits = replay(probabilities[:, there], Threshold(0.9, Confidence(SINGLE))).exits
    assert 1 - right[0, there][exits == 0].mean() > 0.15


def test_a_model_of_one_exit_needs_no_gate():
    probabilities, right = example(0, rows=5)
    assert fit_gate(probabilities[:1], right[:1], SINGLE) == Gate(SINGLE, (), ())


def test_refuses_what_it_cannot_learn_from():
    probabilities, right = example(0, rows=5)
    with pytest.raises(DataError, match="verdict for each exit"):
        fit_gate(probabilities, right[:, :4], SINGLE)
    with pytest.raises(DataError, match="verdict for each exit"):
        fit_gate(probabilities[:, :0], right[:, :0], SINGLE)
    probabilities[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="NaN"):
        fit_gate(probabilities, right, SINGLE)
    with pytest.raises(OptionError, match="give 3 and 1 per exit"):
        Gate(SINGLE, ((1.0, 2.0),), (0.0,))


def test_more_exits_than_it_was_fitted_for():
    probabilities, right = example(0, rows=50)
    gate = fit_gate(probabilities[:2], right[:2], SINGLE)
    with pytest.raises(OptionError, match="fitted for 1 exits, but this is exit 1"):
        gate.score(probabilities[1], probabilities[:1])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_label_that_is_doubted_has_a_threshold_of_its_own(problem):
    probabilities, right = example(0, problem=problem)
    gate = fit_gate(probabilities, right, problem)
    doubting = replace(gate, doubts=(0.0, 1.5, 0.0))
    held = problem.has_label(problem.predicted(probabilities[0]), 1)
    plain, doubted = (one.score(probabilities[0], probabilities[:0]) for one in (gate, doubting))
    np.testing.assert_array_equal(plain[~held], doubted[~held])
    np.testing.assert_array_equal(doubted >= 0.7, plain >= np.where(held, doubting.least(0.7, 1), 0.7))
    assert held.any()
    assert doubting.least(0.7, 0) == pytest.approx(0.7)
    assert doubting.least(0.7, 1) > 0.7
    some = np.flatnonzero(held)[:3]
    np.testing.assert_array_equal(doubting.score(probabilities[0, some], probabilities[:0, some]), doubted[some])


def test_a_score_that_is_unknown_stays_so_whatever_is_doubted():
    gate = Gate(SINGLE, ((),), (0.0,), doubts=(1.0, 0.0))
    assert np.isnan(gate.score(np.array([[0.9, 0.1]]), np.empty((0, 1, 2)))).all()
