"""Long texts, read window by window: the engine does what replay does, and short texts never notice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.chains import small_model
from helpers.long_texts import READ_ON, TEXTS, long_classifier, texts_of
from offramp.calibration import Calibration, Problem
from offramp.engine import torch_classifier
from offramp.engine.chains import chained
from offramp.errors import ModelFolderError, OptionError
from offramp.exit_names import window_of
from offramp.model.windows import COMBINATIONS, ReadOn
from offramp.policy import AtMost, Chosen, Confidence, GeometricMean, Limit, Method, Patience, Risk, Threshold, select

SINGLE = Problem.SINGLE_LABEL
NAMES = tuple(f"layer {layer} of window {window}" for window in (1, 2, 3) for layer in (1, 2, 4))


def assert_replayed(classifier, texts, rule):
    found, answers = classifier.predict(texts, rule=rule, top_k=None), classifier.exit_answers(texts)
    expected = answers.replay(rule)
    np.testing.assert_array_equal(found.exits, expected.exits)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    in_windows = np.array([window_of(name) is not None for name in answers.names])[found.exits]
    np.testing.assert_array_equal(found.tokens[in_windows], answers.tokens_read(expected.exits)[in_windows])
    return found, answers


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("combination", COMBINATIONS)
@settings(max_examples=4)
@given(
    sizes=st.lists(st.integers(0, 40), max_size=8),
    threshold=st.sampled_from([0.0, 0.5, 0.7, 0.9, 1.01]),
    budget=st.sampled_from([1, 20, 64, 4096]),
    seed=st.integers(0, 3),
)
def test_the_engine_does_what_replay_does(combination, words, sizes, threshold, budget, seed):
    read_on = ReadOn(windows=3, overlap=2, combination=combination)
    classifier = long_classifier(read_on, words=words, token_budget=budget, seed=seed)
    texts = texts_of(sizes, seed)
    if len(texts):
        for rule in (Threshold(threshold, Confidence(SINGLE)), Threshold(2, Patience(SINGLE))):
            assert_replayed(classifier, texts, rule)
    assert len(classifier.predict(texts, threshold=threshold)) == len(texts)


def test_a_rule_that_answers_by_several_exits_leaves_full_depth_to_the_model():
    classifier = long_classifier()
    found, answers = assert_replayed(classifier, TEXTS, Threshold(1.01, GeometricMean(SINGLE)))
    np.testing.assert_allclose(found.probabilities, answers.full, atol=1e-5)
    np.testing.assert_array_equal(found.exits, answers.ends)


def test_texts_are_handed_over_at_their_end_where_no_exit_was_sure():
    rule = Threshold(0.9, Confidence(SINGLE), answer_from=0.7)
    found, answers = assert_replayed(long_classifier(), TEXTS, rule)
    np.testing.assert_array_equal(found.handed_over, answers.replay(rule).handed_over)
    assert 0 < found.handed_over.sum() < (found.exits == answers.ends).sum()


def test_what_it_says_of_itself():
    classifier = long_classifier()
    assert classifier.exit_names == NAMES
    assert classifier.exits == (1, 2, 4, 5, 6, 8, 9, 10, 12)
    assert classifier.max_tokens == 12 + 2 * 8
    assert long_classifier(None).exit_names == ("layer 1", "layer 2", "layer 4")
    prints = {long_classifier(way, seed=0).fingerprint for way in (READ_ON, ReadOn(windows=3, overlap=3))}
    assert len(prints) == 2


def test_texts_that_fit_into_one_window_are_answered_as_if_long_ones_were_cut():
    texts = texts_of(range(11))
    cut, onward = (long_classifier(way, seed=0) for way in (None, READ_ON))
    cut.recalibrate(Calibration(onward.calibration.temperatures[:3], "", 0, ()))
    for threshold in (0.6, 0.9, 1.01):
        expected, found = (one.predict(texts, threshold=threshold) for one in (cut, onward))
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)
        np.testing.assert_array_equal(found.exits, expected.exits)
        assert not found.truncated.any()


def test_the_first_window_is_what_is_read_of_a_text_that_is_cut():
    cut, onward = long_classifier(None, seed=0), long_classifier(seed=0)
    cut.recalibrate(Calibration(onward.calibration.temperatures[:3], "", 0, ()))
    for exit_index in range(3):
        expected, found = (one.predict_truncated(TEXTS, exit_index=exit_index) for one in (cut, onward))
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
        np.testing.assert_array_equal(found.truncated, expected.truncated)


@pytest.mark.parametrize("words", [False, True])
def test_order_and_company_change_no_answer(words):
    classifier = long_classifier(words=words)
    together = classifier.predict(TEXTS, threshold=0.8)
    for number, text in enumerate(TEXTS):
        (alone,) = classifier.predict([text], threshold=0.8)
        assert (alone.exit, alone.labels) == (classifier.exit_names[together.exits[number]], together.labels[number])
        assert (alone.layers, alone.truncated) == (together.layers[number], together.truncated[number])
    backwards = classifier.predict(TEXTS[::-1], threshold=0.8)
    np.testing.assert_array_equal(backwards.exits[::-1], together.exits)
    np.testing.assert_allclose(backwards.probabilities[::-1], together.probabilities, atol=1e-6)


def test_every_way_to_full_depth_gives_the_same():
    classifier = long_classifier(words=True)
    answers, full = classifier.exit_answers(TEXTS), classifier.predict_full(TEXTS)
    np.testing.assert_allclose(full.probabilities, answers.full, atol=1e-6)
    np.testing.assert_array_equal(full.exits, answers.ends)
    np.testing.assert_array_equal(full.tokens, answers.tokens)
    for exit_index in range(len(classifier.exits)):
        found = classifier.predict_truncated(TEXTS, exit_index=exit_index)
        np.testing.assert_allclose(found.probabilities, answers.probabilities[exit_index], atol=1e-6)


def test_an_answer_tells_what_was_read_and_whether_something_it_wanted_was_cut_off():
    classifier = long_classifier()
    short, two, beyond = texts_of([5, 15, 80])
    full = classifier.predict([short, two, beyond], threshold=1.01)
    assert full.tokens.tolist() == [7, 12 + 9, 36]
    assert full.layers.tolist() == [4, 8, 12]
    assert full.truncated.tolist() == [False, False, True]
    sure = classifier.predict([short, two, beyond], threshold=0)
    assert sure.tokens.tolist() == [7, 12, 12]
    assert not sure.truncated.any()


def test_rows_cost_nothing_beyond_their_end_and_repeat_their_answer():
    answers = long_classifier().exit_answers(TEXTS)
    costs = answers.row_costs
    for row, end in enumerate(answers.ends):
        assert (costs[end:, row] == costs[end, row]).all()
        assert (np.diff(costs[: end + 1, row]) > 0).all()
        assert (answers.probabilities[end:, :, :][:, row] == answers.probabilities[end, row]).all()
    assert costs[-1].mean() == pytest.approx(1)
    part = answers.subset(np.array([12, 3]))
    assert part.ends.tolist() == [8, 2]


def test_it_can_be_the_last_model_of_a_chain_and_no_other():
    small = torch_classifier(small_model(), Calibration.neutral((2, 4)))
    chain = chained([small, long_classifier()], ["small", "long"], token_budget=64)
    assert chain.exit_names == ("layer 2 of model 1", "layer 4 of model 1", *NAMES)
    for threshold in (0.6, 0.9):
        assert_replayed(chain, TEXTS, Threshold(threshold, Confidence(SINGLE)))
    with pytest.raises(ModelFolderError, match="only the last model of a chain"):
        chained([long_classifier(), small], ["long", "small"], token_budget=64)


@pytest.mark.parametrize(
    ("config", "read_on", "message"),
    [
        ({}, ReadOn(windows=3, overlap=6), "overlap is 6, more than half of the 10 tokens"),
        ({"text_pair": True}, READ_ON, "pairs of texts, which cannot be read window by window"),
    ],
)
def test_a_model_that_cannot_read_on_says_why(config, read_on, message):
    with pytest.raises(OptionError, match=message):
        long_classifier(read_on, **config)


@pytest.mark.parametrize("words", [False, True])
def test_a_gate_passes_over_no_window(words):
    classifier = long_classifier(words=words)
    answers = classifier.exit_answers(texts_of(range(40)))
    selected = select(AtMost((Limit(Risk.DISAGREEMENT, 0.5),), Method.EMPIRICAL, 0.95), "gate", answers, 0)
    if isinstance(selected.choice, Chosen):
        weights = selected.choice.rule.criterion.weights
        assert all(weights[words:])
        found = classifier.predict(TEXTS, rule=selected.choice.rule)
        assert found.exits.tolist() == classifier.exit_answers(TEXTS).replay(selected.choice.rule).exits.tolist()
    assert min(selected.rows.costs.stages[words:]) > 0
