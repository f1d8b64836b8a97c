import io
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.toys import pairs, single, write_csv, write_jsonl
from offramp.data import Columns, LabeledTexts, Texts, read_any, read_labeled, read_texts
from offramp.data.unlabeled import split_off_texts
from offramp.errors import DataError, OptionError

LABELLED = single(5)
PLAIN = [{"text": row["text"]} for row in LABELLED]


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_labels_are_not_looked_for(tmp_path, write):
    source = write(tmp_path / f"data.{write.__name__.removeprefix('write_')}", LABELLED)
    rows = read_texts(source, Columns())
    assert rows == Texts([row["text"] for row in LABELLED], None, 0, source)
    assert len(rows) == 5


def test_pairs_blanks_and_subsets(tmp_path):
    rows = read_texts(
        write_jsonl(tmp_path / "data.jsonl", [*pairs(3), {"first": " ", "second": "w1"}]),
        Columns(text="first", text_pair="second"),
    )
    assert rows.blank == 1
    last = rows.subset(np.array([3, 0]))
    assert last.texts == ["", pairs(3)[0]["first"]]
    assert last.text_pairs == ["w1", pairs(3)[0]["second"]]
    assert last.blank == 1
    assert last.fingerprint != rows.fingerprint


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_labels_are_read_where_there_are_any(tmp_path, write):
    suffix = write.__name__.removeprefix("write_")
    labeled, plain = write(tmp_path / f"a.{suffix}", LABELLED), write(tmp_path / f"b.{suffix}", PLAIN)
    assert read_any(labeled, Columns()) == read_labeled(labeled, Columns())
    assert read_any(plain, Columns()) == read_texts(plain, Columns())


def test_a_label_column_that_was_named_has_to_be_there(tmp_path):
    plain = write_jsonl(tmp_path / "data.jsonl", PLAIN)
    with pytest.raises(DataError, match="no column 'topic'"):
        read_any(plain, Columns(label="topic"))
    assert isinstance(read_any(write_jsonl(tmp_path / "b.jsonl", LABELLED), Columns(label="label")), LabeledTexts)


def test_a_column_of_texts_is_not_one_of_labels(tmp_path):
    data = write_jsonl(tmp_path / "a.jsonl", [{"label": "w1"}])
    assert read_any(data, Columns(text="label")).texts == ["w1"]
    with pytest.raises(OptionError, match="the column 'topic' is named for a text and for the label"):
        read_any(data, Columns(text="topic", label="topic"))


def test_other_mistakes_are_no_reason_to_go_without_labels(tmp_path):
    with pytest.raises(DataError, match="no column 'txt'"):
        read_any(write_jsonl(tmp_path / "a.jsonl", PLAIN), Columns(text="txt"))
    with pytest.raises(DataError, match="label"):
        read_any(write_jsonl(tmp_path / "b.jsonl", [*LABELLED, {"text": "w1", "label": None}]), Columns())


def test_a_stream_cannot_be_read_twice(monkeypatch):
    class Stream:
        buffer = io.BytesIO(b'{"text": "w1"}\n{"text": "w2"}\n')

    monkeypatch.setattr(sys, "stdin", Stream())
    with pytest.raises(DataError, match="no column 'label'"):
        read_any("-", Columns())


def texts(number, pairs=False):
    column = [f"text {row}" for row in range(number)]
    return Texts(column, column[::-1] if pairs else None, 0, "memory")


@given(number=st.integers(2, 60), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5), pairs=st.booleans())
def test_every_row_is_in_one_part_in_its_old_order(number, fraction, seed, pairs):
    rows = texts(number, pairs)
    train, dev = split_off_texts(rows, fraction, seed)
    assert len(train) >= 1
    assert len(dev) == np.clip(round(fraction * number), 1, number - 1)
    assert sorted(train.texts + dev.texts) == sorted(rows.texts)
    for part in (train, dev):
        places = [rows.texts.index(text) for text in part.texts]
        assert places == sorted(places)
        assert part.text_pairs == ([rows.text_pairs[place] for place in places] if pairs else None)
    assert split_off_texts(rows, fraction, seed) == (train, dev)


def test_one_row_cannot_be_split():
    with pytest.raises(DataError, match="memory has 1 rows, too few to split off a dev part; give one of its own"):
        split_off_texts(texts(1), 0.5, 0)
