import json

import pytest

from helpers.toys import write_csv, write_model
from helpers.watched import foreign, home


@pytest.fixture
def model(place, offramp):
    folder = write_model(place / "model")
    write_csv(place / "cal.csv", [{"text": text} for text in home(300, seed=1)])
    tuned = offramp(
        "tune", folder, "--data", "cal.csv", "--threshold", "0.7", "--default", "tuned", "--seconds", "0.01"
    )
    assert tuned.exit_code == 0, tuned.stderr
    return folder


def test_an_alarm_ends_with_1_and_the_row_and_no_alarm_with_0(offramp, model, place):
    write_csv(place / "like.csv", [{"text": text} for text in home(300, seed=2)])
    write_csv(place / "other.csv", [{"text": text} for text in foreign(100)])
    result = offramp("monitor", "model", "--data", "like.csv", "--json", "found.json")
    assert result.exit_code == 0, result.stderr
    assert "texts have changed: no alarm; 300 texts looked at" in result.stdout
    assert json.loads((place / "found.json").read_text())["alarms"][1]["row"] is None
    result = offramp("monitor", "model", "--data", "other.csv")
    assert result.exit_code == 1
    assert "texts have changed: alarm at row " in result.stdout
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: texts have changed, at row ")


def test_what_is_wrong_is_said_before_the_model_is_loaded(refused, place):
    wanted = "at is not given, and the model has no default operating point; run  offramp tune"
    assert refused("monitor", "../model", "--data", "../data.csv").replace("--at", "at") == wanted
    assert "--audit-share is 2.0" in refused("monitor", "../model", "--data", "../data.csv", "--audit-share", "2")
