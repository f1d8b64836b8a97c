import json
import re

import pytest

from conftest import write_encoder
from helpers.toys import QUICK, names, single
from offramp import demonstration
from offramp.evaluation import speed
from offramp.training import Architecture


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The demo on toy data, with a tiny encoder."""
    encoder = tmp_path / "encoder"
    write_encoder(encoder)
    parts = {"train": single(120, seed=1), "test": single(60, seed=2)}
    monkeypatch.setattr(demonstration, "packaged_encoder", lambda: encoder)
    monkeypatch.setattr(demonstration, "r8_rows", lambda part: [(row["label"], row["text"]) for row in parts[part]])
    monkeypatch.setattr(demonstration, "RECIPE", QUICK)
    monkeypatch.setattr(demonstration, "ARCHITECTURE", Architecture(max_length=48))
    monkeypatch.setattr(speed, "REPEATS", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_demo_shows_everything(offramp, small):
    result = offramp("demo", "--output", "out")
    assert result.exit_code == 0, result.stderr
    assert {"curve.svg", "evaluation.json", "model", "r8-tune.csv", "report.html"} < set(names(small / "out"))
    assert re.search(r"^epoch 4( +\d+\.\d\d%){4}", result.stderr, re.MULTILINE)
    assert "full depth: accuracy" in result.stdout
    assert len(re.findall("left after (layer|words)", result.stdout)) == 6
    assert "Full depth is right on" in result.stdout
    assert "offramp predict out/model --input out/r8-test.csv" in result.stdout
    points = json.loads((small / "out" / "evaluation.json").read_text())["points"]
    assert (points[0]["threshold"], points[-1]["threshold"]) == (0.0, 1.01)


def test_an_output_that_cannot_be_is_refused(refused, small):
    (small / "file").write_text("mine")
    assert "cannot write file/" in "".join(refused("demo", "--output", "file").splitlines()[-1:])
