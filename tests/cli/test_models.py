"""Model folders that are none, or damaged: the same line from every verb that reads one."""

import json
import shutil

import pytest

from helpers.toys import names


@pytest.fixture
def copy(place):
    shutil.copytree(place.parent / "model", place / "copy")
    return place / "copy"


@pytest.fixture(params=["predict", "evaluate", "calibrate"])
def verb(request, refused):
    def run(model):
        source = ["--input", "../data.csv", "--output", "out.csv"] if request.param == "predict" else []
        return refused(request.param, model, *(source or ["--data", "../data.csv"]))

    run.name = request.param
    return run


def test_a_folder_that_is_missing(verb, place):
    assert verb("none") == "there is no folder none; give the folder that 'offramp train' wrote"
    assert names(place) == []


def test_a_folder_of_something_else(verb, place):
    (place / "empty").mkdir()
    assert verb("empty") == "empty is not an offramp model: it has no config.json"
    (place / "empty" / "config.json").write_text('{"model_type": "bert"}')
    assert verb("empty").startswith(
        "empty is a 'bert' model, not an offramp one; train exits on an encoder with 'offramp train"
    )


@pytest.mark.parametrize("damage", ["cut", "missing", "empty"])
def test_damaged_weights(verb, copy, damage):
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage != "missing":
        weights.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert "copy" in verb("copy")
    assert not (copy.parent / "out.csv").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', '{"model_type": "offramp"}', '{"model_type": 5}'])
def test_damaged_configuration(verb, copy, content):
    (copy / "config.json").write_text(content)
    assert "copy" in verb("copy")


@pytest.mark.parametrize(
    "change",
    [
        {"exits": [1, 9]},
        {"exits": "x"},
        {"exits": None},
        {"pooling": "max"},
        {"problem_type": "regression"},
        {"backbone_config": None},
        {"backbone_config": {"model_type": "no-such"}},
        {"backbone_config": {"model_type": "bert", "hidden_size": 33}},
    ],
)
def test_wrong_values_in_the_configuration(verb, copy, change):
    content = json.loads((copy / "config.json").read_text()) | change
    (copy / "config.json").write_text(json.dumps(content))
    assert verb("copy")


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"schema": 9}', '{"schema": 1, "temperatures": [0]}'])
def test_damaged_calibration(verb, copy, content, offramp):
    path = copy / "calibration.json"
    path.unlink() if content is None else path.write_text(content)
    if verb.name == "calibrate":  # is the cure
        assert offramp("calibrate", "copy", "--data", "../data.csv").exit_code == 0
    else:
        assert "calibrat" in verb("copy")


def test_a_damaged_tokenizer(verb, copy):
    (copy / "tokenizer.json").write_text("{")
    assert "tokenizer in copy cannot be read" in verb("copy")
