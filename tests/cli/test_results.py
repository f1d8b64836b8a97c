"""What was measured is never lost because it cannot be shown."""

import json

import pytest

from helpers.toys import write_model

QUICK = ("--seconds", "0.01", "--threads", "1")
MEASURING = {
    "evaluate": ("--threshold", "0.9", *QUICK),
    "tune": ("--threshold", "0.5", *QUICK),
    "bench": ("--token-budget", "64", *QUICK),
}


@pytest.fixture
def model(place):
    return write_model(place / "model")


@pytest.mark.parametrize("verb", MEASURING)
def test_files_are_written_before_anything_is_printed(server, place, model, verb):
    result = server.run(
        verb, "model", "--data", "../data.csv", *MEASURING[verb], "--json", "r.json", cwd=place, stdout="/dev/full"
    )
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "cannot write standard output" in result.err
    assert json.loads((place / "r.json").read_text())["schema"] >= 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_an_encoding_lacks_is_replaced(server, place, model, encoding):
    assert server.run("calibrate", "model", "--data", "../data.csv", cwd=place).code == 0
    evaluate = ("evaluate", "model", "--data", "../data.csv", *MEASURING["evaluate"])
    result = server.run(*evaluate, cwd=place, encoding=encoding)
    assert (result.code, result.err) == (0, "")
    assert "100?% for temperatures" in result.out  # a narrow space elsewhere
    assert "exit after layer" in result.out


def test_an_operating_point_may_have_any_name(server, place, model):
    tune = ("tune", "model", "--data", "../data.csv", *MEASURING["tune"])
    result = server.run(*tune, "--name", "schnell →", cwd=place, encoding="ascii")
    assert result.code == 0
    assert "schnell ?" in result.out
