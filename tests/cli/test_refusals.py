"""What is wrong with a command is told before PyTorch is imported, which takes seconds."""

import gzip
import json
import os
import shutil
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
COMPRESS = ["compress", "../model", "--data", "../data.csv", "--output", "new"]
EXPORT = ["export", "../model", "--backend", "onnxruntime"]


def attaching(classifier):
    return ["attach", f"../{classifier}", *ATTACH[2:]]


WRONG = {
    "no model": (["predict", "../nodel", *PREDICT[2:]], "there is no folder ../nodel"),
    "a folder of something else": (["evaluate", "../encoder", *EVALUATE[2:]], "is a 'bert' model, not an offramp one"),
    "a folder of data": (["tune", "..", *TUNE[2:]], "is not an offramp model: it has no config.json"),
    "no input": ([*PREDICT[:3], "../dota.csv", *PREDICT[4:]], "../dota.csv does not exist (did you mean data.csv?)"),
    "no data": ([*BENCH[:3], "no.csv"], "no.csv does not exist"),
    "no such column": ([*EVALUATE, "--label-column", "topic"], "name one of them; --label-column says which it is"),
    "no column to keep": ([*PREDICT, "--keep", "topic"], "name one of them; --keep says which it is"),
    "a pair for a model of single texts": (
        [*TUNE, "--text-pair-column", "text"],
        "leave --text-pair-column out",
    ),
    "an output that is a folder": ([*PREDICT[:-1], ".."], "ends in none of"),
    "an output that cannot be": ([*PREDICT[:-1], "../data.csv/out.csv"], "cannot write ../data.csv/out.csv"),
    "the input as the output": ([*PREDICT[:-1], "../data.csv"], "is the input, whose texts would be lost"),
    "json that cannot be": ([*CALIBRATE, "--json", ".."], ".. is not a file"),
    "a picture of no format": ([*EVALUATE, "--picture", "x.pdf"], "does not end in .svg"),
    "a value out of range": ([*EVALUATE, "--threshold", "-1"], "--threshold is -1.0"),
    "no time": ([*BENCH, "--seconds", "0"], "--seconds is 0.0"),
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
    "a recipe that cannot be": ([*TRAIN, "--epochs", "0"], "--epochs is 0.0"),
    "no classifier": (["attach", "my-clf", *ATTACH[2:]], "cannot load the classifier 'my-clf'"),
    "no column for the exits": ([*ATTACH, "--text-column", "txt"], "has no column 'txt'"),
    "a chain of one model": (["chain", "../model", "--output", "new"], "a chain takes two models or more, not 1 model"),
    "a chain of a model and itself": (["chain", "../model", "../model", "--output", "new"], "is named twice"),
    "a chain of another kind": (
        ["chain", "../model", "../pair-model", "--output", "new"],
        "../model gives single texts one label, and ../pair-model gives pairs of texts one label",
    ),
    "a chain over its model": (
        ["chain", "../model", "../pair-model", "--output", "../model/new"],
        "--output ../model/new is or lies in the model ../model",
    ),
    "nothing to compress": (["compress", "nowhere", *COMPRESS[2:]], "there is no folder nowhere"),
    "a classifier to compress": (["compress", "../encoder", *COMPRESS[2:]], "is a 'bert' model, not an offramp one"),
    "no texts to compress with": ([*COMPRESS[:3], "no.csv", *COMPRESS[4:]], "no.csv does not exist"),
    "no work left": ([*COMPRESS, "--flops", "0"], "--flops is 0.0; it is the share of the work that is left"),
    "no gain": ([*COMPRESS, "--speedup", "1"], "--speedup is 1.0; use a number above 1"),
    "two goals": ([*COMPRESS, "--flops", "0.5", "--speedup", "2"], "choose one goal at a time"),
    "no difference at all": ([*COMPRESS, "--max-disagreement", "0"], "--max-disagreement is 0.0; use a share above 0"),
    "no such point to compress for": ([*COMPRESS, "--at", "none"], "there is no operating point 'none'"),
    "hardly any texts to compare on": ([*COMPRESS, "--dev-fraction", "0.1"], "6 texts are held out"),
    "a compressed model over a file": ([*COMPRESS[:-1], "../data.csv"], "../data.csv is a file"),
    "nothing to serve": (["serve", "nowhere"], "there is no folder nowhere"),
    "no keys": (["serve", "../model", "--api-keys", "none"], "cannot read the API keys"),
    "no point to serve at": (["serve", "../model", "--at", "none"], "there is no operating point 'none'"),
    "no point under load": (["serve", "../model", "--degrade-to", "none"], "there is no operating point 'none'"),
    "no such address": (["serve", "../model", "--host", "203.0.113.7"], "cannot listen on 203.0.113.7:8000"),
    "a folder for a demo that cannot be": (["demo", "--output", "../data.csv"], "cannot write ../data.csv"),
    "a disagreement that cannot be": (
        [*TUNE, "--max-disagreement", "2"],
        "--max-disagreement is 2.0; use a share",
    ),
    "no disagreement": ([*TUNE, "--max-disagreement", "0"], "--max-disagreement is 0.0; use a share above 0"),
    "a drop that cannot be": ([*TUNE, "--max-accuracy-drop", "1"], "--max-accuracy-drop is 1.0; use a share"),
    "a precision that cannot be": ([*TUNE, "--min-precision", "a=1"], "--min-precision of 'a' is 1.0; use a share"),
    "a precision of nothing": ([*TUNE, "--min-precision", "0.9"], "--min-precision is '0.9'; write one label and its"),
    "a recall of no label": ([*TUNE, "--min-recall", "none=0.9"], "the model has no label 'none', whose recall is to"),
    "no reference": ([*TUNE, "--reference-column", "gpt"], "name one of them; --reference-column says which it is"),
    "no reference model": ([*TUNE, "--reference", "nowhere"], "there is no folder nowhere"),
    "a reference of another kind": ([*TUNE, "--reference", "../pair-model"], "is a model of pairs of texts, and the"),
    "two references": ([*TUNE, "--reference", "../model", "--reference-column", "gpt"], "give only one of them"),
    "each exit of a recall": ([*TUNE, "--each-exit", "--min-recall", "a=0.9"], "--each-exit is about disagreement"),
    "a certain promise": ([*TUNE, "--confidence", "1"], "confidence is 1.0; use a number above 0 and below 1"),
    "a threshold to tune that cannot be": ([*TUNE, "--threshold", "-1"], "--threshold is -1.0"),
    "no default": ([*TUNE, "--default", "nope"], "'nope' is not an operating point; use one of fast, balanced, safe"),
    "no points of nothing": (["points", "nowhere"], "there is no folder nowhere"),
    "no default among points": (["points", "../model", "--default", "nope"], "there is no operating point 'nope'; the"),
    "no point to delete": (["points", "../model", "--delete", "nope"], "there is no operating point 'nope'; the model"),
    "a default without data": (["tune", "../model", "--default", "safe"], "offramp points ../model --default safe"),
    "nothing to tune on": (["tune", "../model"], "--data is missing; name texts that the model has not seen"),
    "an exit too deep": ([*TRAIN, "--exits", "9"], "no exit fits after layer 9: this encoder has 4 layers"),
    "exits that are no numbers": ([*TRAIN, "--exits", "foo"], "exits 'foo' are not layer numbers"),
    "no exits": ([*TRAIN, "--exits", ","], "exits ',' are not layer numbers"),
    "an exit before the first layer": ([*TRAIN, "--exits", "0"], "no exit fits after layer 0"),
    "an exit behind the cut": ([*TRAIN, "--layers", "2", "--exits", "3"], "this encoder has 2 layers, so use 1 to 2"),
    "no layers": ([*TRAIN, "--layers", "0"], "layers is 0: this encoder has 4 layers"),
    "too many layers": ([*TRAIN, "--layers", "9"], "layers is 9: this encoder has 4 layers"),
    "an exit too deep for a model": (["train", *TRAIN[1:3], "../model", *TRAIN[4:], "--exits", "9"], "has 4 layers"),
    "no tracker": ([*TRAIN, "--report-to", "foo"], "--report-to is 'foo', which is not known or not installed"),
    "a teacher of numbers": ([*TRAIN, "--teacher", "../one", "--distill", "1"], "'../one' predicts a number (1 output"),
    "too few labels": (
        [*attaching("classifier"), "--labels", "no,yes"],
        "labels are no, yes; the classifier has 3 outp",
    ),
    "labels that are the same": ([*attaching("classifier"), "--labels", "a,a,b"], "give 3 different names"),
    "a new exit too deep": ([*attaching("classifier"), "--exits", "9"], "no exit fits after layer 9"),
    "no new exit": ([*attaching("classifier"), "--exits", "4"], "exits are [4]: the classifier itself"),
    "a classifier of numbers": (attaching("one"), "'../one' predicts a number (1 output, problem_type None)"),
    "outputs of one name": (attaching("doubled"), "2 of its 3 outputs have the name 'neg' under id2label"),
    "an output without a name": (attaching("unnamed"), "its output 0 has no name under id2label"),
    "labels that do not count from 0": (attaching("numbered"), "numbers its labels 1, 2 under id2label"),
    "an adapter": (attaching("adapter"), "it holds an adapter only; merge it"),
    "an adapter to train": ([*TRAIN[:3], "../adapter", *TRAIN[4:]], "it holds an adapter only; merge it"),
    "foreign code": (attaching("remote"), "it brings program code of its own"),
    "a benchmark without an export": (
        [*BENCH, "--backend", "onnxruntime"],
        "cannot run in onnxruntime here, only in torch",
    ),
    "a benchmark in no precision": ([*BENCH, "--precision", "int8"], "cannot run in int8 here, only in torch fp32"),
    "an unknown label": ([*EVALUATE[:3], "../unknown.csv"], "unknown.csv, row 2: the model has no label 'z'"),
    "an unknown label to tune": ([*TUNE[:3], "../unknown.csv"], "unknown.csv, row 2: the model has no label 'z'"),
    "an unknown label to time": ([*BENCH[:3], "../unknown.csv"], "unknown.csv, row 2: the model has no label 'z'"),
    "an unknown label to fit": ([*CALIBRATE[:3], "../unknown.csv"], "unknown.csv, row 2: the model has no label 'z'"),
    "too few texts to fit": ([*CALIBRATE[:3], "../few.csv"], "fitting temperatures takes at least"),
    "an input that is cut": ([*PREDICT[:3], "../cut.csv.gz", *PREDICT[4:]], "cut.csv.gz"),
    "a later row without a text": (
        [*PREDICT[:3], "../hole.jsonl", *PREDICT[4:]],
        "line 2: the text in column 'text' is",
    ),
    "too many threads": ([*PREDICT, "--threads", "10000"], "threads is 10000; use at least 1 and at most"),
    "too many threads to measure with": ([*EVALUATE, "--threads", "10000"], "threads is 10000; use at least 1 and at"),
    "too many threads to serve with": (
        ["serve", "../model", "--compute-threads", "10000"],
        "--compute-threads is 1",
    ),
    "no threads for an export": ([*EXPORT, "--threads", "0"], "threads is 0; use at least 1"),
    "no baseline": ([*BENCH, "--check", "base.json"], "cannot read the baseline base.json"),
}

