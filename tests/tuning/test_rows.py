import numpy as np
import pytest

from conftest import tiny_model
from helpers.toys import LABELS, single
from offramp.backends import REFERENCE
from offramp.calibration import Calibration, fit_temperatures
from offramp.data import LabeledTexts, Texts, point_of, temperatures_of
from offramp.data.seen import FITTING
from offramp.engine import answers_of, torch_classifier
from offramp.engine.reads import tokens_of
from offramp.errors import DataError
from offramp.tuning.rows import check_unused, measure, refit

TOY = single(81)
ROWS = LabeledTexts([row["text"] for row in TOY], None, [row["label"] for row in TOY], 0, "toy.csv")


@pytest.fixture(scope="module")
def classifier():
    return torch_classifier(tiny_model(labels=LABELS), Calibration((1.0, 1.5, 2.0), "", 0, ()), device="cpu")


def test_one_pass_gives_answers_with_the_temperatures_of_the_model(classifier):
    answers = answers_of(classifier, ROWS)
    measured = measure(classifier, ROWS, answers, seconds=0.01)
    temperatures = np.array([1.0, 1.5, 2.0])[:, None, None]
    expected = classifier.problem.probabilities(classifier.exit_answers(ROWS.texts).logits, temperatures)
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-6)
    assert [classifier.labels[target] for target in answers.targets] == ROWS.labels
    assert answers.layers == (1, 2, 4)
    assert len(measured.costs.stages) == 3
    assert measured.rows == 32
    assert answers_of(classifier, Texts(ROWS.texts, None, 0, "toy.csv")).targets is None


def test_all_rows_are_timed_where_there_is_time(classifier):
    rows = ROWS.subset([0, 1, 2])
    assert measure(classifier, rows, answers_of(classifier, rows), seconds=5.0).rows == 3


def test_temperatures_are_fitted_to_one_half(classifier):
    answers = answers_of(classifier, ROWS)
    refitted = refit(classifier, ROWS, answers, seed=0)
    assert sorted(refitted.fitted.texts + refitted.rest.texts) == sorted(ROWS.texts)
    assert (len(refitted.fitted), len(refitted.rest)) == (41, 40)
    targets = np.array([LABELS.index(label) for label in refitted.fitted.labels])
    logits = classifier.exit_answers(refitted.fitted.texts).logits
    expected = fit_temperatures(logits, targets, classifier.problem)
    assert refitted.classifier.calibration.temperatures == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(refitted.answers.logits, classifier.exit_answers(refitted.rest.texts).logits, atol=1e-4)
    assert refitted.answers.tokens.tolist() == tokens_of(classifier.runner.cascade, refitted.rest.texts, None).tolist()
    assert refitted.classifier.fingerprint != classifier.fingerprint
    assert refit(classifier, ROWS, answers, seed=0).fitted == refitted.fitted
    assert refit(classifier, ROWS, answers, seed=1).fitted != refitted.fitted


def test_too_few_rows_are_not_fitted_to(classifier):
    some = ROWS.subset(range(20))
    with pytest.raises(DataError, match=r"takes at least 30 different texts, .* and toy.csv has 10;"):
        refit(classifier, some, answers_of(classifier, some), seed=0)


def test_without_labels_temperatures_are_fitted_to_what_the_last_exit_says():
    calibration = Calibration((1.0, 1.5, 1.0), "", 0, (), against="model")
    classifier = torch_classifier(tiny_model(labels=LABELS), calibration, device="cpu")
    rows = Texts(ROWS.texts, None, 0, "toy.csv")
    refitted = refit(classifier, rows, answers_of(classifier, rows), seed=0)
    found = refitted.classifier.calibration
    assert (found.against, found.rows, found.temperatures[-1]) == ("model", 41, 1.0)
    assert found.temperatures[0] != 1.0
    assert refitted.answers.targets is None


TEMPERATURES, POINT = temperatures_of(REFERENCE), point_of("safe", REFERENCE)


@pytest.mark.parametrize(
    ("uses", "split"),
    [({}, False), ({FITTING: 0.2, TEMPERATURES: 0.1}, False), ({POINT: 1.0}, False), ({TEMPERATURES: 1.0}, True)],
)
def test_rows_that_may_be_used(uses, split):
    check_unused(ROWS, uses, split=split)


@pytest.mark.parametrize(
    ("uses", "split", "message"),
    [
        (
            {FITTING: 0.21},
            False,
            "21% of the rows in toy.csv were used to .*for training.* than it is; use other rows$",
        ),
        ({FITTING: 0.5}, True, r"50% of the rows in toy.csv were used to make this model \(for training"),
        ({FITTING: 0.3, TEMPERATURES: 0.9}, False, "90% of .*for temperatures of torch\\): .*, or `split` to refit"),
    ],
)
def test_rows_that_made_the_model_what_it_is(uses, split, message):
    with pytest.raises(DataError, match=message):
        check_unused(ROWS, uses, split=split)
