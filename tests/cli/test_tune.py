import json

import pytest

import offramp as package
from helpers.toys import names, single, write_csv, write_jsonl, write_model
from offramp.policy import StageCosts
from offramp.tuning.rows import Measured


@pytest.fixture
def model(place):
    return write_model(place / "model")


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    """A stage costs what it has layers, whatever the clock says."""
    costs = Measured(StageCosts((1.0, 1.0, 2.0), 4.0), rows=32)
    monkeypatch.setattr("offramp.tuning.run.measure", lambda classifier, rows, answers, seconds: costs)


def tune(run, *more, data="../data.csv"):
    return run("tune", "model", "--data", data, "--seconds", "0.01", "--threads", "1", *more)


def test_a_table_json_and_a_point_to_use(offramp, model, place):
    result = tune(
        offramp, "--max-disagreement", "0.9", "--name", "loose", "--json", "new/tuned.json", "--wide", "--rule", "gate"
    )
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("60 rows, ")
    assert lines[2].split()[:3] == ["point", "promise", "leave"]
    assert "loose  disagreement <= 90%, 95 % confidence  " in lines[3]
    assert "  45  " in lines[3]  # a quarter of the rows fitted the rule
    assert result.stderr.splitlines() == [
        "wrote new/tuned.json",
        "wrote model/operating_points.json; use a point with --at loose",
    ]
    written = json.loads((place / "new" / "tuned.json").read_text(), parse_constant=pytest.fail)
    assert [point["name"] for point in written["points"]] == ["loose"]
    result = offramp("predict", "model", "--input", "../data.csv", "--output", "out.jsonl", "--at", "loose")
    assert result.exit_code == 0, result.stderr
    texts = [row["text"] for row in single(60)]
    expected = package.load("model").predict(texts, at="loose").exit
    assert [json.loads(line)["exit"] for line in (place / "out.jsonl").open()] == expected


def test_all_rules_side_by_side(offramp, model):
    result = tune(offramp, "--threshold", "0.5", "--compare-rules")
    assert result.exit_code == 0, result.stderr
    assert "accuracy at" in result.stdout
    assert "patient-certainty" in result.stdout
    assert "tuned        -  confidence at least 0.5" in result.stdout


def test_a_target_that_cannot_be_met_ends_with_1_and_one_sentence(offramp, model, place):
    result = tune(offramp, "--max-disagreement", "0.01")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: tuned: no threshold keeps the disagreement at 1% or less with 0.95 confidence, by")
    assert "on 60 rows; it takes at least 299 rows or a disagreement of" in line
    (line,) = tune(offramp, "--max-disagreement", "0.01", "--rule", "per-exit").stderr.splitlines()
    assert "on 45 rows, after 15 others served to fit the rule; it takes at least 398 rows or a disagreement of" in line
    result = tune(offramp, "--speedup", "99")
    assert result.exit_code == 1
    assert (
        "no threshold is 99x as fast as full depth: even if every text left at the first exit, it would be 4.00x"
        in result.stderr
    )


def test_points_slower_than_full_depth_are_not_stored_unless_asked_for_by_a_threshold(
    offramp, model, place, monkeypatch
):
    costs = Measured(StageCosts((5.0, 5.0, 5.0), 4.0), rows=32)
    monkeypatch.setattr("offramp.tuning.run.measure", lambda classifier, rows, answers, seconds: costs)
    result = tune(offramp, "--max-disagreement", "0.9", "--name", "slow")
    assert result.exit_code == 1
    assert "slow: early exit with a disagreement of 90% or less is expected to be slower than full" in result.stderr
    assert "operating_points.json" not in names(place / "model")
    result = tune(offramp, "--threshold", "0.9", "--name", "asked")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "wrote model/operating_points.json",
        "warning: asked: expected to be slower than full depth, which is the better choice",
    ]


