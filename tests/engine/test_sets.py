"""Sets of labels that are decided and judged by what was fitted: everywhere alike."""

from dataclasses import replace

import numpy as np
import pytest

from conftest import WORDS, tiny_model
from helpers.chains import SMALL, chain_of, small_model
from helpers.keywords import Keywords
from helpers.replaying import assert_replayed
from offramp.calibration import Calibration
from offramp.calibration.sets import Curve
from offramp.engine import torch_classifier
from offramp.engine.chains import chained
from offramp.errors import OptionError
from offramp.policy import Confidence, Patience, Threshold
from offramp.progress import SpeedWarning

TEXTS = [" ".join(WORDS[start : start + 1 + start % 7]) for start in range(40)]
MULTI = {"problem_type": "multi_label_classification"}
CURVES = (
    Curve((-5.0, 0.0), (0.0, 0.9)),
    Curve((-4.0, -1.0, 0.0), (0.1, 0.5, 0.8)),
    Curve((-6.0, 0.0), (0.0, 1.0)),
    Curve((), ()),
)
FITTED = Calibration(
    (1.5, 2.5, 0.8, 1.3),
    "",
    0,
    (),
    evidence=(0.0, 0.5, 0.0, 0.2),
    thresholds=(0.3, 0.55, 0.45),
    curves=CURVES,
)
PLAIN = replace(FITTED, thresholds=(), curves=())


def with_words(calibration):
    return torch_classifier(tiny_model(**MULTI), calibration, words=Keywords())


@pytest.fixture(scope="module", params=["words", "chain"])
def classifier(request):
    if request.param == "words":
        return with_words(FITTED)
    small = replace(SMALL, curves=CURVES[:2])
    return chained(
        [torch_classifier(small_model(**MULTI), small), with_words(FITTED)], ["small", "large"], token_budget=64
    )


def confidences(classifier):
    answers = classifier.exit_answers(TEXTS)
    exits = np.arange(len(answers.names))[:, None]
    return answers.probabilities, classifier.problem.confidence(answers.probabilities, exits)


def test_the_engine_lets_texts_leave_where_replay_does(classifier):
    probabilities, sure = confidences(classifier)
    ranked = np.sort(sure[:-1].ravel())
    gap = np.diff(ranked).argsort()[-4:]
    for threshold in (ranked[gap] + ranked[gap + 1]) / 2:  # rounding decides nothing there
        rule = Threshold(float(threshold), Confidence(classifier.problem))
        found = assert_replayed(classifier, TEXTS, rule, probabilities)
        np.testing.assert_allclose(found.confidence, sure[found.exits, np.arange(len(TEXTS))], atol=1e-5)
    assert_replayed(classifier, TEXTS, Threshold(2, Patience(classifier.problem)), probabilities)


def test_a_higher_threshold_never_lets_a_text_leave_earlier(classifier):
    exits = [classifier.predict(TEXTS, threshold=threshold).exits for threshold in np.linspace(0, 1.01, 12)]
    assert (np.diff(exits, axis=0) >= 0).all()
    assert len({tuple(taken) for taken in exits}) > 3


def test_texts_get_the_same_answer_in_any_company(classifier):
    together = classifier.predict(TEXTS, threshold=0.6)
    for place in (0, 17, 39):
        alone = classifier.predict([TEXTS[place]], threshold=0.6)
        assert alone.labels[0] == together.labels[place]
        assert alone.confidence[0] == pytest.approx(together.confidence[place], abs=1e-6)


def test_labels_hold_above_their_thresholds_at_every_exit(classifier):
    for exit_index in range(len(classifier.exit_names)):
        found = classifier.predict_truncated(TEXTS, exit_index=exit_index)
        expected = found.probabilities > [0.3, 0.55, 0.45]
        assert found.labels == [tuple(np.array(classifier.labels)[row]) for row in expected]
    assert classifier.predict_full(TEXTS).labels == classifier.predict(TEXTS, threshold=1.01).labels


def test_a_curve_alone_changes_no_set():
    judged = with_words(replace(PLAIN, curves=CURVES))
    assert judged.predict_full(TEXTS).labels == with_words(PLAIN).predict_full(TEXTS).labels


def test_what_decides_and_judges_is_a_part_of_the_model():
    models = (PLAIN, FITTED, replace(FITTED, thresholds=()), replace(FITTED, curves=()))
    assert len({with_words(calibration).fingerprint for calibration in models}) == 4
    changed = with_words(PLAIN)
    changed.recalibrate(FITTED)
    assert changed.fingerprint == with_words(FITTED).fingerprint
    assert changed.predict(TEXTS).labels == with_words(FITTED).predict(TEXTS).labels


def test_a_stage_before_a_model_leaves_its_sets_as_they_are():
    before = torch_classifier(tiny_model(**MULTI), replace(FITTED, **_without_words(FITTED)))
    longer = before.with_first(Keywords(), 1.5)
    assert longer.predict_full(TEXTS).labels == before.predict_full(TEXTS).labels
    np.testing.assert_array_equal(longer.predict_full(TEXTS).confidence, before.predict_full(TEXTS).confidence)


def _without_words(calibration):
    return {"temperatures": calibration.temperatures[1:], "curves": calibration.curves[1:], "evidence": ()}


def test_thresholds_and_curves_have_to_fit_the_model():
    with pytest.raises(OptionError, match="2 thresholds for 3 labels"):
        with_words(replace(FITTED, thresholds=(0.3, 0.5)))
    with pytest.raises(ValueError, match="4 temperatures and 3 curves"):
        replace(FITTED, curves=CURVES[:3])


def test_a_chain_without_anything_fitted_is_as_before():
    assert chain_of(**MULTI).problem.thresholds == ()
    assert chain_of(**MULTI).problem.curves == ()


def test_predicting_tells_once_that_the_default_would_not_pay(recwarn):
    from offramp.calibration import DefaultThreshold

    slow = with_words(replace(PLAIN, default=DefaultThreshold(0.62, (0.0, 0.02, 0.02, 0.96), 0.97)))
    with pytest.warns(SpeedWarning, match=r"a confidence of 0.62, .* ran 97% of the layers; .* offramp tune"):
        slow.predict(TEXTS)
    recwarn.clear()
    slow.predict(TEXTS, threshold=0.62)
    fast = with_words(replace(PLAIN, default=DefaultThreshold(0.62, (0.5, 0.0, 0.0, 0.5), 0.5)))
    assert fast.default_threshold == fast.exit_rule().threshold == 0.62
    with_words(PLAIN).predict(TEXTS)
    assert not [found for found in recwarn if found.category is SpeedWarning]
