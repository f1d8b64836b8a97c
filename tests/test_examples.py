"""Scripts in ``examples/`` and notebooks run, on tiny models and toy texts, and do what they say."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import offramp
from conftest import tiny_tokenizer, write_classifier, write_encoder
from helpers.making import make_quickly
from helpers.toys import QUICK, single, write_csv
from offramp.training import Architecture

EXAMPLES = Path(__file__).parents[1] / "examples"
OPTIONS = {"recipe": QUICK, "architecture": Architecture(exits=(1, 2, 4))}


def example(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def rows(number, seed):
    return [(row["label"], row["text"]) for row in single(number, seed)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = write_encoder(tmp_path_factory.mktemp("encoder"))
    tiny_tokenizer(max_length=96).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patched:
        make_quickly(patched)
        yield


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def model(encoder, tmp_path_factory):
    """What the example of training leaves, and what it prints."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    example("train")["main"](encoder, rows(700, 1), rows(60, 2), str(folder), **OPTIONS)
    return folder


def test_training_in_steps(model):
    found = offramp.load(model)
    assert found.exits == (1, 2, 4)
    assert "fast" in {point.name for point in found.points.points}


def test_a_hundred_lines_without_the_engine_answer_as_it_does(model):
    texts = [text for _, text in rows(80, 3)] + ["w1 " * 100]
    ours = example("early_exit_in_100_lines")["EarlyExit"](str(model))
    for threshold in (0.6, 0.9, 0.999, 2.0):
        labels, confidences, layers = zip(*ours.predict(texts, threshold, batch_size=8), strict=True)
        theirs = offramp.load(model).predict(texts, threshold=threshold)
        assert list(labels) == theirs.label
        assert [f"layer {number}" for number in layers] == list(theirs.exit)
        np.testing.assert_allclose(confidences, theirs.probabilities.max(1), atol=1e-5)
    assert len((EXAMPLES / "early_exit_in_100_lines.py").read_text().splitlines()) <= 100


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short(path):
    if path.stem != "early_exit_in_100_lines":
        assert len(path.read_text().splitlines()) < 60


def test_exits_on_a_classifier(tmp_path, capsys):
    folder = write_classifier(tmp_path / "classifier")
    architecture = Architecture(exits=(1, 2, 4))
    example("attach")["main"](str(folder), [text for _, text in rows(120, 4)], "fast", architecture=architecture)
    assert "at full depth all 50 answers are those of the classifier" in capsys.readouterr().out


def test_labels_of_a_language_model_are_learned_and_agreed_with(encoder, capsys):
    example("learn_from_llm")["main"](encoder, rows(700, 5), "like-llm", limit=0.15, **OPTIONS)
    (point,) = offramp.load("like-llm").points.points
    assert point.name == "like-llm"
    assert point.promises[0].limit.target == 0.15
    assert "at most 15% of the answers differ" in capsys.readouterr().out


def test_a_server_is_called_by_a_client_of_the_hub(model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # for this address only
    served = example("serve_and_call")
    with served["served"](str(model)) as url:
        assert url.startswith("http://127.0.0.1:")
        best = served["InferenceClient"](url).text_classification("w1 w40")[0]
    (expected,) = offramp.load(model).predict(["w1 w40"])
    assert (best.label, best.score) == (expected.label, pytest.approx(expected.confidence, abs=1e-5))


def test_what_is_unsure_is_sorted_for_people(model, tmp_path):
    labeled = write_csv(tmp_path / "labeled.csv", single(300, seed=6))
    # Among what can be answered there are texts without a word that tells.
    new = write_csv(
        tmp_path / "new.csv", [*single(40, seed=7), *({"text": f"w{n}", "label": "a"} for n in range(30, 50))]
    )
    example("sort_by_certainty")["main"](str(model), labeled, new)
    with Path("unsure.csv").open(newline="") as file:
        unsure = list(csv.DictReader(file))
    confidences = [float(row["confidence"]) for row in unsure]
    assert confidences == sorted(confidences)
    with Path("answers.csv").open(newline="") as file:
        answers = list(csv.DictReader(file))
    assert len(answers) == 60
    assert sum(row["label"] == "" for row in answers) == len(unsure)


@pytest.mark.parametrize("name", ["quickstart", "guarantees"])
def test_cells_of_a_notebook_run_in_order(encoder, monkeypatch, name):
    monkeypatch.setattr(offramp, "Recipe", lambda **_: QUICK)
    monkeypatch.setattr("offramp.making.encoder.packaged_encoder", lambda: encoder)
    monkeypatch.setattr("offramp.demonstration.r8_rows", lambda part: rows(*{"train": (700, 1), "test": (60, 2)}[part]))
    cells = json.loads((EXAMPLES / f"{name}.ipynb").read_text())["cells"]
    namespace = {"__name__": "__main__"}
    for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), f"cell {number} of {name}", "exec"), namespace)
    assert number > 2
