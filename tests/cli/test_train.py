import json
import re
import signal
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file

import offramp as package
from helpers.toys import names, single, write_csv, write_jsonl
from offramp.training import ExitFit

SETTINGS = ["--exits", "1,2,4", "--pooling", "mean", "--precision", "fp32", "--dropout", "0", "--batch-size", "16"]


def train(offramp, *more, data="../data.csv", model="../encoder", output="model", epochs=1, **options):
    arguments = ["train", data, "--model", model, "--output", output, "--epochs", epochs, *SETTINGS, *more]
    return offramp(*arguments, **options)


def test_a_model_is_trained_and_its_figures_shown(offramp, place):
    dev = write_jsonl(place.parent / "dev.jsonl", single(30, seed=9))
    more = ["--dev", dev, "--learning-rate", "1e-3", "--learning-rate", "2e-3", "--trials", "2", "--seed", "3"]
    result = train(offramp, *more)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert re.search(r"^trial 2 of 2: learning rate 0\.00[12]$", result.stderr, re.MULTILINE)
    assert (
        len(re.findall(r"^dev accuracy    exit 1   exit 2   exit 4     mean   training loss$", result.stderr, re.M))
        == 2
    )
    assert len(re.findall(r"^epoch 1( +\d+\.\d\d%){4} +\d\.\d+$", result.stderr, re.MULTILINE)) == 2
    assert "exit after layer  accuracy  temperature" in result.stderr
    assert re.search(r"the exits hold 304 of [\d,]+ parameters \(0\.\d+%\)", result.stderr)
    assert result.stderr.endswith("wrote model\n")
    assert names(place) == ["model"]
    record = json.loads((place / "model" / "training.json").read_text())
    assert record["recipe"]["learning_rates"] == [1e-3, 2e-3]
    assert (record["seed"], record["recipe"]["trials"]) == (3, 2)


def test_labels_are_shown_with_their_rows_and_look_alikes_warned_of(offramp, place):
    rows = [
        {"text": row["text"], "label": "sp\u200bam" if number == 7 else row["label"]}
        for number, row in enumerate(single(60))
    ]
    data = write_jsonl(place.parent / "alike.jsonl", [*rows, {"text": "w1", "label": "spam"}])
    result = train(offramp, "--dev", write_jsonl(place.parent / "dev.jsonl", single(30, seed=9)), data=data)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^warning: .*the labels 'spam', 'sp\\u200bam' look the same", result.stderr, re.MULTILINE)
    assert re.search(r"^training rows of each label: a \d+, b \d+, c \d+, spam 1, sp\u200bam 1$", result.stderr, re.M)


def test_frozen_exits_are_shown_apart_from_the_encoder(offramp, place):
    result = train(offramp, "--regime", "frozen")
    assert result.exit_code == 0, result.stderr
    table = re.findall(r"^(dev accuracy +(?:exit \d +)+|epoch \d+)", result.stderr, re.MULTILINE)
    assert [" ".join(line.split()) for line in table] == [
        "dev accuracy exit 4",
        "epoch 1",
        "dev accuracy exit 1 exit 2 exit 4",
        "epoch 20",
    ]
    assert re.search(r"^each exit at its best epoch, \d+ s of training", result.stderr, re.MULTILINE)
    record = json.loads((place / "model" / "training.json").read_text())
    assert record["fit"] == asdict(ExitFit())


def test_several_labels_from_csv(offramp, place):
    rows = [row | {"label": row["label"].replace("c", "a|b")} for row in single(40)]
    result = train(offramp, "--label-separator", "|", data=write_csv(place.parent / "multi.csv", rows))
    assert result.exit_code == 0, result.stderr
    assert package.load(place / "model").labels == ("a", "b")


def test_pairs(offramp, place):
    result = train(offramp, "--text-column", "first", "--text-pair-column", "second", data="../pairs.csv")
    assert result.exit_code == 0, result.stderr
    assert package.load(place / "model").config.text_pair