SEALED = {
    "a model to predict with": (["predict", "../closed", *PREDICT[2:]], "cannot read ../closed: Permission denied"),
    "a model of names only": (["predict", "../named", *PREDICT[2:]], "cannot read ../named: Permission denied"),
    "a model to serve": (["serve", "../closed"], "cannot read ../closed: Permission denied; check its permissions"),
    "a model in a folder": (["serve", "../closed/model"], "cannot read ../closed/model: Permission denied"),
    "a classifier": (attaching("closed"), "cannot read ../closed: Permission denied"),
    "a classifier in a folder": (attaching("closed/one"), "cannot read ../closed/one: Permission denied"),
    "an encoder": ([*TRAIN[:3], "../closed", *TRAIN[4:]], "cannot read ../closed: Permission denied"),
    "an output": ([*TRAIN[:-1], "../closed"], "cannot read ../closed: Permission denied"),
    "a new output in a folder": ([*TRAIN[:-1], "../kept/new"], "cannot write ../kept/new: Permission denied"),
    "an output to replace": ([*TRAIN[:-1], "../kept", "--overwrite"], "cannot write ../kept: Permission denied"),
    "an output of attaching": ([*ATTACH[:-1], "../kept", "--overwrite"], "cannot write ../kept: Permission denied"),
    "predictions": ([*PREDICT[:-1], "../closed/out.csv"], "cannot read ../closed/out.csv: Permission denied"),
    "json": ([*CALIBRATE, "--json", "../closed/out.json"], "cannot write ../closed/out.json: Permission denied"),
    "a report": ([*EVALUATE, "--report", "../closed/report"], "cannot write ../closed/report"),
    "a demo": (["demo", "--output", "../closed"], "cannot write ../closed/curve.svg: Permission denied"),
    "a model to calibrate": (["calibrate", "../kept", *CALIBRATE[2:]], "cannot write ../kept: Permission denied"),
    "a model to tune": (["tune", "../kept", *TUNE[2:]], "cannot write ../kept: Permission denied; choose a path that"),
    "a model to export": (["export", "../kept", *EXPORT[2:]], "cannot write ../kept: Permission denied"),
    "a model to bench": (["bench", "../kept", *BENCH[2:], "--autotune"], "cannot write ../kept: Permission denied"),
}


