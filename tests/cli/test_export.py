import json

import pytest

from helpers.toys import names, write_csv, write_model
from offramp.exporting import run

pytestmark = pytest.mark.usefixtures("graphs_once")


@pytest.fixture
def model(place):
    return write_model(place / "model")


def test_an_export_is_shown_and_used(offramp, model, place):
    result = offramp(
        "export", "model", "--backend", "onnxruntime", "--data", "../data.csv", "--threads", 1, "--json", "export.json"
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "exit after layer  torch fp32  onnxruntime fp32" in result.stderr
    assert "100.00% of the labels agree with PyTorch on 60 texts" in result.stderr
    assert "wrote model/onnxruntime/fp32" in result.stderr
    assert json.loads((place / "export.json").read_text())["engine"] == {"backend": "onnxruntime", "precision": "fp32"}
    chosen = ("--backend", "onnxruntime", "--precision", "fp32")
    assert offramp("predict", "model", "--input", "../data.csv", "--output", "out.jsonl", *chosen).exit_code == 0
    assert len((place / "out.jsonl").read_text().splitlines()) == 60
    measured = offramp("evaluate", "model", "--data", "../data.csv", "--json", "e.json", "--seconds", 1, *chosen)
    assert measured.exit_code == 0
    described = json.loads((place / "e.json").read_text())["model"]
    assert (described["backend"], described["precision"]) == ("onnxruntime", "fp32")


@pytest.mark.parametrize(
    ("data", "temperatures"),
    [
        (("--data", "../data.csv"), "fitted anew to these 60 texts"),
        (("--data", "blank.csv"), "those of PyTorch, for the logits are the same"),
        ((), "those of PyTorch, for the logits are the same"),
    ],
)
def test_an_export_in_fp32_says_whose_temperatures_it_has(offramp, model, place, data, temperatures):
    write_csv(place / "blank.csv", [{"text": "", "label": label} for label in "acbacacccbbb"])
    result = offramp("export", "model", "--backend", "onnxruntime", "--threads", 1, *data)
    assert result.exit_code == 0, result.stderr
    assert f"\ntemperatures: {temperatures}\n" in result.stderr
    assert "is used only where" not in result.stderr


def test_an_export_in_int8_that_too_few_texts_were_given_for_says_so(offramp, model, place, monkeypatch):
    monkeypatch.setattr(run, "_check", lambda *_: (1.0, 0.0))  # a tiny network with random weights agrees seldom
    write_csv(place / "blank.csv", [{"text": "", "label": label} for label in "acbacacccbbb"])
    chosen = ("--backend", "onnxruntime", "--precision", "int8")
    result = offramp("export", "model", *chosen, "--data", "blank.csv", "--threads", 1)
    assert result.exit_code == 0, result.stderr
    assert "exit after layer  torch fp32  onnxruntime int8  temperature" in result.stderr
    assert "\ntemperatures: those of PyTorch\n" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith(
        "warning: onnxruntime int8 is used only where --backend and --precision ask for it: its temperatures are those "
        "of PyTorch, since fitting them takes 30 different texts, and there are 1; "
    )
    assert last.endswith("export it again with more --data")


def test_points_that_do_not_hold_in_the_export_are_told(offramp, model):
    chosen = ("--backend", "onnxruntime", "--precision", "fp32")
    tune = ("tune", "model", "--data", "../data.csv", "--seconds", 0.01, "--threshold", 0.5, "--name")
    assert offramp(*tune, "old", "--backend", "torch").exit_code == 0
    result = offramp("export", "model", *chosen)
    assert result.stderr.splitlines()[-1] == (
        "operating points that do not hold in onnxruntime fp32: old; choose them for it with  "
        "offramp tune model --backend onnxruntime --precision fp32 --data UNSEEN-TEXTS"
    )
    assert offramp(*tune, "old", *chosen).exit_code == 0
    assert "operating points" not in offramp("export", "model", *chosen).stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend", "onnxruntime", "--precision", "bf16"), "onnxruntime has no 'bf16'; valid: fp32, int8"),
        (("--backend", "openvino", "--precision", "int8"), "give some as --data"),
        (("--backend", "openvino", "--data", "missing.csv"), "missing.csv"),
    ],
)
def test_what_cannot_be_exported_leaves_nothing(refused, model, options, message):
    before = names(model)
    assert message in refused("export", "model", *options)
    assert names(model) == before


def test_a_backend_that_was_not_exported(refused, model):
    message = refused("predict", "model", "--input", "../data.csv", "--output", "o.csv", "--backend", "openvino")
    assert "has no export for openvino in fp32 (it has nothing); run  offramp export model" in message
