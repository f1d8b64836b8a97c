"""A chain is served by stages of all its models: a text leaves at the small one, or goes on to the large one."""

import pytest

from helpers.chains import chain_of
from helpers.serving_models import TEXTS
from offramp.engine.encoder import Encoder
from offramp.serving.computing import Computer


@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.8, 1.01])
def test_answers_are_those_of_the_classifier(serve, threshold):
    chain = chain_of(token_budget=2048)
    expected = chain.predict(TEXTS, threshold=threshold)
    answer = serve(chain).post("/predict", json={"texts": TEXTS, "threshold": threshold}).json()
    assert [one["exit"] for one in answer["predictions"]] == expected.exit
    assert [one["label"] for one in answer["predictions"]] == expected.label
    assert [one["truncated"] for one in answer["predictions"]] == expected.truncated.tolist()


def test_pairs_are_read_by_both_models(serve):
    chain = chain_of(text_pair=True)
    expected = chain.predict(TEXTS, TEXTS[::-1], threshold=0.7)
    body = {"texts": TEXTS, "text_pairs": TEXTS[::-1], "threshold": 0.7}
    found = serve(chain).post("/predict", json=body).json()["predictions"]
    assert [one["exit"] for one in found] == expected.exit
    assert set(expected.exits) & {0, 1}
    assert set(expected.exits) & {2, 3, 4}


def test_it_tells_of_the_exits_of_both_models(serve):
    client = serve(chain_of(), threshold=0.8)
    client.post("/predict", json={"texts": TEXTS})
    names = ["layer 2 of model 1", "layer 4 of model 1", "layer 1 of model 2", "layer 2 of model 2"]
    assert client.get("/info").json()["exit_names"][:4] == names
    assert 'offramp_exits_total{exit="layer 2 of model 1"}' in client.get("/metrics").text


def test_batches_are_no_longer_than_the_model_reads(serve, monkeypatch):
    """Where batches have few shapes, these go as far as the model that reads most."""
    chain = chain_of()
    small, large = chain.runner.cascade.encoders
    small.tokenizer.model_max_length, large.stages._length_step = 20, 8
    batch, longest = Encoder.batch, dict.fromkeys((small, large), 0)

    def heard(self, parts, length):
        longest[self] = max(longest[self], length)
        return batch(self, parts, length)

    monkeypatch.setattr(Encoder, "batch", heard)
    expected = chain.predict(TEXTS, threshold=0.8)
    found = serve(chain).post("/predict", json={"texts": TEXTS, "threshold": 0.8}).json()["predictions"]
    assert [one["exit"] for one in found] == expected.exit
    assert list(longest.values()) == [20, 48]
    assert [tokens for tokens, _ in Computer(chain.runner.cascade).warm(2, 48)] == [40, 40, 96, 96, 96]


def test_a_model_that_the_rule_does_not_ask_is_skipped(serve, monkeypatch):
    chain = chain_of(token_budget=2048)
    small, _ = chain.runner.cascade.encoders
    client, run, ran = serve(chain), Encoder.run, set()

    def heard(self, stage, state, lengths):
        ran.add(self)
        return run(self, stage, state, lengths)

    monkeypatch.setattr(Encoder, "run", heard)
    found = client.post("/predict", json={"texts": TEXTS, "full_depth": True}).json()["predictions"]
    assert small not in ran
    assert [one["label"] for one in found] == chain.predict(TEXTS, threshold=1.01).label
    client.post("/predict", json={"texts": TEXTS, "threshold": 0.6})
    assert small in ran
