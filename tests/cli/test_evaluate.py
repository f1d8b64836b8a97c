import json
import shutil

import pytest

from helpers.commands import CLOSED_PIPE
from helpers.evaluations import SEEN, benchmark
from helpers.toys import names, single, write_jsonl
from offramp.backends import REFERENCE
from offramp.calibration import Problem
from offramp.engine import load
from offramp.files import write_json
from offramp.policy import Confidence, OperatingPoint, OperatingPoints, Threshold, save_operating_points


@pytest.fixture
def own_model(place):
    """A model folder that may be changed."""
    shutil.copytree(place.parent / "model", place / "model")
    return place / "model"


def evaluate(offramp, *more, data="../data.csv", model="../model"):
    return offramp("evaluate", model, "--data", data, "--seconds", "0.01", "--threads", "1", *more)


def test_tables_json_and_picture(offramp, place):
    result = evaluate(offramp, "--json", "new/result.json", "--picture", "curve.svg")
    assert result.exit_code == 0
    assert "60 rows, " in result.stdout
    assert "full depth: accuracy " in result.stdout
    assert "exit after layer" in result.stdout
    assert result.stderr.splitlines() == ["wrote new/result.json", "wrote curve.svg"]
    written = json.loads((place / "new" / "result.json").read_text(), parse_constant=pytest.fail)
    thresholds = [point["threshold"] for point in written["points"]]
    assert thresholds == sorted({*thresholds, 0.0, 1.01})
    assert len(thresholds) > 2
    assert names(place) == ["curve.svg", "new"]


def test_one_threshold(offramp, place):
    result = evaluate(offramp, "--threshold", "0.7", "--json", "result.json")
    assert result.exit_code == 0
    assert [point["threshold"] for point in json.loads((place / "result.json").read_text())["points"]] == [0.7]


def test_blank_and_long_texts_are_told(offramp, place):
    rows = [*single(20), {"text": " ", "label": "a"}, {"text": "w1 " * 99, "label": "b"}]
    result = evaluate(offramp, "--threshold", "0.9", data=write_jsonl(place / "odd.jsonl", rows))
    assert "1 text is empty\n" in result.stdout
    assert "1 text is longer than the 48 tokens the model reads\n" in result.stdout


def test_texts_that_were_used_before_are_told(offramp, place, own_model):
    assert "look better" not in evaluate(offramp, "--threshold", "0.9", model="model").stdout
    assert offramp("calibrate", "model", "--data", "../data.csv").exit_code == 0
    told = "evaluate on texts that were not used to make the model. Used before: 100\u202f% for temperatures of torch."
    assert told in evaluate(offramp, "--threshold", "0.9", model="model").stdout


