"""The prepared run for a GPU, in small on a CPU."""

import json
import sys

import numpy as np
import pytest

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.making import BERT_BASE, BERT_LARGE, SHORT, TINY, Tokenized, rule_of, texts_of, tokenizer_of


def test_everything_runs_in_small(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "SMALL", (TINY, SHORT, 12))
    monkeypatch.setattr(sys, "argv", ["gpu", "--smoke", "--rounds", "1", "--json", str(tmp_path / "gpu.json")])
    gpu.main()
    record = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert (record["failed"], record["left_out"]) == ([], None)
    assert {(found["way"], found["compiled"]) for found in record["results"]} >= {
        (way, compiled) for way in ("network alone", "full depth", "exits") for compiled in (False, True)
    }
    exits = [found for found in record["results"] if found["way"].startswith("exits")]
    assert all(found["bound"] > 1 for found in exits)
    assert all(found["efficiency"] == pytest.approx(found["speedup"] / found["bound"]) for found in exits)
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(record["results"])


def test_when_the_seconds_are_over_the_file_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu", "--smoke", "--seconds", "0", "--json", str(tmp_path / "gpu.json")])
    gpu.main()
    record = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert record["results"] == []
    assert "tiny" in record["left_out"]


def test_a_step_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def fails(self):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(gpu, "SMALL", (TINY, SHORT, 12))
    monkeypatch.setattr(gpu.Part, "compile", fails)
    monkeypatch.setattr(sys, "argv", ["gpu", "--smoke", "--rounds", "1", "--json", str(tmp_path / "gpu.json")])
    with pytest.raises(SystemExit, match="1"):
        gpu.main()
    record = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert [failed["error"] for failed in record["failed"]] == ["RuntimeError: no compiler"]
    assert len(record["results"]) >= 5
    capsys.readouterr()


@pytest.mark.parametrize("shape", [BERT_BASE, BERT_LARGE, TINY])
def test_the_shares_of_all_rows_leave(shape):
    assert sum(shape.shares) == pytest.approx(1)
    assert shape.exits[-1] == shape.layers
    rule, left, took = rule_of(shape), 100_000, []
    for exit_index in range(len(shape.exits) - 1):
        leaves = int(rule.decide(np.empty((left, 2)), np.empty((exit_index, left, 2))).sum())
        took.append(leaves / 100_000)
        left -= leaves
    np.testing.assert_allclose([*took, left / 100_000], shape.shares, atol=0.01)


def test_texts_have_the_lengths_of_their_mix():
    tokenizer = tokenizer_of(TINY, SHORT.longest)
    lengths = [len(ids) for ids in tokenizer(texts_of(SHORT, 400, tokenizer))["input_ids"]]
    assert np.median(lengths) == pytest.approx(SHORT.median, rel=0.2)
    assert max(lengths) <= 1.3 * SHORT.longest


def test_tokenized_texts_are_looked_up_by_their_place():
    part = gpu.Part(TINY, SHORT, 6, None)
    subject = part.subject_on("cpu")
    again = Tokenized(subject.runner.cascade.last, subject.read).read(["4", "0"])
    assert again.input_ids == [subject.read.input_ids[4], subject.read.input_ids[0]]
    assert again.lengths.tolist() == [len(ids) for ids in again.input_ids]
