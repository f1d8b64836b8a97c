"""Models that are made to read long texts window by window."""

import json

import pytest

import offramp
from conftest import write_classifier, write_encoder
from helpers.toys import grouped, pairs, single, write_jsonl
from offramp.data import Columns
from offramp.errors import OptionError
from offramp.model.windows import LongTexts

READ_ON = LongTexts(long="read-on", windows=3, overlap=1)


def long_rows(number):
    return [{**row, "text": " ".join([row["text"]] * (1 + place % 4))} for place, row in enumerate(single(number))]


@pytest.fixture
def encoder(tmp_path):
    write_encoder(tmp_path / "encoder")
    return str(tmp_path / "encoder")


def test_a_model_is_trained_on_beginnings_and_reads_on(tmp_path, encoder):
    data = write_jsonl(tmp_path / "rows.jsonl", long_rows(160))
    options = grouped(epochs=1, exits="words,1,2", max_length=8)
    summary = offramp.train(encoder, data, output=tmp_path / "model", long=READ_ON, **options)
    classifier = offramp.load(summary.folder)
    windows = [f"layer {layer} of window {window}" for window in (1, 2, 3) for layer in (1, 2, 4)]
    assert classifier.exit_names == ("words", *windows)
    assert [exit_.name for exit_ in summary.calibration.exits] == ["words", *windows]
    assert summary.long is None
    assert "read window by window, up to 3 windows that overlap by\n1 tokens" in (
        (summary.folder / "README.md").read_text()
    )
    answers = classifier.exit_answers([row["text"] for row in long_rows(20)])
    found = classifier.predict([row["text"] for row in long_rows(20)], threshold=0.8)
    assert found.exits.tolist() == answers.replay(classifier.exit_rule(0.8)).exits.tolist()


def test_exits_on_a_classifier_learn_without_labels_to_read_on(tmp_path):
    data = write_jsonl(tmp_path / "rows.jsonl", long_rows(120))
    classifier = str(write_classifier(tmp_path / "classifier"))
    options = grouped(exits=(1, 4), max_length=8)
    summary = offramp.attach(classifier, data, output=tmp_path / "model", long=READ_ON, **options)
    assert summary.calibration.against == "model"
    assert len(offramp.load(summary.folder).exit_names) == 6
    assert json.loads((summary.folder / "training.json").read_text())["windows"] == 3


def test_dev_rows_tell_whether_a_model_that_cuts_should_read_on(tmp_path, encoder):
    data = write_jsonl(tmp_path / "rows.jsonl", long_rows(100))
    options = grouped(epochs=1, exits=(1,), max_length=8)
    trial = offramp.train(encoder, data, output=tmp_path / "model", **options).long
    assert trial.rows == 10
    assert 0.5 < trial.cut < 1
    assert offramp.load(tmp_path / "model").exit_names == ("layer 1", "layer 4")


@pytest.mark.parametrize(
    ("rows", "columns", "long", "message"),
    [
        (pairs, Columns(text="first", text_pair="second"), READ_ON, "cannot be read window by window"),
        (single, None, LongTexts(long="read-on", overlap=20), "overlap is 20, more than half of the 6 tokens"),
    ],
)
def test_what_cannot_read_on_is_refused_before_anything_is_trained(tmp_path, encoder, rows, columns, long, message):
    data = write_jsonl(tmp_path / "rows.jsonl", rows(60))
    options = grouped(epochs=1, max_length=8)
    with pytest.raises(OptionError, match=message):
        offramp.train(encoder, data, output=tmp_path / "model", columns=columns, long=long, **options)
    assert not (tmp_path / "model").exists()
