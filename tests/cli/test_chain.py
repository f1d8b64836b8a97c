"""``offramp chain``, and its folder at the other verbs."""

import json

import pytest

from helpers.chains import write_models
from helpers.toys import names, single, write_csv


@pytest.fixture
def here(place):
    write_models(place)
    write_csv(place / "unseen.csv", single(80, seed=1))
    return place


def test_chain(offramp, here):
    result = offramp("chain", "small", "large", "--output", "chain")
    assert result.exit_code == 0, result.stderr
    assert "wrote chain: 2 models in a row, 3 labels" in result.stderr
    assert "offramp tune chain --data UNSEEN-TEXTS" in result.stderr
    for command in (
        ("calibrate", "chain", "--data", "../data.csv", "--json", "calibration.json"),
        ("tune", "chain", "--data", "unseen.csv", "--threshold", "0.6", "--name", "here", "--backend", "torch,torch"),
        ("evaluate", "chain", "--data", "unseen.csv", "--seconds", "0.01", "--report", "report"),
        ("predict", "chain", "--input", "../data.csv", "--output", "out.jsonl", "--at", "here"),
    ):
        result = offramp(*command)
        assert result.exit_code == 0, result.stderr
    assert "after layer 2 of model 1" in result.stderr
    content = json.loads((here / "calibration.json").read_text())
    assert [one["name"] for one in content["exits"]][1:3] == ["layer 4 of model 1", "layer 1 of model 2"]
    assert len((here / "out.jsonl").read_text().splitlines()) == 60


def test_what_is_refused(refused, here):
    before = names(here)
    assert refused("chain", "small", "--output", "chain") == (
        "a chain takes two models or more, not 1 model; name others"
    )
    assert refused("chain", "small", "small", "--output", "chain").startswith("the model small is named twice")
    assert refused("chain", "small", "none", "--output", "chain").startswith("there is no folder none")
    assert refused("chain", "small", "large", "--output", "small").endswith("add --overwrite")
    assert names(here) == before
    predict = ("predict", "small", "--input", "../data.csv", "--output", "out.csv")
    assert refused(*predict, "--backend", "torch,auto").startswith(
        "--backend 'torch,auto' names 2, but this is one model"
    )


def test_its_help_says_what_it_is_for(offramp):
    told = " ".join(offramp("chain", "--help").stdout.replace("│", " ").split())
    assert "Put models in a row as one" in told
    assert "the cheapest first" in told
    assert "offramp chain small-model large-model --output chain" in told
