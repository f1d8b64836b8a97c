from dataclasses import replace

import numpy as np
import pytest

from conftest import tiny_tokenizer
from helpers.toys import EXIT_NAMES, multi, pairs, single, write_model
from offramp.backends import REFERENCE
from offramp.benchmark.contenders import entries
from offramp.benchmark.running import PIPELINE_BATCH, entrants, open_engine, pipeline
from offramp.calibration import Problem
from offramp.evaluation import Request
from offramp.files import read_json, write_json
from offramp.policy import Confidence, Threshold

ROWS = single(50)


def rules(*thresholds):
    return [Threshold(threshold, Confidence(Problem.SINGLE_LABEL)) for threshold in thresholds]


def requests_of(kind):
    if kind == "pairs":
        rows = pairs(50)
        return Request([row["first"] for row in rows], [row["second"] for row in rows])
    return Request([row["text"] for row in (multi(50) if kind == "multi" else ROWS)], None)


@pytest.mark.parametrize("kind", ["single", "multi", "pairs"])
def test_the_pipeline_gives_the_answers_of_full_depth(tmp_path, kind):
    config = {"multi": {"problem_type": "multi_label_classification"}, "pairs": {"text_pair": True}}.get(kind, {})
    folder = write_model(tmp_path / "model", **config)
    if kind == "pairs":  # the tokenizers of encoders that know two texts say so; the tiny one does not by itself
        settings = read_json(folder / "tokenizer_config.json")
        names = ["input_ids", "token_type_ids", "attention_mask"]
        write_json(folder / "tokenizer_config.json", settings | {"model_input_names": names})
    request = requests_of(kind)
    assert len(request.texts) > PIPELINE_BATCH
    answers = pipeline(folder)(request)
    classifier = open_engine(folder, REFERENCE)
    full = classifier.predict_full(request.texts, request.text_pairs)
    best = full.probabilities.argmax(axis=1)
    assert [answer["label"] for answer in answers] == [full.names[index] for index in best]
    scores = full.probabilities[np.arange(50), best]
    np.testing.assert_allclose([answer["score"] for answer in answers], scores, atol=1e-5)


def test_the_pipeline_cuts_long_texts(folder):
    long = Request([" ".join(row["text"] for row in ROWS)], None)
    assert len(tiny_tokenizer()(long.texts[0], truncation=False)["input_ids"]) > 48
    full = open_engine(folder, REFERENCE).predict_full(long.texts)
    assert pipeline(folder)(long)[0]["label"] == full[0].label


def test_contenders_answer_in_their_way(folder):
    request = requests_of("single")
    entered = entrants(folder, entries([REFERENCE], EXIT_NAMES, rules(0.5, 1.01), {}), 1)
    found = {contender.name: entrant.predict(entrant.classifier, request) for contender, entrant in entered.items()}
    assert found.pop("transformers.pipeline")[0]["label"] == found["torch fp32, full depth"][0].label
    layers = {name: set(predictions.layers.tolist()) for name, predictions in found.items()}
    assert layers == {
        "torch fp32, full depth": {4},
        "torch fp32, cut after layer 1": {1},
        "torch fp32, cut after layer 2": {2},
        "torch fp32, exits at 0.5": {1, 2, 4},
        "torch fp32, exits at 1.01": {4},
    }
    assert len({id(entrant.classifier) for entrant in entered.values()}) == 1


def test_a_token_budget_holds_for_one_run(folder):
    entered = entrants(folder, entries([REFERENCE], EXIT_NAMES, rules(0.5), {}), 1)
    *_, entrant = entered.values()
    budgets, own = [], entrant.classifier.token_budget
    watched = replace(entrant, predict=lambda classifier, request: budgets.append(classifier.token_budget))
    watched.run(requests_of("single"), 77)
    watched.run(requests_of("single"))
    assert budgets == [77, own]