def write_config(folder, labels, **more):
    folder.mkdir()
    content = {"model_type": "bert", "num_hidden_layers": 4, "id2label": labels, **more}
    (folder / "config.json").write_text(json.dumps(content))


@pytest.fixture
def _faulty(place):
    """Checkpoints and data that cannot be used; nothing but configurations of the checkpoints is looked at."""
    beside = place.parent
    write_config(beside / "classifier", {"0": "a", "1": "b", "2": "c"})
    write_config(beside / "one", {"0": "score"})
    write_config(beside / "doubled", {"0": "neg", "1": "neg", "2": "pos"})
    write_config(beside / "unnamed", {"0": " ", "1": "b"})
    write_config(beside / "numbered", {"1": "a", "2": "b"})
    write_config(beside / "remote", {}, model_type="mybert", auto_map={"AutoConfig": "configuration_my.MyConfig"})
    (beside / "adapter").mkdir()
    (beside / "adapter" / "adapter_config.json").write_text("{}")
    (beside / "unknown.csv").write_text("text,label\nw1,a\nw2,z\n")
    (beside / "few.csv").write_text("text,label\nw1,a\n")
    (beside / "hole.jsonl").write_text('{"text": "w1"}\n{"txt": "w2"}\n')
    texts = "".join(f"w{number}\n" for number in range(4000))
    (beside / "cut.csv.gz").write_bytes(gzip.compress(f"text\n{texts}".encode())[:-100])


