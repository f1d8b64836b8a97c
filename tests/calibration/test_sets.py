from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import f1_score

from helpers.cached import exit_answers
from offramp.calibration import Calibration, Problem, expected_calibration_error
from offramp.calibration.chained import joined, parted
from offramp.calibration.sets import (
    AS_IT_IS,
    Curve,
    confidences,
    decide_of,
    fit_curve,
    fit_thresholds,
    gains_by_f1,
    mean_f1,
)
from offramp.errors import OptionError

MULTI = Problem.MULTI_LABEL


def topics(rows=4000, labels=6, seed=0):
    """Rows of which most have exactly one of some labels, of different frequency, and what an exit believes of each."""
    random = np.random.default_rng(seed)
    shares = np.array([0.6, 0.2, 0.1, 0.05, 0.03, 0.02])[:labels]
    targets = np.eye(labels)[random.choice(labels, rows, p=shares / shares.sum())]
    logits = np.log(shares) + 2.5 * targets + random.normal(scale=1.2, size=(rows, labels))
    return expit(logits), targets.astype(np.int64)


@given(
    st.lists(st.tuples(st.floats(-50, 0), st.floats(0, 1)), max_size=9, unique_by=lambda knot: knot[0]),
    st.lists(st.floats(-800, 0), min_size=2, max_size=20),
)
def test_a_set_that_is_likelier_never_has_a_lower_confidence(knots, logs):
    curve = Curve(tuple(sorted(knot for knot, _ in knots)), tuple(sorted(value for _, value in knots)))
    found = confidences(np.sort(logs), [curve], 0)
    assert np.all(np.diff(found) >= -1e-12)
    assert np.all((found >= 0) & (found <= 1))


def test_a_curve_that_could_fall_is_refused():
    for knots, values in (((-2.0, -1.0), (0.5, 0.4)), ((-1.0, -1.0), (0.4, 0.5)), ((-1.0,), ())):
        with pytest.raises(ValueError, match="may fall"):
            Curve(knots, values)
    with pytest.raises(ValueError, match="not all from 0 to 1"):
        Curve((-1.0,), (1.5,))


def test_without_a_curve_labels_are_independent():
    probabilities, _ = topics(rows=50)
    alike = MULTI.fitted((), [AS_IT_IS])
    np.testing.assert_allclose(alike.confidence(probabilities, 0), MULTI.confidence(probabilities, 0), rtol=1e-9)


def test_the_fitted_confidence_is_the_chance_that_the_whole_set_is_right():
    (before, then), (after, now) = topics(seed=1), topics(seed=2)
    problem = MULTI.fitted((0.3,) * 6, [fit_curve(MULTI.log_probability(before), MULTI.right(before, then))] * 2)
    right = problem.right(after, now)
    problem = problem.fitted(
        problem.thresholds, [fit_curve(problem.log_probability(before), problem.right(before, then))]
    )
    assert expected_calibration_error(MULTI.confidence(after, 0), MULTI.right(after, now)) > 0.1
    assert expected_calibration_error(problem.confidence(after, 0), right) < 0.03


@pytest.mark.parametrize("right", [np.ones(40, bool), np.zeros(40, bool), np.ones(1, bool)])
def test_a_curve_is_finite_even_if_all_sets_are_right_or_none(right):
    curve = fit_curve(-np.linspace(0, 3, len(right)), right)
    assert np.isfinite([*curve.knots, *curve.values]).all()


def test_each_exit_has_a_curve_of_its_own():
    probabilities, _ = topics(rows=9)
    problem = MULTI.fitted((), [AS_IT_IS, Curve((-9.0, 0.0), (0.1, 0.8))])
    both = problem.confidence(np.stack([probabilities] * 2), np.arange(2)[:, None])
    np.testing.assert_array_equal(both, [problem.confidence(probabilities, exit_index) for exit_index in range(2)])


def test_thresholds_give_the_best_f1_of_each_label():
    probabilities, targets = topics(rows=300)
    thresholds = fit_thresholds(probabilities, targets, "f1")
    for label, threshold in enumerate(thresholds):
        found = f1_score(targets[:, label], probabilities[:, label] > threshold)
        best = max(f1_score(targets[:, label], probabilities[:, label] >= value) for value in probabilities[:, label])
        assert found == pytest.approx(best)


