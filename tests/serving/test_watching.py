"""The server looks at ordinary answers for whether the texts have changed."""

import logging

import numpy as np
import pytest

from helpers.watched import foreign, home, watched_classifier
from offramp.drift import ChangeMonitor
from offramp.serving.watching import TOGETHER


@pytest.fixture(scope="module")
def model():
    return watched_classifier()


def found(client):
    return client.get("/info").json()["drift"]


def send(client, texts, **knobs):
    for start in range(0, len(texts), 100):
        answer = client.post("/predict", json={"texts": texts[start : start + 100], **knobs})
        assert answer.status_code == 200


def test_changed_texts_raise_an_alarm_that_says_why_and_suspends_the_promise(model, serve, caplog):
    client = serve(model, audit_share=0.0)
    send(client, home(300, seed=2))
    changed = found(client)["texts_have_changed"]
    assert (changed["alarm"], changed["texts"], changed["cause"]) == (False, 300, None)
    with caplog.at_level(logging.WARNING, "offramp.serving"):
        send(client, foreign(200))
    drift = found(client)
    assert drift["texts_have_changed"]["alarm"]
    assert 300 < drift["texts_have_changed"]["raised"] <= 400
    assert "of the last texts, expected at most" in drift["texts_have_changed"]["cause"]
    assert f"texts have changed: {drift['texts_have_changed']['cause']}" in drift["standing"]
    assert not drift["promise_at_risk"]["alarm"]
    (line,) = (record.message for record in caplog.records if "alarm" in record.message)  # once
    assert line.startswith("alarm: texts have changed: ")
    page = client.get("/metrics").text
    assert 'offramp_drift_alarm{alarm="texts have changed"} 1.0' in page
    assert 'offramp_drift_alarm{alarm="promise at risk"} 0.0' in page
    client.service.core.watcher.reset()
    assert found(client)["texts_have_changed"]["texts"] == 0


def test_texts_that_ask_for_a_point_of_their_own_are_not_looked_at(model, serve):
    client = serve(model)
    send(client, foreign(200), threshold=0.5)
    assert found(client)["texts_have_changed"]["texts"] == 0


def test_answers_are_looked_at_as_a_file_would_be(model, serve, monkeypatch):
    """In the order in which the texts came, although those that leave early are answered first."""
    seen = []
    add = ChangeMonitor.add
    monkeypatch.setattr(ChangeMonitor, "add", lambda self, observed: seen.append(observed) or add(self, observed))
    texts = home(2 * TOGETHER, seed=3)
    client = serve(model)
    send(client, texts)
    assert found(client)["texts_have_changed"]["texts"] == len(texts)
    exits = model.predict(texts, at="mine").exits
    assert [length for one in seen for length in one.characters] == list(map(len, texts))
    assert [taken for one in seen for taken in one.exits] == exits.tolist()
    passed = model.exit_answers(texts).probabilities
    apart = np.abs(passed[1] - passed[0]).sum(axis=-1) / 2
    disagreement = np.concatenate([one.disagreement for one in seen])
    np.testing.assert_allclose(disagreement[exits == 1], apart[exits == 1], rtol=1e-3, atol=1e-6)
