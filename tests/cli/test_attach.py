import re

import pytest

import offramp as package
from conftest import write_classifier
from helpers.toys import names, single, write_csv, write_jsonl

SETTINGS = ["--exits", "1,2", "--epochs", "2"]


@pytest.fixture
def classifier(place):
    return write_classifier(place.parent / "classifier")


def attach(offramp, *more, model="../classifier", data="../data.csv", output="model"):
    return offramp("attach", model, "--data", data, "--output", output, *SETTINGS, *more)


def test_exits_are_put_on_and_their_figures_shown(offramp, place, classifier):
    rows = [*({"text": row["text"]} for row in single(60)), {"text": ""}, {"text": "w1 " * 100}]
    dev = write_jsonl(place.parent / "dev.jsonl", single(30, seed=9))
    result = attach(offramp, "--dev", dev, "--head", "mlp", data=write_csv(place.parent / "texts.csv", rows))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert re.search(r"^ran 92 texts in \d+ s and fitted the exits in \d+ s; on the dev texts:$", result.stderr, re.M)
    assert "exit after layer  agrees with full depth  temperature" in result.stderr
    assert re.search(r"^ +4 +- +1\.000 +- +-$", result.stderr, re.M)
    assert "the new exits hold" in result.stderr
    assert "1 text was empty\n1 text was cut at the longest length the model reads\n" in result.stderr
    assert result.stderr.endswith("wrote model\n")
    assert names(place) == ["model"]
    assert package.load(place / "model").exits == (1, 2, 4)


def test_labels(offramp, place, classifier):
    result = attach(offramp, "--targets", "both", "--labels", "c, b ,a")
    assert result.exit_code == 0, result.stderr
    assert "exit after layer  accuracy  temperature" in result.stderr
    assert package.load(place / "model").labels == ("c", "b", "a")
    assert attach(offramp).exit_code == 2
    assert attach(offramp, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "epochs is 0; it must be a number of at least 1"),
        (["--learning-rate", "2"], "a learning rate of 2.0 cannot work"),
        (["--exits", "4"], "exits are [4]: the classifier itself"),
        (["--text-column", "txt"], "has no column 'txt' (did you mean 'text'?)"),
        (["--targets", "labels", "--labels", "x,y,z"], "in --labels"),
        (["--output", "../data.csv"], "../data.csv is a file; give a folder"),
    ],
)
def test_bad_options_are_refused_and_leave_nothing(refused, place, classifier, options, message):
    assert message in attach(refused, *options)
    assert names(place) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("../encoder", "'../encoder' is not a whole fine-tuned classifier: 2 missing tensors, such as classifier.bias"),
        ("../data.csv", "cannot load the classifier '../data.csv'"),
        ("no/such-model", "check the name; without a network, give a local folder"),
    ],
)
def test_what_is_no_classifier_is_refused(refused, place, model, message):
    assert message in attach(refused, model=model)
    assert names(place) == []