def test_a_missed_label_that_costs_more_is_given_more_often():
    probabilities, targets = topics()
    cheap, dear = (np.array(fit_thresholds(probabilities, targets, cost)) for cost in (1.0, 10.0))
    assert (dear < cheap).all()
    missed = (targets[:, 0] == 1) & (probabilities[:, 0] <= dear[0])
    wrong = (targets[:, 0] == 0) & (probabilities[:, 0] > dear[0])
    for other in np.linspace(0.01, 0.99, 60):
        total = 10 * ((targets[:, 0] == 1) & (probabilities[:, 0] <= other)).sum()
        total += ((targets[:, 0] == 0) & (probabilities[:, 0] > other)).sum()
        assert 10 * missed.sum() + wrong.sum() <= total


def test_a_label_that_no_row_has_keeps_a_half():
    probabilities, targets = topics(rows=100)
    targets[:, 3] = 0
    assert fit_thresholds(probabilities, targets, "f1")[3] == 0.5


def test_mean_f1_is_the_macro_f1_of_scikit_learn():
    probabilities, targets = topics(rows=200)
    expected = f1_score(targets, probabilities > 0.4, average="macro", zero_division=0.0)
    assert mean_f1(probabilities > 0.4, targets) == pytest.approx(expected)


def test_thresholds_are_fitted_where_they_help_on_other_rows_alone():
    probabilities, targets = topics()
    assert gains_by_f1(probabilities, targets)
    random = np.random.default_rng(0)
    even = random.random((400, 3))
    assert not gains_by_f1(np.where(even > 0.5, 0.95, 0.05), (even > 0.5).astype(int))


def test_calibrating_fits_curves_and_thresholds_and_keeps_what_it_is_told_to_keep():
    answers = exit_answers(n_rows=600, multi_label=True, labels=4)
    half = answers.calibration("rows")
    fitted = answers.calibration("rows", decide="f1")
    dear = answers.calibration("rows", decide=5.0)
    assert half.thresholds == ()
    assert len(half.curves) == 4
    assert len(fitted.thresholds) == 4
    assert (fitted.decides, dear.decides, half.decides) == ("f1", 5.0, "keep")
    assert answers.under(dear).calibration("rows", miss_cost=5.0) == dear
    assert max(exit_.ece_after for exit_ in fitted.exits) < max(exit_.ece_before for exit_ in fitted.exits)


def test_without_labels_a_set_is_right_if_full_depth_gives_it_and_full_depth_stays():
    answers = exit_answers(n_rows=600, multi_label=True, labels=4)
    known = answers.under(answers.calibration("rows", decide="f1"))
    unlabeled = replace(known, targets=None)
    fitted = unlabeled.calibration("rows", otherwise=known.temperatures)
    now = unlabeled.under(fitted)
    assert fitted.against == "model"
    assert fitted.thresholds == known.problem.thresholds
    np.testing.assert_array_equal(now.problem.predicted(now.full), known.problem.predicted(known.full))
    sure, agree = now.problem.confidence(now.probabilities[1], 1), now.agree(now.probabilities[1])
    assert expected_calibration_error(sure, agree) < 0.05


def test_a_chain_decides_as_its_last_model_and_judges_as_each():
    answers = exit_answers(n_rows=300, multi_label=True, labels=4)
    fitted, plain = answers.calibration("rows", decide="f1"), Calibration((1.0, 2.0), "", 0, ())
    chain = joined([plain, fitted])
    assert chain.thresholds == fitted.thresholds
    assert chain.curves == (AS_IT_IS, AS_IT_IS, *fitted.curves)
    first, last = parted(chain, [2, 4])
    assert (first.curves, first.thresholds) == ((AS_IT_IS, AS_IT_IS), ())
    assert (last.curves, last.thresholds) == (fitted.curves, fitted.thresholds)


@pytest.mark.parametrize(
    ("given", "multi_label", "labeled", "message"),
    [
        ("f2", True, True, "use f1, half, or"),
        ("-1", True, True, "use f1, half, or"),
        ("nan", True, True, "use f1, half, or"),
        ("f1", False, True, "a text has one label"),
        (5, True, False, "takes labels"),
    ],
)
def test_what_cannot_be_decided_by_is_refused(given, multi_label, labeled, message):
    with pytest.raises(OptionError, match=message):
        decide_of(given, multi_label=multi_label, labeled=labeled)


def test_a_cost_may_be_given_as_text():
    assert decide_of("5", multi_label=True) == 5.0
    assert decide_of("half", multi_label=False) == "half"


@pytest.mark.parametrize(
    ("thresholds", "problem"), [((0.5, 1.0), MULTI), ((0.5,), Problem.SINGLE_LABEL), ((float("nan"),), MULTI)]
)
def test_thresholds_that_decide_nothing_are_refused(thresholds, problem):
    with pytest.raises(ValueError, match="thresholds of labels"):
        problem.fitted(thresholds, ())