def assert_refused(wrong):
    """Runs commands, and looks at what became of each."""
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps([arguments for arguments, _ in wrong.values()]),
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    for (name, (_, expected)), line in zip(wrong.items(), done.stdout.splitlines(), strict=True):
        code, said, heavy = json.loads(line)
        assert (name, code) == (name, 2)
        assert expected in said
        assert (name, heavy) == (name, [])


@pytest.mark.usefixtures("_faulty")
def test_wrong_commands_are_refused_before_anything_heavy_is_imported(place):
    assert_refused(WRONG)
    assert list(place.iterdir()) == []


@pytest.fixture
def _sealed(place):
    """Model folders that may not be looked into and that may not be written."""
    modes = {"closed": 0o000, "named": 0o444, "kept": 0o555}
    for name, mode in modes.items():
        folder = place.parent / name
        shutil.copytree(place.parent / "model", folder)
        (folder / "training.json").write_text("{}")
        folder.chmod(mode)
        if os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            pytest.skip("root may read and write everything")
    yield
    for name in modes:
        (place.parent / name).chmod(0o755)


@pytest.mark.usefixtures("_sealed")
def test_what_may_not_be_read_or_written_is_told_before_anything_heavy_is_imported(place):
    assert_refused(SEALED)
    assert list(place.iterdir()) == []
