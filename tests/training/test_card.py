from dataclasses import replace

import numpy as np

from conftest import tiny_network
from offramp.calibration import Problem, fit_agreement, fit_calibration
from offramp.training.card import attached_card, model_card

RECORD = {"backbone": "some/where/encoder/", "rows": {"train": 123, "dev": 45}}


def card(**config):
    network = tiny_network(**config)
    random = np.random.default_rng(0)
    logits = random.normal(size=(3, 45, 3))
    calibration = fit_calibration(logits, random.integers(0, 3, 45), Problem.SINGLE_LABEL, (1, 2, 4), "sha256:0")
    return model_card(network.config, calibration, RECORD), calibration


def test_the_card_tells_what_the_model_is():
    text, calibration = card()
    assert text.startswith("---\nlibrary_name: offramp\n")
    assert "Exits after 1, 2, 4 of 4 layers on `encoder`; single texts; 3 labels: `" in text
    assert "on the dev data (45 rows)" in text
    assert "Trained on 123 rows" in text
    assert 'classifier.predict(["a text"])[0]' in text
    for one in calibration.exits:
        assert f"| {one.layers} | {one.accuracy:.2%} | {one.temperature:.3f} |" in text


def test_a_card_for_pairs_shows_a_pair():
    text, _ = card(text_pair=True)
    assert "pairs of texts" in text
    assert 'classifier.predict(["a text"], ["its pair"])[0]' in text


def test_labels_are_named_whatever_they_hold():
    network, (_, calibration) = tiny_network(), card()
    network.config.id2label = {number: f"a`b\n{number}|{{x}}" for number in range(30)}
    text = model_card(network.config, calibration, RECORD)
    assert "30 labels: `a'b 0|{x}`, `a'b 1|{x}`, " in text
    assert text.count("`a'b") == 20
    assert "`, …." in text


def test_no_place_on_the_authors_disk_is_told():
    text, _ = card()
    assert "some/where" not in text


def test_braces_in_a_name_do_no_harm():
    network, (_, calibration) = tiny_network(), card()
    assert "`{odd}`" in model_card(network.config, replace(calibration), RECORD | {"backbone": "{odd}"})


def test_a_card_of_a_classifier_that_got_exits():
    network, (_, labelled) = tiny_network(), card()
    record = {"attached_to": "some/where/classifier", "targets": "both", "rows": {"train": 123, "dev": 45}}
    text = attached_card(network.config, labelled, record)
    assert "`classifier`" in text
    assert "its own head is the last exit" in text
    assert "fitted to labels and what the classifier believes at full depth on 123 texts" in text
    assert "no labels" not in text
    logits = np.random.default_rng(0).normal(size=(3, 45, 3))
    agreement = fit_agreement(logits, Problem.SINGLE_LABEL, (1, 2, 4), "sha256:0")
    text = attached_card(network.config, agreement, record | {"targets": "model"})
    assert "| exit after layer | agrees with full depth |" in text
    assert "There were no labels" in text
    assert "`offramp calibrate`" in text