def test_blank_and_long_texts_are_told(offramp, place):
    rows = [*single(30), {"text": "", "label": "a"}, {"text": "w1 " * 100, "label": "a"}]
    dev = write_jsonl(place.parent / "dev.jsonl", single(10, seed=9))
    result = train(offramp, "--dev", dev, "--max-length", "12", data=write_csv(place.parent / "odd.csv", rows))
    assert "1 training text was empty\n" in result.stderr
    assert "1 training text was cut at the longest length the model reads\n" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-length", "1"], "max-length is 1; use at least 8 tokens"),
        (["--epochs", "0"], "epochs is 0.0; it must be a number of at least 0.001"),
        (["--epochs", "inf"], "epochs is inf"),
        (["--batch-size", "0"], "batch-size is 0"),
        (["--learning-rate", "5"], "a learning rate of 5.0 cannot work"),
        (["--head-learning-rate", "0"], "a learning rate of 0.0 cannot work"),
        (["--dropout", "1"], "dropout is 1.0"),
        (["--warmup", "2"], "warmup is 2.0"),
        (["--patience", "0"], "patience is 0"),
        (["--trials", "0"], "trials is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--dev-fraction", "1"], "the dev fraction is 1.0"),
        (
            ["--dev-fraction", "0.2", "--dev", "../data.csv"],
            "dev-fraction is 0.2, but nothing is split off where --dev names the dev texts; give one of the two",
        ),
        (["--report-to", "paper"], "report-to is 'paper'"),
        (["--exits", "1,9"], "no exit fits after layer 9: this encoder has 4 layers, so use 1 to 4"),
        (["--exits", "2,2"], "exits name layer 2 more than once; name each layer once"),
        (["--exits", "first"], "exits 'first' are not layer numbers; write them as 1,2,4 or 'all'"),
        (["--model", "google/no-such-encoder"], "cannot load the encoder 'google/no-such-encoder'"),
        (["--model", "../data.csv"], "cannot load the encoder '../data.csv'"),
        (["--model", ".."], "cannot load the encoder '..'"),
        (["--teacher", "../encoder"], "a teacher teaches through distillation; give --distill a weight, such as 1"),
        (["--teacher", "../none", "--distill", "1"], "cannot load the classifier '../none'"),
        (["--text-column", "txt"], "has no column 'txt' (did you mean 'text'?); its columns are 'text', 'label'"),
        (["--label-column", "labels"], "has no column 'labels' (did you mean 'label'?)"),
        (["--text-pair-column", "second"], "has no column 'second'"),
        (["--dev", "../dat.csv"], "../dat.csv does not exist (did you mean data.csv"),
        (["--output", "."], "the output . has no name of its own"),
        (["--output", "../data.csv"], "../data.csv is a file; give a folder"),
        (["--output", "../data.csv/model"], "cannot write ../data.csv/model"),
        (["--output", "../model"], "../model exists and is not empty; choose another output or add --overwrite"),
        (["--output", "../encoder", "--overwrite"], "../encoder holds something other than an offramp model"),
    ],
)
def test_bad_options_are_refused_and_leave_nothing(refused, place, options, message):
    assert message in train(refused, *options)
    assert names(place) == []
    assert not [name for name in names(place.parent) if "checkpoints" in name]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"text,label\n", "holds no rows"),
        (b"text,label\nw1,a\nw2,a\nw3,a\n", "all 3 rows have the same label ('a')"),
        (b"text,label\nw1,a\n", "all 1 rows have the same label|no label has two rows"),
        (b"text,label\nw1,a\nw2,b\n", "no label has two rows, so no dev part can be split off"),
        (b"text,label\nw1,a\nw2\n", "line 3: 1 fields, but the header has 2"),
        (b"text,label\nw1,a\nw2,\n", "line 3: the label in column 'label' is missing"),
        (b"text,label\nw1,a\n\xe4,b\n", "line 3: byte 1 (0xe4) is not UTF-8"),
    ],
)
def test_bad_data_are_refused_and_leave_nothing(refused, place, content, message):
    (place.parent / "bad.csv").write_bytes(content)
    told = train(refused, data="../bad.csv")
    assert any(part in told for part in message.split("|"))
    assert names(place) == []


def test_a_label_that_only_the_dev_data_have_is_refused(refused, place):
    dev = write_jsonl(place.parent / "dev.jsonl", [*single(5, seed=9), {"text": "w1", "label": "d"}])
    assert "dev.jsonl, row 6: the model has no label 'd'" in train(refused, "--dev", dev)
    assert names(place) == []


def test_an_existing_model_is_overwritten_on_demand(offramp, place):
    assert train(offramp).exit_code == 0
    assert train(offramp).exit_code == 2
    assert train(offramp, "--overwrite").exit_code == 0
    assert names(place) == ["model"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_what_is_broken_off_is_resumed(server, offramp, refused, place, number, code):
    def arguments(output, *more):
        return ["train", "../data.csv", "--model", "../encoder", "--output", output, "--epochs", "15", *SETTINGS, *more]

    with server.start(*arguments("model", "--patience", "99"), cwd=place) as running:
        running.wait_for(lambda: any(place.glob("model.checkpoints/trial-0/phase-0/checkpoint-*/trainer_state.json")))
        running.signal(number)
    assert running.ended.code == code
    assert "Traceback" not in running.ended.err
    told = "interrupted; what is done lies in model.checkpoints: with --resume the same command goes on from there"
    assert running.ended.err.splitlines()[-1:] == [told] or number == signal.SIGKILL
    assert names(place) == ["model.checkpoints"]
    assert "model.checkpoints holds an unfinished run; add --resume" in refused(*arguments("model", "--patience", "99"))
    resumed = offramp(*arguments("model", "--patience", "99", "--resume"))
    assert resumed.exit_code == 0, resumed.stderr
    assert offramp(*arguments("unbroken", "--patience", "99")).exit_code == 0
    assert names(place) == ["model", "unbroken"]
    one, other = (load_file(place / folder / "model.safetensors") for folder in ("model", "unbroken"))
    assert all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("size", ["100k", "400k"])
def test_a_full_disk_is_one_line_and_the_run_is_resumed(server, offramp, place, small_disk, size):
    # The smaller disk is full while the weights are written, the larger one while the optimizer is.
    disk = small_disk(size)
    arguments = [
        "train",
        "../data.csv",
        "--model",
        "../encoder",
        "--output",
        disk / "model",
        "--epochs",
        "1",
        *SETTINGS,
    ]
    result = server.run(*arguments, cwd=place)
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(f"error: cannot write {disk / 'model.checkpoints' / 'trial-0'}: ")
    assert "Traceback" not in result.err
    assert names(disk) == ["model.checkpoints"]
    small_disk("8m")
    assert offramp(*arguments, "--resume").exit_code == 0
    assert names(disk) == ["model"]