def test_a_report_with_a_section_of_the_model_card(offramp, place, own_model):
    result = evaluate(offramp, "--report", "out", "--threshold", "0.73", "--show-texts", model="model")
    assert result.exit_code == 0
    assert "cut after 1" in result.stdout
    written = ["wrote out/report.html", "wrote out/report.json", "wrote model/README.md", "wrote model/curve.svg"]
    assert result.stderr.splitlines() == written
    found = json.loads((place / "out" / "report.json").read_text(), parse_constant=pytest.fail)
    assert found["evaluation"]["focus"]["point"]["threshold"] == 0.73
    assert {0.0, 0.73, 1.01} < {point["threshold"] for point in found["evaluation"]["points"]}
    assert found["advice"]["verdict"]["advice"] in result.stdout
    page = (place / "out" / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    card = (own_model / "README.md").read_text()
    assert "## Speed and accuracy" in card
    evaluate(offramp, "--report", "out", "--no-card", "--threshold", "0.9", model="model")
    assert (own_model / "README.md").read_text() == card
    assert "--show-texts" in (place / "out" / "report.html").read_text()


def test_a_report_with_a_benchmark_and_an_operating_point(offramp, place, own_model):
    fingerprint = load(own_model).fingerprint
    write_json(place / "bench.json", benchmark(fingerprint).to_dict())
    rule = Threshold(0.8, Confidence(Problem.SINGLE_LABEL))
    point = OperatingPoint("mine", REFERENCE, fingerprint, rule, (), SEEN)
    save_operating_points(own_model, OperatingPoints((point,)))
    result = evaluate(offramp, "--report", "out", "--bench", "bench.json", "--at", "mine", model="model")
    assert result.exit_code == 0, result.stderr
    assert "\nmine: no promise\n" in result.stdout
    found = json.loads((place / "out" / "report.json").read_text())
    assert found["evaluation"]["focus"]["point"]["name"] == "mine"
    assert found["speeds"]["rows"][0]["name"] == "torch fp32, full depth"
    page = (place / "out" / "report.html").read_text()
    assert "torch fp32, full depth" in page
    assert "operating point &#39;mine&#39;" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "-1"], "threshold is -1.0"),
        (["--threshold", "0.5", "--at", "safe"], "threshold is 0.5 and at is 'safe'; give only one of them"),
        (["--at", "none"], "there is no operating point 'none'"),
        (["--show-texts"], "--bench, --monitored and --show-texts are for the report; add --report DIR"),
        (
            ["--monitored", "monitored.json"],
            "--bench, --monitored and --show-texts are for the report; add --report DIR",
        ),
        (["--bench", "bench.json"], "--bench, --monitored and --show-texts are for the report; add --report DIR"),
        (["--report", "out", "--no-card", "--bench", "none.json"], "cannot read the benchmark none.json"),
        (["--report", "../data.csv", "--no-card"], "cannot write ../data.csv/report.json"),
        (["--threshold", "nan"], "threshold is nan"),
        (["--seconds", "0"], "seconds is 0.0"),
        (["--threads", "0"], "threads is 0"),
        (["--seed", "-1"], "seed is -1"),
        (["--text-pair-column", "text"], "this model was trained on single texts; leave --text-pair-column out"),
        (["--text-column", "txt"], "has no column 'txt' (did you mean 'text'?)"),
        (["--label-separator", ""], "--label-separator is empty"),
        (["--label-separator", ";"], "a list of labels in each row, but the model gives one label"),
        (["--picture", "curve.pdf"], "the picture curve.pdf does not end in .svg"),
    ],
)
def test_bad_options_are_refused(refused, place, options, message):
    assert message in evaluate(refused, *options)
    assert names(place) == []


def test_pairs_have_to_be_named(refused, place):
    message = evaluate(refused, "--text-column", "first", data="../pairs.csv", model="../pair-model")
    assert message.startswith("this model was trained on pairs of texts; add --text-pair-column")


@pytest.mark.parametrize("option", ["--json", "--picture"])
def test_targets_that_cannot_be_are_refused_before_any_work(refused, place, option, monkeypatch):
    monkeypatch.setattr("offramp.engine.loading.load", lambda *_, **__: pytest.fail("work had begun"))
    (place / "folder.svg").mkdir()
    (place / "folder.svg" / "mine.txt").write_text("mine")
    (place / "file").write_text("mine")
    assert "folder.svg is not a file" in evaluate(refused, option, "folder.svg")
    assert "cannot write file/x.svg" in evaluate(refused, option, "file/x.svg")
    assert names(place) == ["file", "folder.svg"]
    assert names(place / "folder.svg") == ["mine.txt"]


def test_data_are_checked(refused, place):
    unseen = write_jsonl(place.parent / "unseen.jsonl", [*single(3), {"text": "w1", "label": "d"}])
    message = evaluate(refused, "--json", "result.json", data=unseen)
    assert "unseen.jsonl, row 4: the model has no label 'd'; its labels are 'a', 'b', 'c'" in message
    (place.parent / "empty.csv").write_text("")
    assert "empty.csv holds no rows" in evaluate(refused, data="../empty.csv")
    assert names(place) == []


def test_a_reader_that_has_gone_ends_it_quietly(server, place):
    command = ("evaluate", "../model", "--data", "../data.csv", "--threshold", "0.9", "--seconds", "0.01")
    result = server.run(*command, cwd=place, stdout=CLOSED_PIPE)
    assert (result.code, result.err) == (141, "")


def test_a_full_device_is_one_line(server, place):
    command = ("evaluate", "../model", "--data", "../data.csv", "--threshold", "0.9", "--seconds", "0.01")
    result = server.run(*command, cwd=place, stdout="/dev/full")
    assert result.code == 2
    assert result.err.startswith("error: cannot write standard output: No space left on device")
    assert len(result.err.splitlines()) == 1


def test_a_full_disk_is_one_line(server, place, small_disk):
    disk = small_disk("4k")
    command = ("evaluate", "../model", "--data", "../data.csv", "--seconds", "0.01", "--json", disk / "result.json")
    result = server.run(*command, cwd=place)
    assert result.code == 2
    assert result.err == (
        f"error: cannot write {disk / 'result.json'}: No space left on device; "
        "free some space and run the command again\n"
    )
    assert names(disk) == []
