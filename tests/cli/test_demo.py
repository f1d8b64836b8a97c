import re

import pytest

from conftest import write_encoder
from helpers.making import make_quickly
from helpers.toys import QUICK, names, single
from offramp import demonstration
from offramp.training import Architecture


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The demo on toy data, with a tiny encoder."""
    encoder = tmp_path / "encoder"
    write_encoder(encoder)
    parts = {"train": single(400, seed=1), "test": single(60, seed=2)}
    monkeypatch.setattr(demonstration, "packaged_encoder", lambda: encoder)
    monkeypatch.setattr(demonstration, "r8_rows", lambda part: [(row["label"], row["text"]) for row in parts[part]])
    monkeypatch.setattr(demonstration, "RECIPE", QUICK)
    monkeypatch.setattr(demonstration, "ARCHITECTURE", Architecture(exits="words,1,2,4", max_length=48))
    make_quickly(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_demo_shows_everything_and_replaces_an_earlier_one(offramp, small):
    (small / "out").mkdir()
    (small / "out" / "curve.svg").write_text("of an earlier demo")
    result = offramp("demo", "--output", "out")
    assert result.exit_code == 0, result.stderr
    assert names(small / "out") == ["curve.svg", "model", "r8-test.csv", "r8-train.csv"]
    assert (small / "out" / "curve.svg").read_text().startswith("<svg")
    assert {"report.html", "report.json"} <= set(names(small / "out" / "model" / "report"))
    assert re.search(r"^epoch 4( +\d+\.\d\d%){4}", result.stderr, re.MULTILINE)
    assert "full depth: accuracy" in result.stdout
    assert len(re.findall("left after (layer|words)", result.stdout)) == 6
    assert re.search(r"^You gain: ", result.stdout, re.MULTILINE)
    assert "Use it: offramp predict out/model --input texts.csv" in result.stdout


def test_an_output_that_cannot_be_is_refused(refused, small):
    (small / "file").write_text("mine")
    assert "cannot write file/" in "".join(refused("demo", "--output", "file").splitlines()[-1:])
