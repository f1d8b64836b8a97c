"""Classifiers without a deep network beside ours: rows, processes, table; what other environments hold is not here."""

import gzip
import json

import numpy as np
import pytest

from benchmarks.rivals_static import environments
from benchmarks.rivals_static.classifiers import tfidf, words
from benchmarks.rivals_static.environments import python_of
from benchmarks.rivals_static.measuring import measure
from benchmarks.rivals_static.rivals import REQUIREMENTS, RIVALS, Rival
from benchmarks.rivals_static.rows import DataSet, Rows, read
from benchmarks.rivals_static.table import dollars, write_table

LABELS = ("ball", "bank", "bread")


def rows_of(number, seed=0):
    """Texts with a word of their label among others."""
    random = np.random.default_rng(seed)
    labels = [LABELS[label] for label in random.integers(3, size=number)]
    return Rows([" ".join([f"w{word}" for word in random.integers(30, size=6)] + [label]) for label in labels], labels)


def heard(text):
    pass


@pytest.mark.parametrize("fit", [words, tfidf])
def test_a_classifier_goes_from_texts_to_labels(fit, tmp_path):
    train, test = rows_of(200), rows_of(50, seed=1)
    fitted = fit(train.texts, train.labels, tmp_path, tmp_path)
    assert list(fitted.predict(test.texts)) == test.labels
    assert fitted.size > 0


def test_rivals_run_in_processes_of_their_own_and_are_timed_in_turn(tmp_path):
    ours, slow = Rival("words", "ours", None), Rival("tfidf", "other", None, slow=True, rows_per_label=20)
    many = Rival("words", "left out", None, most_labels=2)
    data = DataSet("made", "Made up", slow_train_rows=150, slow_test_rows=30)
    found = measure(data, rows_of(200), rows_of(60, seed=1), [ours, slow, many], tmp_path, tmp_path, heard, rounds=2)
    first, second = found["results"]
    assert (first["rival"], first["train_rows"], first["test_rows"], first["timed_rows"]) == ("words", 200, 60, 60)
    assert (second["rival"], second["train_rows"], second["test_rows"], second["timed_rows"]) == ("tfidf", 60, 30, 30)
    for result in found["results"]:
        assert result["accuracy"] > 0.9
        low, median, high = result["texts_per_cpu_second"]
        assert 0 < low <= median <= high
        assert result["packages"]["numpy"] == np.__version__
    assert found["environment"]["threads"] == 1
    assert not list(tmp_path.glob("*.json"))


def test_a_rival_that_fails_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="ended with 1"):
        measure(
            DataSet("made", "Made up"), rows_of(9), rows_of(9), [Rival("none", "none", None)], tmp_path, tmp_path, heard
        )


def test_the_same_rows_are_drawn_again():
    rows = rows_of(300)
    assert rows.drawn(40) == rows.drawn(40)
    assert set(rows.drawn(20).texts) <= set(rows.drawn(40).texts) <= set(rows.texts)
    assert rows.drawn(None) == rows.drawn(300) == rows
    few = rows.few(8)
    assert {label: few.labels.count(label) for label in LABELS} == dict.fromkeys(LABELS, 8)


def test_rows_come_from_a_folder(tmp_path):
    (tmp_path / "made").mkdir()
    for part in ("train", "test"):
        lines = [json.dumps({"text": f"{part} {row}", "label": "ab"[row % 2]}) for row in range(6)]
        with gzip.open(tmp_path / "made" / f"{part}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.write("\n".join(lines))
    train, test = read(DataSet("made", "Made up", train_rows=4), tmp_path)
    assert (len(train), len(test)) == (4, 6)
    assert test.labels == ["a", "b"] * 3


def test_an_environment_is_made_once_for_the_same_requirements(tmp_path, monkeypatch):
    made, installed = [], []
    monkeypatch.setattr(
        environments.venv, "create", lambda place, **_: made.append(place) or place.mkdir(exist_ok=True)
    )
    monkeypatch.setattr(environments.subprocess, "run", lambda command, **_: installed.append(command[-1]))
    for _ in range(2):
        assert python_of("scikit-learn", tmp_path, heard) == tmp_path / "scikit-learn" / "bin" / "python"
    assert len(made) == 1
    assert installed == [REQUIREMENTS["scikit-learn"][-1]]
    monkeypatch.setitem(REQUIREMENTS, "scikit-learn", ("scikit-learn==0",))
    python_of("scikit-learn", tmp_path, heard)
    assert installed[-1] == "scikit-learn==0"


def test_every_rival_has_an_environment():
    assert {rival.environment for rival in RIVALS} == {None, *REQUIREMENTS}


def test_the_table_shows_what_the_files_hold(tmp_path):
    result = {
        "rival": "words",
        "train_rows": 5485,
        "test_rows": 2189,
        "timed_rows": 1000,
        "accuracy": 0.9708,
        "bytes": 2_500_000,
        "fit_seconds": 9.0,
        "fit_cpu_seconds": 4.25,
        "texts_per_second": [900.0, 1000.0, 1100.0],
        "texts_per_cpu_second": [19000.0, 20000.0, 21000.0],
    }
    record = {"data": "Reuters R8", "rounds": 7, "distilled": None, "results": [result]}
    record["environment"] = {"cpu": "a processor", "cores": 2, "load": 1.5}
    (tmp_path / "r8.json").write_text(json.dumps(record), encoding="utf-8")
    line = write_table(tmp_path, price=0.36).splitlines()[-1]
    assert line == (
        "| Reuters R8 | offramp's model of words | 5,485 | 97.08% | 2,189 | 20,000 (19,000-21,000) "
        "| 1,000 (900-1,100) | 0.005 | 4.2 | 2.5 MB |"
    )
    assert (tmp_path / "static.md").read_text(encoding="utf-8").endswith(line + "\n")


def test_a_price_is_for_an_hour_of_one_core():
    assert dollars(texts_per_cpu_second=1e6, price=3600) == 1
    assert dollars(texts_per_cpu_second=100, price=0.036) == pytest.approx(0.1)
