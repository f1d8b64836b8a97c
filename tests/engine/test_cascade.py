"""A stage that reads raw texts before anything is tokenized runs wherever exits after layers do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import offramp
from conftest import tiny_model
from helpers.keywords import Keywords
from helpers.replaying import assert_replayed, assert_replayed_at
from helpers.serving_models import TEXTS
from helpers.toys import single, write_csv
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.engine.cascade import Cascade
from offramp.engine.encoder import Encoder
from offramp.engine.text_stages import TextMember
from offramp.errors import OptionError
from offramp.policy import Confidence, Gate, Patience, PerExit, Threshold

LABELS = "abc"
CALIBRATION = Calibration((2.5, 0.8, 1.3), "", 0, ())


@pytest.fixture(scope="module")
def classifier():
    return torch_classifier(tiny_model(), CALIBRATION, token_budget=64).with_first(Keywords())


def test_its_exit_comes_first(classifier):
    assert classifier.exits == (0, 1, 2, 4)
    assert classifier.exit_names == ("keywords", "layer 1", "layer 2", "layer 4")
    assert "exits after keywords, layer 1" in repr(classifier)


def test_texts_that_leave_there_are_never_tokenized(classifier, monkeypatch):
    read, seen = Encoder.read, []
    monkeypatch.setattr(Encoder, "read", lambda self, texts, pairs=None: seen.extend(texts) or read(self, texts, pairs))
    found = classifier.predict(TEXTS, threshold=0.9)
    known = [bool({"w1", "w4", "w12"} & set(text.split())) for text in TEXTS]
    assert ((found.exits == 0) == known).all()
    assert seen == [text for text, sure in zip(TEXTS, known, strict=True) if not sure]
    assert found.tokens[0] > 0


@settings(max_examples=30)
@given(st.lists(st.sampled_from(TEXTS), max_size=12), st.floats(0.3, 1.1), st.integers(1, 100))
def test_the_engine_does_what_replay_does(classifier, texts, threshold, budget):
    assert_replayed_at(classifier, texts, threshold, budget)


def test_full_depth_is_that_of_the_encoder_alone(classifier):
    alone = torch_classifier(tiny_model(), CALIBRATION, token_budget=64)
    np.testing.assert_array_equal(classifier.predict_full(TEXTS).probabilities, alone.predict_full(TEXTS).probabilities)
    np.testing.assert_array_equal(
        classifier.predict_truncated(TEXTS, exit_index=2).probabilities,
        alone.predict_truncated(TEXTS, exit_index=1).probabilities,
    )


def test_a_stream_and_a_file_give_the_same(classifier, tmp_path):
    rows = single(40)
    write_csv(tmp_path / "in.csv", rows)
    expected = classifier.predict([row["text"] for row in rows], threshold=0.8)
    streamed = list(classifier.predict_iter((row["text"] for row in rows), threshold=0.8, window=7))
    assert [one.exit_index for one in streamed] == expected.exits.tolist()
    scored = offramp.predict(classifier, input=tmp_path / "in.csv", output=tmp_path / "out.csv", threshold=0.8)
    assert sum(scored.exits.values()) == 40
    assert scored.exits["keywords"] == np.count_nonzero(expected.exits == 0) > 0


def test_two_encoders_in_a_row(classifier):
    """What exits of the first answered is known to the rules at the exits of the second."""
    small = torch_classifier(tiny_model(), CALIBRATION).runner.cascade
    large = torch_classifier(tiny_model(pooling="mean"), CALIBRATION).runner.cascade
    members = (TextMember(Keywords()), *small.members, *large.members)
    chain = Cascade(members, small.problem, (1.0, *small.temperatures, *large.temperatures), small.labels)
    assert chain.layers == (0, 1, 2, 4, 5, 6, 8)
    assert chain.names[:2] == ("keywords", "layer 1 of model 1")
    assert len(set(chain.names)) == 7
    longer = offramp.Classifier(chain, CALIBRATION, token_budget=50)
    probabilities = longer.exit_answers(TEXTS).probabilities
    for rule in (Threshold(0.8, Confidence(chain.problem)), Threshold(3, Patience(chain.problem))):
        found = assert_replayed(longer, TEXTS, rule, probabilities)
    assert set(found.exits) - {0, 1, 2, 3}


def test_a_member_that_no_rule_asks_is_skipped(classifier, monkeypatch):
    asked = []
    logits = Keywords.logits
    monkeypatch.setattr(Keywords, "logits", lambda self, *texts: asked.append(texts) or logits(self, *texts))
    probabilities = classifier.exit_answers(TEXTS).probabilities
    asked.clear()
    problem = classifier.problem
    own = Threshold(1, PerExit(Confidence(problem), ((1.01, 0.5, 0.5),)))
    gate = Threshold(0.5, Gate(problem, ((), (2.0, 0.0, 0.0), (1.0, 1.0, 1.0)), (0.0, -0.5, -0.5)))
    for rule in (own, gate, Threshold(1.01, Confidence(problem))):
        for budget in (10, 1000):
            found = assert_replayed(classifier.with_token_budget(budget), TEXTS, rule, probabilities)
            assert 0 not in found.exits
    assert not asked
    assert_replayed(classifier, TEXTS, Threshold(0.8, Confidence(problem)), probabilities)
    assert asked


def test_a_cascade_ends_with_an_encoder(classifier):
    with pytest.raises(OptionError, match="has to be an encoder"):
        Cascade((TextMember(Keywords()),), classifier.problem, (1.0,), tuple(LABELS))
    with pytest.raises(OptionError, match="3 temperatures for 4 exits"):
        Cascade(classifier.runner.cascade.members, classifier.problem, (1.0,) * 3, tuple(LABELS))


def test_what_is_no_stage_is_refused(classifier):
    with pytest.raises(OptionError, match=r"stage is 'x', of type str, without name and fingerprint and logits; give"):
        classifier.with_first("x")