def test_a_model_that_gives_one_answer_to_all_texts_is_doubted(offramp, model, place):
    plain = write_csv(place / "same.csv", [{"text": "w1 w2"}] * 60)
    result = tune(offramp, "--max-disagreement", "0.9", data=plain)
    assert "The model gives the same answer to all 60 texts, so agreeing with it means nothing" in result.stdout
    assert "gives the same answer" not in tune(offramp, "--max-disagreement", "0.9").stdout


def test_void_points_are_dropped_and_told(offramp, model, place):
    assert tune(offramp, "--threshold", "0.5", "--name", "old").exit_code == 0
    more = write_jsonl(place / "more.jsonl", single(60, seed=5))
    assert offramp("calibrate", "model", "--data", more).exit_code == 0
    result = tune(offramp, "--threshold", "0.5", "--name", "new")
    assert result.stderr.splitlines()[-1] == (
        "dropped old of torch fp32: tuned for other weights or temperatures than the model has now"
    )


def test_rows_that_were_used_before(offramp, refused, model, place):
    assert offramp("calibrate", "model", "--data", "../data.csv").exit_code == 0
    message = tune(refused)
    assert message == (
        "100% of the rows in ../data.csv were used to make this model (for temperatures of torch): a threshold chosen "
        "on them would look better than it is; use other rows, or --split to refit the temperatures on one half of "
        "these and choose on the other"
    )
    assert tune(offramp, "--split", "--threshold", "0.5").exit_code == 0


def test_no_labels(offramp, refused, model, place):
    plain = write_csv(place / "plain.csv", [{"text": row["text"]} for row in single(60)])
    assert tune(offramp, "--max-disagreement", "0.9", data=plain).exit_code == 0
    message = tune(refused, "--max-accuracy-drop", "0.1", data=plain)
    assert message.startswith("plain.csv has no labels" if plain == "plain.csv" else f"{plain} has no labels")
    assert "has no column 'topic'" in tune(refused, "--label-column", "topic", data=plain)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0.5", "--speedup", "2"], "--threshold and --speedup are given; choose one target at a time"),
        (["--max-disagreement", "2"], "--max-disagreement is 2.0; use a share above 0 and below 1"),
        (["--confidence", "95"], "confidence is 95.0; use a number above 0 and below 1"),
        (["--name", "safe"], "the name 'safe' needs a target"),
        (["--default", "fine"], "the default 'fine' is not an operating point"),
        (["--backend", "openvino"], "has no export for openvino"),
        (["--json", "model"], "model is not a file"),
    ],
)
def test_bad_options_are_refused(refused, model, options, message):
    before = names(model)
    assert message in tune(refused, *options)
    assert names(model) == before


def test_a_point_that_is_not_there(refused, model, place):
    arguments = ("predict", "model", "--input", "../data.csv", "--output", "out.jsonl")
    assert "there is no operating point 'safe' for torch fp32; the model has none" in refused(
        *arguments, "--at", "safe"
    )
    message = refused(*arguments, "--at", "safe", "--threshold", "0.5")
    assert message == "--threshold 0.5 and --at 'safe' are given; give only one of them"
    assert names(place) == ["model"]


def test_unknown_labels(refused, model, place):
    unseen = write_jsonl(place / "unseen.jsonl", [*single(3), {"text": "w1", "label": "A"}])
    assert "the model has no label 'A'" in tune(refused, data=unseen)


def test_several_promises_have_a_table_of_their_own(offramp, model):
    result = tune(
        offramp, "--max-disagreement", "0.9", "--max-accuracy-drop", "0.9", "--name", "both", "--wide", "--rule", "gate"
    )
    assert result.exit_code == 0, result.stderr
    assert "2 at once, below" in result.stdout
    table = [line.split() for line in result.stdout.splitlines()[-2:]]
    assert [line[:-2] for line in table] == [
        ["both", "disagreement", "<=", "90%,", "95", "%", "confidence", "45"],
        ["both", "accuracy", "drop", "<=", "90%,", "95", "%", "confidence", "45"],
    ]
