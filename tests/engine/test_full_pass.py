"""Runs in which no row leaves early."""

import threading

import numpy as np
import pytest

from conftest import tiny_network, tiny_tokenizer
from offramp.calibration import Calibration
from offramp.engine.full_pass import predict_at, predict_full
from offramp.engine.loading import torch_classifier
from offramp.model import LoadedModel


@pytest.fixture(scope="module")
def runner():
    network = tiny_network()
    model = LoadedModel(network, tiny_tokenizer())
    return torch_classifier(model, Calibration.neutral(network.config.exits), device="cpu", token_budget=40).runner


def texts_of(number):
    random = np.random.default_rng(0)
    return [" ".join(f"w{word}" for word in random.integers(40, size=size)) for size in random.integers(1, 9, number)]


@pytest.mark.parametrize("number", [0, 1, 3, 10])
def test_portions_change_no_answer(runner, monkeypatch, number):
    texts = texts_of(number)
    whole = predict_full(runner, texts, None), predict_at(runner, 0, texts, None)
    monkeypatch.setattr("offramp.engine.portions.WINDOW", 3)
    parts = predict_full(runner, texts, None), predict_at(runner, 0, texts, None)
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
        assert found.exits.tolist() == expected.exits.tolist()
        assert found.tokens.tolist() == expected.tokens.tolist()


@pytest.mark.parametrize(("number", "elsewhere"), [(3, False), (10, True)])
def test_several_portions_are_tokenized_beside_the_computing(runner, monkeypatch, number, elsewhere):
    readers, read = set(), type(runner.cascade.last).read

    def noting(encoder, *texts):
        readers.add(threading.current_thread())
        return read(encoder, *texts)

    monkeypatch.setattr("offramp.engine.portions.WINDOW", 3)
    monkeypatch.setattr(type(runner.cascade.last), "read", noting)
    predict_full(runner, texts_of(number), None)
    assert (threading.current_thread() not in readers) == elsewhere
