"""Several models in a row are one classifier, with one label order, whose rows change tokenizers on the way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import tiny_model
from helpers.chains import LARGE, SMALL, chain_of, small_model
from helpers.keywords import Keywords
from helpers.replaying import assert_replayed_at
from helpers.serving_models import TEXTS
from offramp.backends import REFERENCE
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.engine.chains import chained
from offramp.engine.encoder import Encoder
from offramp.errors import ModelFolderError
from offramp.policy import replay

NAMES = ("layer 2 of model 1", "layer 4 of model 1", "layer 1 of model 2", "layer 2 of model 2", "layer 4 of model 2")


@pytest.fixture(scope="module")
def chain():
    return chain_of()


@pytest.fixture(scope="module")
def small():
    return torch_classifier(small_model(), SMALL)


@pytest.fixture(scope="module")
def large():
    return torch_classifier(tiny_model(), LARGE)


def test_what_it_says_of_itself(chain):
    assert chain.labels == ("a", "b", "c")
    assert chain.exit_names == NAMES
    assert chain.exits == (2, 4, 5, 6, 8)
    assert chain.calibration.temperatures == (*SMALL.temperatures, *LARGE.temperatures)
    assert chain.engine == REFERENCE
    assert "distilbert then bert, 3 labels, exits after layer 2 of model 1, layer 4 of model 1" in repr(chain)


def test_exits_of_the_first_model_answer_as_it_does_alone_by_the_names_of_labels(chain, small, large):
    for exit_index, alone in enumerate((small, small, large, large, large)):
        found = chain.predict_truncated(TEXTS, exit_index=exit_index)
        expected = alone.predict_truncated(TEXTS, exit_index=exit_index if alone is small else exit_index - 2)
        assert found.label == expected.label
        columns = [expected.names.index(label) for label in chain.labels]
        np.testing.assert_allclose(found.probabilities, expected.probabilities[:, columns], atol=1e-6)
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_array_equal(found.truncated, expected.truncated)


def test_full_depth_is_that_of_the_last_model_alone(chain, large):
    found, expected = chain.predict_full(TEXTS), large.predict_full(TEXTS)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(TEXTS), max_size=12), st.floats(0.3, 1.1), st.integers(1, 100))
def test_the_engine_does_what_replay_does(chain, texts, threshold, budget):
    assert_replayed_at(chain, texts, threshold, budget)


@pytest.mark.parametrize("config", [{"text_pair": True}, {"problem_type": "multi_label_classification"}], ids=str)
def test_so_it_does_for_pairs_and_for_several_labels(config):
    chain = chain_of(**config)
    pairs = TEXTS[::-1] if chain.takes_pairs else None
    taken: set[int] = set()
    for threshold in (0.55, 0.6, 0.75, 0.9):
        rule = chain.exit_rule(threshold)
        probabilities = chain.exit_answers(TEXTS, pairs).probabilities
        found, expected = chain.predict(TEXTS, pairs, rule=rule), replay(probabilities, rule)
        np.testing.assert_array_equal(found.exits, expected.exits)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
        taken |= set(found.exits.tolist())
    assert taken & {0, 1}
    assert taken & {2, 3, 4}


@settings(max_examples=20)
@given(st.permutations(range(len(TEXTS))), st.integers(1, 200), st.integers(1, len(TEXTS)))
def test_answers_are_the_same_in_any_company(chain, order, budget, number):
    expected = chain.predict(TEXTS, threshold=0.8)
    some = order[:number]
    found = chain.with_token_budget(budget).predict([TEXTS[place] for place in some], threshold=0.8)
    np.testing.assert_array_equal(found.exits, expected.exits[some])
    assert found.label == [expected.label[place] for place in some]
    np.testing.assert_allclose(found.probabilities, expected.probabilities[some], atol=1e-5)


def test_the_last_model_reads_only_what_no_exit_before_was_sure_of(chain, monkeypatch):
    read, seen = Encoder.read, []

    def heard(self, texts, pairs=None):
        if self is chain.runner.cascade.last:
            seen.extend(texts)
        return read(self, texts, pairs)

    monkeypatch.setattr(Encoder, "read", heard)
    found = chain.predict(TEXTS, threshold=0.8)
    assert seen == [text for text, taken in zip(TEXTS, found.exits, strict=True) if taken > 1]
    assert 0 < len(seen) < len(TEXTS)


def test_what_was_read_is_what_the_model_of_the_exit_read(chain, small, large):
    found = chain.predict(TEXTS, threshold=0.8)
    here, there = (one.predict_full(TEXTS) for one in (small, large))
    np.testing.assert_array_equal(found.tokens, np.where(found.exits < 2, here.tokens, there.tokens))
    np.testing.assert_array_equal(found.truncated, np.where(found.exits < 2, here.truncated, there.truncated))


def test_models_of_words_stand_before_either(small, large):
    before = chained([small.with_first(Keywords()), large], ["small", "large"], token_budget=64)
    between = chained([small, large.with_first(Keywords())], ["small", "large"], token_budget=64)
    assert before.exit_names == ("keywords", *NAMES)
    assert between.exit_names == (*NAMES[:2], "keywords", *NAMES[2:])
    for chain, place in ((before, 0), (between, 2)):
        assert_replayed_at(chain, TEXTS, 0.75, 50)
        assert (chain.predict(["w1 w2"], threshold=0.9).exits <= place).all()
    # It knows its labels as the model that it stands before.
    label = small.with_first(Keywords()).predict_truncated(["w1"], exit_index=0).label
    assert before.predict_truncated(["w1"], exit_index=0).label == label


@pytest.mark.parametrize("adding", [(True, False), (False, True), (True, True)], ids=str)
def test_exits_add_what_the_model_of_words_before_their_own_encoder_said(adding, small, large):
    weighed = [
        Calibration((1.5, *SMALL.temperatures), "", 0, (), evidence=(0.0, 0.4, 0.3)),
        Calibration((1.5, *LARGE.temperatures), "", 0, (), evidence=(0.0, 0.5, 0.0, 0.2)),
    ]
    alone = [
        torch_classifier(model, calibration, words=Keywords()) if adds else plain
        for model, calibration, adds, plain in zip(
            (small_model(), tiny_model()), weighed, adding, (small, large), strict=True
        )
    ]
    chain = chained(alone, ["small", "large"], token_budget=50)
    expected = [one.exit_answers(TEXTS).probabilities for one in alone]
    columns = [alone[0].labels.index(label) for label in chain.labels]
    found = chain.exit_answers(TEXTS).probabilities
    np.testing.assert_allclose(found, np.concatenate([expected[0][..., columns], expected[1]]), atol=1e-6)
    for threshold in (0.6, 0.75):
        assert_replayed_at(chain, TEXTS, threshold, 50)
    np.testing.assert_allclose(chain.predict_full(TEXTS).probabilities, found[-1], atol=1e-5)


def test_a_chain_is_the_same_while_all_of_its_models_are(chain, small, large):
    def fingerprint(*models):
        return chained(models, ["small", "large"], token_budget=64).fingerprint

    before = chain.fingerprint
    assert before == fingerprint(small, large)
    assert before != fingerprint(torch_classifier(small_model(labels=("a", "c", "b")), SMALL), large)
    assert before != fingerprint(torch_classifier(small_model(), Calibration((0.7, 1.5), "", 0, ())), large)
    shorter = torch_classifier(small_model(), SMALL)
    shorter.tokenizer.model_max_length = 20
    assert before != fingerprint(shorter, large)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"labels": ("a", "b", "d")}, "small has the labels d, a, b, and large has c, a, b; the models of"),
        ({"text_pair": True}, "small gives pairs of texts one label, and large gives single texts one label"),
        ({"problem_type": "multi_label_classification"}, "small gives single texts any number of labels, and large"),
    ],
    ids=str,
)
def test_models_of_another_kind_are_refused(large, config, message):
    with pytest.raises(ModelFolderError, match=message):
        chained([torch_classifier(small_model(**config), SMALL), large], ["small", "large"], token_budget=64)
