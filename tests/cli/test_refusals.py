"""What is wrong with a command is told before PyTorch is imported, which takes seconds."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "accelerate", "sklearn", "datasets")

# Runs each command in one process, and gives its exit code, what it said and which heavy modules are there after it.
RUN = f"""
import json, sys
from typer.testing import CliRunner
from offramp.cli.app import app
for arguments in json.load(sys.stdin):
    ended = CliRunner().invoke(app, arguments)
    print(json.dumps([ended.exit_code, ended.output, sorted(set({HEAVY}) & set(sys.modules))]))
"""

PREDICT = ["predict", "../model", "--input", "../data.csv", "--output", "out.jsonl"]
EVALUATE = ["evaluate", "../model", "--data", "../data.csv"]
TUNE = ["tune", "../model", "--data", "../data.csv"]
CALIBRATE = ["calibrate", "../model", "--data", "../data.csv"]
BENCH = ["bench", "../model", "--data", "../data.csv"]
TRAIN = ["train", "../data.csv", "--model", "../encoder", "--output", "new"]
ATTACH = ["attach", "../encoder", "--data", "../data.csv", "--output", "new"]
EXPORT = ["export", "../model", "--backend", "onnxruntime"]

WRONG = {
    "no model": (["predict", "../nodel", *PREDICT[2:]], "there is no folder ../nodel"),
    "a folder of something else": (["evaluate", "../encoder", *EVALUATE[2:]], "is a 'bert' model, not an offramp one"),
    "a folder of data": (["tune", "..", *TUNE[2:]], "is not an offramp model: it has no config.json"),
    "no input": ([*PREDICT[:3], "../dota.csv", *PREDICT[4:]], "../dota.csv does not exist (did you mean data.csv?)"),
    "no data": ([*BENCH[:3], "no.csv"], "no.csv does not exist"),
    "no such column": ([*EVALUATE, "--label-column", "topic"], "has no column 'topic'"),
    "no column to keep": ([*PREDICT, "--keep", "topic"], "has no column 'topic'"),
    "a pair for a model of single texts": ([*TUNE, "--text-pair-column", "text"], "was trained on single texts"),
    "an output that is a folder": ([*PREDICT[:-1], ".."], "ends in none of"),
    "an output that cannot be": ([*PREDICT[:-1], "../data.csv/out.csv"], "cannot write ../data.csv/out.csv"),
    "the input as the output": ([*PREDICT[:-1], "../data.csv"], "is the input, whose texts would be lost"),
    "json that cannot be": ([*CALIBRATE, "--json", ".."], ".. is not a file"),
    "a picture of no format": ([*EVALUATE, "--picture", "x.pdf"], "ends in none of .svg, .png"),
    "a value out of range": ([*EVALUATE, "--threshold", "-1"], "threshold is -1.0"),
    "no time": ([*BENCH, "--seconds", "0"], "seconds is 0.0"),
    "two targets": ([*TUNE, "--speedup", "2", "--threshold", "0.5"], "choose one target at a time"),
    "no such operating point": ([*PREDICT, "--at", "none"], "there is no operating point 'none' for torch fp32"),
    "a backend that is not exported": ([*PREDICT, "--backend", "openvino"], "has no export for openvino"),
    "a precision that a backend lacks": ([*EXPORT, "--precision", "bf16"], "onnxruntime has no 'bf16'"),
    "nothing to train on": (["train", "no.csv", *TRAIN[2:]], "no.csv does not exist"),
    "no label": ([*TRAIN, "--label-column", "topic"], "has no column 'topic'"),
    "no encoder": ([*TRAIN[:3], "my-bert", *TRAIN[4:]], "cannot load the encoder 'my-bert': there is no such folder"),
    "a path that is no encoder": ([*TRAIN[:3], "./no/bert", *TRAIN[4:]], "it is no name on the Hugging Face hub"),
    "a file as an encoder": ([*TRAIN[:3], "../data.csv", *TRAIN[4:]], "'../data.csv': it is a file"),
    "no teacher": ([*TRAIN, "--teacher", "my-bert", "--distill", "1"], "cannot load the classifier 'my-bert'"),
    "a model that is there": ([*TRAIN[:-1], ".."], ".. has no name of its own"),
    "a file as a model to write": ([*TRAIN[:-1], "../data.csv"], "../data.csv is a file"),
    "a recipe that cannot be": ([*TRAIN, "--epochs", "0"], "epochs is 0.0"),
    "no classifier": (["attach", "my-clf", *ATTACH[2:]], "cannot load the classifier 'my-clf'"),
    "no column for the exits": ([*ATTACH, "--text-column", "txt"], "has no column 'txt'"),
    "nothing to serve": (["serve", "nowhere"], "there is no folder nowhere"),
    "no keys": (["serve", "../model", "--api-keys", "none"], "cannot read the API keys"),
    "no point to serve at": (["serve", "../model", "--at", "none"], "there is no operating point 'none'"),
    "no point under load": (["serve", "../model", "--degrade-to", "none"], "there is no operating point 'none'"),
    "no such address": (["serve", "../model", "--host", "203.0.113.7"], "cannot listen on 203.0.113.7:8000"),
    "a folder for a demo that cannot be": (["demo", "--output", "../data.csv"], "cannot write ../data.csv"),
    "no baseline": ([*BENCH, "--check", "base.json"], "cannot read the baseline base.json"),
}


@pytest.fixture
def ended(place):
    """What became of every wrong command, by its name."""
    commands = [arguments for arguments, _ in WRONG.values()]
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(commands),
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(WRONG, map(json.loads, done.stdout.splitlines()), strict=True))


def test_wrong_commands_are_refused_before_anything_heavy_is_imported(ended, place):
    for name, (code, said, heavy) in ended.items():
        assert (name, code) == (name, 2)
        assert WRONG[name][1] in said
        assert (name, heavy) == (name, [])
    assert list(place.iterdir()) == []
