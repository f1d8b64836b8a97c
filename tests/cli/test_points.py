import json

import pytest

from helpers.toys import names, single, write_jsonl, write_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("points")
    write_model(place / "model")
    write_jsonl(place / "texts.jsonl", [{"text": row["text"]} for row in single(400, 5)])
    return place


def test_points_are_listed_made_default_and_deleted_without_data(offramp, place, monkeypatch):
    monkeypatch.chdir(place)
    assert "no operating points" in offramp("points", "model").stdout
    for name, threshold in (("half", "0.5"), ("most", "0.9")):
        tuned = offramp("tune", "model", "--data", "texts.jsonl", "--threshold", threshold, "--name", name)
        assert tuned.exit_code in (0, 1), tuned.stderr
    header, *lines = offramp("points", "model", "--default", "most").stdout.splitlines()
    assert header.split()[:3] == ["point", "backend", "promise"]
    assert [line.split()[0] for line in lines] == ["half", "most"]
    assert "most (default)" in lines[1]
    left = offramp("points", "model", "--delete", "most", "--json", "points.json")
    assert "wrote model/operating_points.json" in left.stderr
    written = json.loads((place / "points.json").read_text())
    assert [point["name"] for point in written["points"]] == ["half"]
    assert written["default"] is None
    assert "points.json" in names(place)
