"""Data that a program holds are read as files are: the same rows, the same columns, the same fingerprint."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from helpers.toys import pairs, single, write_jsonl
from offramp.data import Columns, LabeledTexts, Texts, read_any, read_labeled, read_rows, read_texts
from offramp.errors import DataError, OptionError

ROWS = single(6)
TEXTS, LABELS = [row["text"] for row in ROWS], [row["label"] for row in ROWS]
COLUMNS = {"id": list(range(6)), "text": TEXTS, "label": LABELS}


class OnlyArrow:
    """A table of a library that nobody here knows."""

    def __init__(self, table):
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


TABLES = {
    "mapping": COLUMNS,
    "rows": ROWS,
    "pandas": pd.DataFrame(COLUMNS, index=list("abcdef")),
    "pandas categories": pd.DataFrame({**COLUMNS, "label": pd.Categorical(LABELS)}),
    "pyarrow": pa.table(COLUMNS),
    "record batch": pa.RecordBatch.from_pydict(COLUMNS),
    "another library": OnlyArrow(pa.table(COLUMNS)),
    "dataset": datasets.Dataset.from_dict(COLUMNS),
    "class numbers": datasets.Dataset.from_dict(COLUMNS).class_encode_column("label"),
}
LISTS = {
    "lists": (TEXTS, LABELS),
    "tuples": (tuple(TEXTS), tuple(LABELS)),
    "arrays": (np.array(TEXTS, object), np.array(LABELS)),
    "series": (pd.Series(TEXTS), pd.Series(LABELS)),
    "Arrow columns": (pa.chunked_array([TEXTS]), pa.array(LABELS)),
    "columns of a dataset": (datasets.Dataset.from_dict(COLUMNS)["text"], LABELS),
}


@pytest.mark.parametrize("data", [*TABLES.values(), *LISTS.values()], ids=[*TABLES, *LISTS])
def test_every_form_gives_the_rows_of_the_file(data, tmp_path):
    file = read_labeled(write_jsonl(tmp_path / "data.jsonl", ROWS), Columns())
    found = read_labeled(data, Columns())
    assert (found.texts, found.labels, found.text_pairs) == (file.texts, file.labels, None)
    assert found.fingerprint == file.fingerprint
    assert read_any(data, Columns()).fingerprint == file.fingerprint
    assert read_texts(data, Columns()).fingerprint == read_texts(str(tmp_path / "data.jsonl"), Columns()).fingerprint


def test_a_path_is_a_source(tmp_path):
    source = write_jsonl(tmp_path / "data.jsonl", ROWS)
    assert read_labeled(tmp_path / "data.jsonl", Columns()) == read_labeled(source, Columns())
    assert read_any(tmp_path / "data.jsonl", Columns()) == read_any(source, Columns())


@pytest.mark.parametrize("make", [dict, pd.DataFrame, pa.table, datasets.Dataset.from_dict])
def test_columns_are_found_by_their_names(make):
    data = make({"first": ["a", "b"], "second": ["c", "d"], "topics": ["x;y", "z"]})
    columns = Columns(text="first", text_pair="second", label="topics", label_separator=";")
    found = read_labeled(data, columns)
    assert (found.texts, found.text_pairs, found.labels) == (["a", "b"], ["c", "d"], [("x", "y"), ("z",)])
    with pytest.raises(
        DataError, match=r"in memory has no column 'text'.* its columns are 'first', 'second', 'topics'"
    ):
        read_labeled(data, Columns())
    with pytest.raises(DataError, match="in memory has no column 'topic'"):
        read_any(data, Columns(text="first", label="topic"))


@pytest.mark.parametrize("data", [TEXTS, {"text": TEXTS}, pd.DataFrame({"text": TEXTS}), Texts.of(TEXTS)])
def test_without_labels_texts_are_texts(data):
    found = read_any(data, Columns())
    assert isinstance(found, Texts)
    assert found.texts == TEXTS


def test_without_labels_nothing_is_labeled():
    for data in (TEXTS, pd.DataFrame({"text": TEXTS}), Texts.of(TEXTS)):
        with pytest.raises(DataError, match=r"label"):
            read_labeled(data, Columns())


def test_pairs_are_pairs_without_a_column_to_name():
    rows = pairs(4)
    both = [(row["first"], row["second"]) for row in rows]
    names = [row["label"] for row in rows]
    plain, labeled = read_any(both, Columns()), read_any((both, names), Columns())
    assert plain == Texts.of([first for first, _ in both], [second for _, second in both])
    assert labeled == LabeledTexts.of(plain.texts, names, plain.text_pairs)
    assert labeled.text_pairs == plain.text_pairs == [second for _, second in both]


def test_texts_with_labels_are_read_as_they_are():
    rows = LabeledTexts.of(TEXTS, LABELS)
    assert read_labeled(rows, Columns()) is rows
    assert read_any(rows, Columns()) is rows
    assert read_texts(rows, Columns()).texts == TEXTS


def test_what_a_cell_means_is_what_it_means_in_files():
    found = LabeledTexts.of(["a", " ", "c"], np.array([2, 0, 1]))
    assert (found.texts, found.blank, found.labels) == (["a", "", "c"], 1, ["2", "0", "1"])
    assert LabeledTexts.of(["a", "b"], [["x", "y"], []]).labels == [("x", "y"), ()]
    assert LabeledTexts.of(["a"], pd.Series([1.0])).labels == ["1"]


def test_other_columns_may_hold_anything(monkeypatch):
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS, "other": [1, "a", None, {}, [], object()]})
    assert read_labeled(frame, Columns()).labels == LABELS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((TEXTS, LABELS[:4]), "6 texts and 4 labels"),
        ({"text": TEXTS, "label": LABELS[:4]}, "the columns differ in length"),
        (("a", "b"), "a tuple.* stands for"),
        ((TEXTS, LABELS, LABELS), "a tuple"),
        ((TEXTS, np.eye(6)), r"labels is an array of shape \(6, 6\)"),
        ([], "holds no rows"),
        (pd.DataFrame({"text": [], "label": []}), "holds no rows"),
        (["a", None], "row 2: the text .* is missing"),
        (["a", 7.5, ["b"]], "row 3: the text .* is a list"),
        ([("a", "b"), "c"], "row 2: 'c' is no pair"),
        ([("a", "b"), ("c",)], "row 2: .* is no pair"),
        (
            pd.DataFrame({"text": ["a", None], "label": ["x", "y"]}),
            "DataFrame in memory, row 2: the text .* is missing",
        ),
        (pd.DataFrame({"text": ["a", 1], "label": ["x", "y"]}), "DataFrame in memory cannot be read"),
        (pd.DataFrame([["a", "b", "x"]], columns=["text", "text", "label"]), "repeats the columns 'text'"),
        ({"a", "b"}, "data is a set; give a path, a list of texts"),
        (iter(TEXTS), "data is a list_iterator; give a path, a list of texts"),
        (7, "data is a int; give"),
        (
            datasets.DatasetDict({"train": datasets.Dataset.from_dict(COLUMNS)}),
            r"holds several data sets, here 'train'; give one of them, such as data\['train'\]",
        ),
    ],
)
def test_what_cannot_be_read_is_told(data, message):
    with pytest.raises(DataError, match=message):
        list(read_rows(data, Columns(), labeled=isinstance(data, tuple | dict)))


@pytest.mark.parametrize("data", [TEXTS, (TEXTS, LABELS), Texts.of(TEXTS), LabeledTexts.of(TEXTS, LABELS)])
def test_columns_of_a_list_cannot_be_named(data):
    with pytest.raises(OptionError, match="a list has none"):
        read_texts(data, Columns(text="body"))


def test_without_a_column_of_labels_there_are_none(tmp_path):
    source, columns = write_jsonl(tmp_path / "data.jsonl", ROWS), Columns(label=None)
    for data in (source, pd.DataFrame(ROWS), ROWS):
        assert isinstance(read_any(data, columns), Texts)
        assert isinstance(read_any(data, Columns()), LabeledTexts)
        with pytest.raises(OptionError, match="the columns have no label"):
            read_labeled(data, columns)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["a", "b"], "data in memory are texts without labels; give \\(texts, labels\\)"),
        ([("a", "good"), ("b", "bad")], "data in memory are pairs of texts without labels; give \\(texts, labels\\)"),
        ([], "holds no rows"),
    ],
)
def test_lists_without_labels_are_told_as_such(data, message):
    with pytest.raises(DataError, match=message):
        read_labeled(data, Columns())


@pytest.mark.parametrize("read", [read_any, read_labeled, read_texts])
def test_columns_are_no_string(read):
    with pytest.raises(OptionError, match=r"columns is 'text', of type str; give an offramp\.Columns"):
        read(["a", "b"], "text")
