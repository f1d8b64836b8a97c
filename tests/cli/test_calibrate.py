import json

import pytest

from helpers.toys import names, single, write_csv, write_jsonl, write_model


@pytest.fixture
def model(place):
    return write_model(place / "model")


def test_temperatures_are_shown_and_written(offramp, model, place):
    result = offramp("calibrate", "model", "--data", "../data.csv", "--json", "new/result.json")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "exit after layer  old T   new T" in result.stderr
    assert "fitted on 60 rows; wrote model/calibration.json" in result.stderr
    assert "\nwarning: the temperatures are uncertain, and with them the confidences: they were fitted to 60 rows" in (
        result.stderr
    )
    written = json.loads((model / "calibration.json").read_text())
    assert json.loads((place / "new" / "result.json").read_text()) == written
    assert written["rows"] == 60


def test_points_that_are_void_now_are_told(offramp, model, place):
    assert offramp("tune", "model", "--data", "../data.csv", "--seconds", 0.01, "--threshold", 0.5).exit_code == 0
    unseen = write_jsonl(place / "more.jsonl", single(60, seed=5))
    assert offramp("calibrate", "model", "--data", unseen).stderr.splitlines()[-1] == (
        "operating points that were tuned for other temperatures and are void now: tuned (torch fp32); choose them "
        "again with  offramp tune model --data UNSEEN-TEXTS"
    )
    assert "void" not in offramp("calibrate", "model", "--data", unseen).stderr


def unchanged(model, message, refused, *arguments):
    before = (model / "calibration.json").read_bytes()
    assert message in refused("calibrate", "model", *arguments)
    assert (model / "calibration.json").read_bytes() == before


def test_bad_data_change_nothing(refused, model, place):
    unseen = write_jsonl(place / "unseen.jsonl", [*single(3), {"text": "w1", "label": "A"}])
    unchanged(model, "unseen.jsonl, row 4: the model has no label 'A' (did you mean 'a'?)", refused, "--data", unseen)
    missing = write_csv(place / "missing.csv", [{"text": "w1", "label": ""}])
    unchanged(model, "the label in column 'label' is missing", refused, "--data", missing)
    column = ("--data", "../data.csv", "--label-column", "labels")
    unchanged(model, "has no column 'labels' (did you mean 'label'?)", refused, *column)


def test_a_json_target_that_cannot_be_changes_nothing(refused, model, place):
    (place / "file").write_text("mine")
    unchanged(model, "model is not a file", refused, "--data", "../data.csv", "--json", "model")
    unchanged(model, "cannot write file/x.json", refused, "--data", "../data.csv", "--json", "file/x.json")
    unchanged(model, "/dev/null is not a file", refused, "--data", "../data.csv", "--json", "/dev/null")
    assert names(place) == ["file", "model"]


def test_how_long_texts_are_read_is_told_and_shown_by_window(offramp, model):
    result = offramp("calibrate", "model", "--data", "../data.csv", "--long", "read-on", "--windows", "2")
    assert "layer 4 of window 2" in result.stderr
    assert "long texts are read window by window from now on: up to 2 windows, which overlap by 11 tokens" in (
        " ".join(result.stderr.split())
    )
    assert json.loads((model / "config.json").read_text())["read_on"]["windows"] == 2
    again = offramp("calibrate", "model", "--data", "../data.csv", "--long", "cut")
    assert "long texts are cut from now on" in again.stderr


def test_windows_that_cannot_be_are_refused(refused, model):
    data = ("--data", "../data.csv")
    unchanged(model, "windows is 0; use a number from 2 to 32", refused, *data, "--long", "read-on", "--windows", "0")
    unchanged(model, "overlap is 40, more than half", refused, *data, "--long", "read-on", "--overlap", "40")
    unchanged(model, "--windows is 3, which does nothing unless", refused, *data, "--windows", "3")
