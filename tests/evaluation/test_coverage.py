import numpy as np
import pytest

from helpers.evaluations import answers_of
from offramp.calibration import Problem
from offramp.evaluation.coverage import handing_over, risk_coverage
from offramp.policy import Confidence, Threshold, replay


def test_errors_among_the_surest():
    confidence, right = np.linspace(0.99, 0.5, 100), np.arange(100) % 10 != 9
    right[:30] = True
    curve = risk_coverage("full depth", confidence, right)
    assert curve.coverages[0] == 0.2  # of fewer answers nothing is said
    assert curve.coverages[-1] == 1.0
    at = dict(zip(curve.coverages, curve.errors, strict=True))
    assert (at[0.3], at[0.4], at[1.0]) == (0.0, pytest.approx(1 / 40), pytest.approx(0.07))
    assert curve.area == pytest.approx(np.mean(np.cumsum(~right) / np.arange(1, 101)))


def test_rows_that_are_equally_sure_are_answered_together():
    curve = risk_coverage("full depth", np.full(50, 0.9), np.arange(50) < 40)
    assert (curve.coverages, curve.errors, curve.area) == ((1.0,), (0.2,), pytest.approx(0.2))


def test_what_a_rule_hands_over():
    answers = answers_of()
    taken = replay(answers.probabilities, Threshold(0.9, Confidence(Problem.SINGLE_LABEL), answer_from=0.9))
    found = handing_over(answers, taken)
    answered = ~taken.handed_over
    assert 0 < found.coverage == answered.mean() < 1
    assert found.accuracy.value == pytest.approx(answers.right(taken.probabilities)[answered].mean())
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    everything = replay(answers.probabilities, Threshold(1.01, Confidence(Problem.SINGLE_LABEL), answer_from=1.01))
    assert (handing_over(answers, everything).coverage, handing_over(answers, everything).accuracy) == (0.0, None)
    assert (found.answered, found.handed_over) == (answered.sum(), (~answered).sum())
    assert found.full_accuracy == pytest.approx(answers.right(answers.full)[answered].mean())
    assert found.agreement == pytest.approx(answers.agree(taken.probabilities)[answered].mean())
