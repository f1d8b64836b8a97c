"""A model of words in front of an encoder: the texts that it is sure of are never tokenized."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import offramp
from conftest import tiny_model
from helpers.replaying import assert_replayed_at
from helpers.toys import LABELS, single, write_csv
from offramp.calibration import Calibration, Problem
from offramp.engine import torch_classifier
from offramp.engine.encoder import Encoder
from offramp.words import fit

TEXTS = [row["text"] for row in single(40, seed=5)]
CALIBRATION = Calibration((2.5, 0.8, 1.3), "", 0, ())


@pytest.fixture(scope="module")
def words():
    rows = single(300)
    targets = np.array([LABELS.index(row["label"]) for row in rows])
    return fit([row["text"] for row in rows], targets, labels=LABELS, problem=Problem.SINGLE_LABEL)


@pytest.fixture(scope="module")
def classifier(words):
    return torch_classifier(tiny_model(), CALIBRATION, token_budget=64).with_first(words)


def test_its_exit_comes_first_and_is_called_words(classifier, words):
    assert classifier.exit_names == ("words", "layer 1", "layer 2", "layer 4")
    answers = classifier.exit_answers(TEXTS)
    np.testing.assert_array_equal(answers.logits[0], words.logits(TEXTS))
    assert words.fingerprint() in classifier.runner.cascade.members[0].fingerprint()


def test_texts_that_it_is_sure_of_are_never_tokenized(classifier, words, monkeypatch):
    read, seen = Encoder.read, []
    monkeypatch.setattr(Encoder, "read", lambda self, texts, pairs=None: seen.extend(texts) or read(self, texts, pairs))
    sure = classifier.problem.confidence(classifier.problem.probabilities(words.logits(TEXTS)), 0)
    threshold = float(np.median(sure))
    found = classifier.predict(TEXTS, threshold=threshold)
    assert ((found.exits == 0) == (sure >= threshold)).all()
    assert seen == [text for text, leaves in zip(TEXTS, sure >= threshold, strict=True) if not leaves] != []


@settings(max_examples=30)
@given(st.lists(st.sampled_from(TEXTS), max_size=12), st.floats(0.3, 1.1), st.integers(1, 100))
def test_the_engine_does_what_replay_does(classifier, texts, threshold, budget):
    assert_replayed_at(classifier, texts, threshold, budget)


def test_full_depth_is_that_of_the_encoder_alone(classifier):
    alone = torch_classifier(tiny_model(), CALIBRATION, token_budget=64)
    np.testing.assert_array_equal(classifier.predict_full(TEXTS).probabilities, alone.predict_full(TEXTS).probabilities)


def test_a_stream_and_a_file_give_the_same(classifier, tmp_path):
    rows = single(40, seed=5)
    write_csv(tmp_path / "in.csv", rows)
    expected = classifier.predict(TEXTS, threshold=0.9)
    streamed = list(classifier.predict_iter(iter(TEXTS), threshold=0.9, window=7))
    assert [one.exit_index for one in streamed] == expected.exits.tolist()
    scored = offramp.predict(classifier, input=tmp_path / "in.csv", output=tmp_path / "out.csv", threshold=0.9)
    assert scored.exits["words"] == np.count_nonzero(expected.exits == 0) > 0


def test_pairs_pass_it_as_pairs(words):
    rows = single(300)
    targets = np.array([LABELS.index(row["label"]) for row in rows])
    texts, pairs = ["w20"] * len(rows), [row["text"] for row in rows]
    of_pairs = fit(texts, targets, labels=LABELS, problem=Problem.SINGLE_LABEL, text_pairs=pairs)
    encoder = tiny_model()
    encoder.network.config.text_pair = True
    classifier = torch_classifier(encoder, CALIBRATION).with_first(of_pairs)
    found = classifier.predict(texts[:40], pairs[:40], threshold=0)
    np.testing.assert_array_equal(found.exits, 0)
    np.testing.assert_array_equal(
        classifier.exit_answers(texts[:40], pairs[:40]).logits[0], of_pairs.logits(texts[:40], pairs[:40])
    )
