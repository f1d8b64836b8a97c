from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import ModelCard

from conftest import tiny_network
from offramp.calibration import Problem, fit_agreement, fit_calibration
from offramp.training.card import model_card

ATTACHED = {"attached_to": "some/where/classifier", "targets": "both", "rows": {"train": 123, "dev": 45}}
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
    network, (_, labeled) = tiny_network(), card()
    record = {"attached_to": "some/where/classifier", "targets": "both", "rows": {"train": 123, "dev": 45}}
    text = model_card(network.config, labeled, record)
    assert "`classifier`" in text
    assert "its own head is the last exit" in text
    assert "fitted to labels and what the classifier believes at full depth on 123 texts" in text
    assert "no labels" not in text
    logits = np.random.default_rng(0).normal(size=(3, 45, 3))
    agreement = fit_agreement(logits, Problem.SINGLE_LABEL, (1, 2, 4), "sha256:0")
    text = model_card(network.config, agreement, record | {"targets": "model"})
    assert "| exit after layer | agrees with full depth |" in text
    assert "There were no labels" in text
    assert "`offramp calibrate`" in text


TRIAL = {"kept": True, "against": "labels", "alone": 0.96, "full_right": 0.968}


def with_words(weights, **trial):
    network, (_, calibration) = tiny_network(), card()
    return model_card(network.config, replace(calibration, evidence=weights), RECORD | {"words": TRIAL | trial})


def test_whether_words_were_tried_is_told():
    network, (_, calibration) = tiny_network(), card()
    told = "none was tried: the exits were named without it"
    assert told in model_card(network.config, calibration, RECORD | {"words_wanted": False})
    assert told not in model_card(network.config, calibration, RECORD | {"words_wanted": None})


def test_a_card_says_that_words_come_first_and_what_their_evidence_weighs():
    text = with_words((0.0, 0.25, 0.5))
    assert "A model of words comes first, in `words.safetensors`" in text
    assert "Alone, words are right on 96.00% of the dev rows, full depth on 96.80%." in text
    assert "fitted on the dev data: 0.25 after layer 2, 0.50 after layer 4." in text
    assert "full depth of offramp then differs from what `transformers` reads" in text
    assert "at full depth, without words and temperatures" in text
    assert "The temperatures and weights in use" in text


def test_a_card_says_nothing_of_weights_that_are_none():
    text = with_words((0.0, 0.25, 0.0), against="model")
    assert "differs from" not in text
    assert "Alone, words answer 96.00% of the dev rows as full depth does." in text
    text = with_words(())
    assert "Some exits add" not in text
    assert "The temperatures in use" in text


def test_a_card_says_that_words_were_tried_and_left_out():
    text = with_words((), kept=False)
    assert "on the dev data it did not pay. Alone, words are right on 96.00%" in text
    assert "at full depth, without temperatures, once" in text
    assert "words" not in card()[0]


def front_matter(text):
    return ModelCard(text).data.to_dict()


def hub_card(cache, text):
    """A model on the hub with a card, in a cache as the hub's client lays it out."""
    snapshot = cache / "models--owner--encoder" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "README.md").write_text(text)
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)


def test_the_front_matter_tells_what_the_hub_asks_for(tmp_path, monkeypatch):
    hub_card(tmp_path, "---\nlicense: apache-2.0\nlanguage: en\n---\n# Encoder\n")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    network, (_, calibration) = tiny_network(), card()
    sources = ["owner/data:config:train", "local.csv", "owner/data:config:dev"]
    text = model_card(network.config, calibration, RECORD | {"backbone": "owner/encoder"}, sources)
    assert front_matter(text) == {
        "base_model": "owner/encoder",
        "datasets": ["owner/data"],
        "library_name": "offramp",
        "license": "apache-2.0",
        "pipeline_tag": "text-classification",
        "tags": ["early-exit", "text-classification"],
    }


def test_what_is_not_known_is_not_told(tmp_path):
    network, (_, calibration) = tiny_network(), card()
    told = front_matter(card()[0])
    assert told == {
        "library_name": "offramp",
        "pipeline_tag": "text-classification",
        "tags": ["early-exit", "text-classification"],
    }
    away = model_card(network.config, calibration, RECORD | {"backbone": "owner/not-in-the-cache"}, ["local.csv"])
    assert front_matter(away) == told | {"base_model": "owner/not-in-the-cache"}


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ("---\nlicense: mit\nbase_model: owner/encoder\n---\n", {"license": "mit", "base_model": "owner/encoder"}),
        (
            "---\nlicense: other\nlicense_name: odd\nlicense_link: LICENSE\n---\n",
            {"license": "other", "license_name": "odd", "license_link": "LICENSE"},
        ),
        ("---\nlicense: [a, b]\nbase_model: [c, d]\n---\n", {}),
        ("---\n{broken\n---\n", {}),
        ("# No front matter", {}),
    ],
)
def test_a_folder_hands_on_what_its_card_says(tmp_path, theirs, told):
    (tmp_path / "README.md").write_text(theirs)
    network, (_, calibration) = tiny_network(), card()
    found = front_matter(model_card(network.config, calibration, ATTACHED | {"attached_to": str(tmp_path)}))
    assert {key: value for key, value in found.items() if key.startswith(("license", "base"))} == told
