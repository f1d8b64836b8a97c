"""An exit before tokenizing is served as the others are."""

import pytest

from helpers.keywords import Keywords
from helpers.serving_models import TEXTS, classifier_of
from offramp.engine.encoder import Encoder


@pytest.fixture
def words_first():
    return classifier_of().with_first(Keywords())


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 1.01])
def test_answers_are_those_of_the_classifier(words_first, serve, threshold):
    expected = words_first.predict(TEXTS, threshold=threshold)
    answer = serve(words_first).post("/predict", json={"texts": TEXTS, "threshold": threshold}).json()
    found = answer["predictions"]
    assert [one["exit"] for one in found] == expected.exit
    assert [one["label"] for one in found] == [one.label for one in expected]
    assert [one["truncated"] for one in found] == expected.truncated.tolist()


def test_texts_that_leave_there_are_never_tokenized(words_first, serve, monkeypatch):
    client = serve(words_first, threshold=0.8)
    read, seen = Encoder.read, []
    monkeypatch.setattr(Encoder, "read", lambda self, texts, pairs=None: seen.extend(texts) or read(self, texts, pairs))
    answer = client.post("/predict", json={"texts": ["w1 w2", "w9", "w4"]}).json()
    assert [one["exit"] for one in answer["predictions"]][::2] == ["keywords", "keywords"]
    assert seen == ["w9"]


def test_texts_that_fail_at_one_stage_are_isolated(words_first, serve, monkeypatch):
    """A tokenizer that fails on a text between two stages fails that text's request alone."""
    read = Encoder.read

    def fails(self, texts, pairs=None):
        if any("w59" in text for text in texts):
            raise RuntimeError("broken")
        return read(self, texts, pairs)

    client = serve(words_first, raise_errors=False)
    monkeypatch.setattr(Encoder, "read", fails)
    assert client.post("/predict", json={"texts": ["w59 w2"]}).status_code == 500
    assert client.post("/predict", json={"texts": ["w2 w3"]}).status_code == 200


def test_audits_begin_with_the_text_again(words_first, serve):
    client = serve(words_first, threshold=0.8, audit_share=1.0)
    for _ in range(20):
        client.post("/predict", json={"texts": TEXTS})
        if client.get("/info").json()["drift"]["promise_at_risk"]["audits"] > 5:
            break
    assert client.get("/info").json()["drift"]["promise_at_risk"]["audits"] > 0


def test_its_exit_is_counted_and_told_by_its_name(words_first, serve):
    client = serve(words_first, threshold=0.8)
    client.post("/predict", json={"texts": TEXTS})
    early = int((words_first.predict(TEXTS, threshold=0.8).exits == 0).sum())
    assert f'offramp_exits_total{{exit="keywords"}} {float(early)}' in client.get("/metrics").text.splitlines()
    assert client.get("/info").json()["exit_names"] == ["keywords", "layer 1", "layer 2", "layer 4"]


def test_a_stage_that_the_rule_does_not_ask_is_skipped(words_first, serve, monkeypatch):
    client, asked, logits = serve(words_first, threshold=0.8), [], Keywords.logits
    monkeypatch.setattr(
        Keywords, "logits", lambda self, texts, pairs: asked.extend(texts) or logits(self, texts, pairs)
    )
    expected = words_first.predict(TEXTS, threshold=1.01)
    asked.clear()
    found = client.post("/predict", json={"texts": TEXTS, "full_depth": True}).json()["predictions"]
    assert asked == []
    assert [one["label"] for one in found] == expected.label
    client.post("/predict", json={"texts": ["w9"]})
    assert asked == ["w9"]
