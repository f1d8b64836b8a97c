import gzip
import io
import itertools
import json
import os
import sys
import threading
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from offramp.data import Columns, Row, read_rows
from offramp.data.tables import file_records
from offramp.errors import DataError, OptionError, StorageError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, content):
    raw = content if isinstance(content, bytes) else content.encode()
    Path(name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return name


def write_parquet(name, **columns):
    parquet.write_table(pa.table(columns), name)
    return name


def read(source, *, labeled=True, keep=(), **options):
    return list(read_rows(source, Columns(**options), labeled=labeled, keep=keep))


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


EXPECTED = [Row("a, b", None, "x", False, ()), Row("", None, "y", True, ())]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,text,label\n1,"a, b",x\n2, ,y\n'),
        ("a.csv.gz", '\ufeffid,text,label\r\n1,"a, b",x\r\n2,,y'),
        ("a.tsv", "text\tlabel\na, b\tx\n\ty\n"),
        ("a.jsonl", '\ufeff{"text": "a, b", "label": "x"}\n\n  \n{"text": "", "label": "y"}\n'),
        ("a.ndjson.gz", '{"text": "a, b", "label": "x"}\n{"text": " ", "label": "y"}'),
        ("a.json", '{"text": "a, b", "label": "x"}\r\n{"text": "\\n", "label": "y"}\r\n'),
    ],
)
def test_text_formats(name, content, monkeypatch):
    assert read(write(name, content)) == EXPECTED
    if not name.endswith((".gz", ".tsv")):
        pipe(monkeypatch, content.encode())
        assert read("-") == EXPECTED


def test_parquet_with_lists():
    name = write_parquet("a.parquet", text=["a", ""], label=[["x", "y"], []], other=[1, 2])
    assert read(name) == [Row("a", None, ("x", "y"), False, ()), Row("", None, (), True, ())]


@pytest.mark.parametrize("second", ['{"txt": "b"}', '{"text": null}', '{"text": NaN}', "{}"])
@pytest.mark.parametrize(("name", "form"), [("a.jsonl", "{}\n{}\n"), ("a.json", "[{},\n{}]")])
def test_a_later_object_without_a_text_is_refused_with_its_line(name, form, second, monkeypatch):
    content = form.format('{"text": "a"}', second)
    message = "line 2: the text in column 'text' is missing; fill it in .* or remove the row"
    with pytest.raises(DataError, match=message):
        read(write(name, content), labeled=False)
    pipe(monkeypatch, content.encode())
    with pytest.raises(DataError, match=message):
        read("-", labeled=False)


def test_a_missing_second_text_is_refused_with_its_line():
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: the text in column 'p' is missing"):
        read(write("a.jsonl", '{"text": "a", "p": "b"}\n{"text": "a"}\n'), labeled=False, text_pair="p")


def test_pairs_labels_and_kept_columns():
    name = write("a.jsonl", '{"q": 1, "p": " ", "y": 2, "id": [7]}\n{"q": "b", "p": "c", "y": 1.0}\n')
    expected = [Row("1", "", "2", False, ([7], 1)), Row("b", "c", "1", False, (None, "b"))]
    assert read(name, text="q", text_pair="p", label="y", keep=["id", "q"]) == expected


def test_unlabeled_rows_need_no_label_column():
    assert read(write("a.csv", "text\nhello\n"), labeled=False) == [Row("hello", None, None, False, ())]


def test_labels_split_by_a_separator():
    name = write("a.csv", "text,label\na,x;y\nb,\n")
    assert [row.label for row in read(name, label_separator=";")] == [("x", "y"), ()]


def test_shards_follow_each_other():
    Path("d").mkdir()
    write("d/2.csv.gz", "text\nc\n")
    write("d/1.csv", "text\na\nb\n")
    write("d/3.csv", "text\n")
    assert [row.text for row in read("d", labeled=False)] == ["a", "b", "c"]


def test_long_fields_and_half_emojis():
    assert len(read(write("a.csv", "text\n" + "x" * 300_000), labeled=False)[0].text) == 300_000
    name = write("a.jsonl", r'{"text": "a \ud83d"}' + "\n" + r'{"text": "\uD83D\uDE00"}')
    assert [row.text for row in read(name, labeled=False)] == ["a \ufffd", "😀"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "txt,label\na,x\n",
            r"a\.csv, line 1, has no column 'text' \(did you mean 'txt'\?\).* 'txt', 'label'",
        ),
        ("a.jsonl", '\n{"Text": "a"}', r"a\.jsonl, line 2, has no column 'text' \(did you mean 'Text'\?\)"),
        ("a.csv", "text,label\na,x\n\nb,c,y\n", r"a\.csv, line 4: 3 fields, but the header has 2"),
        ("a.csv", 'text,label\n"a\nb",x\nb\n', r"a\.csv, line 4: 1 fields"),
        ("a.csv", 'text,label\na,x\n"b,y\nc,z\n', r"a\.csv, line 3: 'unexpected end of data"),
        ("a.csv", 'text,label\n"Well" he said,x\n', r"a\.csv, line 2: .* expected.*`quoting` 'none'"),
        ("a.csv", "text,text,label\na,b,x\n", "repeats the columns 'text'"),
        ("a.csv", b"text,label\na,x\ncaf\xe9,y\n", r"a\.csv, line 3: byte 4 \(0xe9\) is not UTF-8; .*iconv"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{oops\n', r"a\.jsonl, line 2 is not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("a.json", '{"text": "a", "label": 1}\n[1]', r"line 2 is a JSON list and not an object"),
        ("a.jsonl", '{"text": ["a"], "label": 1}', r"line 1: the text in column 'text' is a list"),
        ("a.csv", "text,label\na,x\nb,\n", r"a\.csv, line 3: the label in column 'label' is missing"),
        ("a.csv", "", r"a\.csv holds no rows"),
        ("a.csv", "text,label\n", r"a\.csv holds no rows"),
        ("a.jsonl.gz", "", "holds no rows"),
        ("a.parquet", b"PAR1 nothing", r"a\.parquet is not a whole parquet file"),
        ("a.parquet", b"", "not a whole parquet file"),
    ],
)
def test_bad_files(name, content, message):
    with pytest.raises(DataError, match=message):
        read(write(name, content))


def test_bad_gzip():
    Path("plain.csv.gz").write_text("text,label\na,x\n")
    whole = gzip.compress(b"text,label\n" + os.urandom(50_000).hex().encode())
    Path("cut.csv.gz").write_bytes(whole[:20_000])
    Path("torn.csv.gz").write_bytes(whole[:100] + b"\xff" * 100 + whole[200:])
    for name in ("plain", "cut", "torn"):
        with pytest.raises(DataError, match=f"{name}.csv.gz is not a whole gzip file"):
            read(f"{name}.csv.gz")


def test_bad_parquet():
    name = write_parquet("a.parquet", text=[str(number) * 9 for number in range(9000)])
    with pytest.raises(DataError, match=r"a\.parquet has no column 'label'; its columns are 'text'"):
        read(name)
    whole = Path(name).read_bytes()
    write(name, whole[:200] + b"\0" * 2000 + whole[2200:])
    with pytest.raises(DataError, match="not a whole parquet file"):
        read(name, labeled=False)
    with pytest.raises(DataError, match="row 2: the label"):
        read(write_parquet("b.parquet", text=["a", "b"], label=["x", None]))


def test_dots_in_parquet_columns():
    name = write_parquet("a.parquet", **{"a.text": ["b"], "a": ["c"]})
    assert read(name, text="a.text", keep=["a"], labeled=False) == [Row("b", None, None, False, ("c",))]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission():
    Path(write("a.csv", "text\na\n")).chmod(0)
    with pytest.raises(StorageError, match=r"cannot read a\.csv: Permission denied"):
        read("a.csv")


def test_unreadable_files_are_storage_errors():
    Path("d.csv").mkdir()
    with pytest.raises(StorageError, match=r"cannot read d\.csv: Is a directory"):
        list(file_records(Path("d.csv"), "csv", ["text"]))


def test_missing_sources_fail_before_the_first_row_is_asked_for():
    with pytest.raises(DataError, match="does not exist"):
        read_rows("missing.csv", Columns(), labeled=False)


@pytest.mark.parametrize(("line", "text"), [('{"text": "%d"}\n', "0"), ('"text"\n%d\n', "0")])
def test_a_pipe_gives_its_first_row_before_it_ends(line, text):
    os.mkfifo("fifo")
    go_on = threading.Event()

    def feed():
        with Path("fifo").open("w") as stream:
            stream.write(line % 0)
            stream.flush()
            go_on.wait(10)

    feeder = threading.Thread(target=feed)
    feeder.start()
    rows = read_rows("fifo", Columns(), labeled=False)
    assert next(rows).text == text
    assert not go_on.is_set()
    go_on.set()
    feeder.join()
    assert list(rows) == []


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.gz", "a.parquet"])
def test_memory_does_not_grow_with_the_file(name):
    texts = ["some words " * 20] * 30_000
    if name.endswith("parquet"):
        write_parquet(name, text=texts)
    elif "json" in name:
        write(name, "\n".join(json.dumps({"text": text}) for text in texts))
    else:
        write(name, "\n".join(["text", *texts]))
    del texts
    next(read_rows(name, Columns(), labeled=False))  # imports
    tracemalloc.start()
    rows = sum(1 for _ in read_rows(name, Columns(), labeled=False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 30_000
    assert peak < 2_000_000  # the file holds 6.6 MB


def test_nothing_is_read_ahead_of_what_is_asked(monkeypatch):
    class Endless(io.RawIOBase):
        lines = itertools.count()

        def readable(self):
            return True

        def readinto(self, buffer):
            line = json.dumps({"text": f"row {next(self.lines)}"}).encode() + b"\n"
            buffer[: len(line)] = line
            return len(line)

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    rows = itertools.islice(read_rows("-", Columns(), labeled=False), 3)
    assert [row.text for row in rows] == ["row 0", "row 1", "row 2"]
    assert next(Endless.lines) < 10


@pytest.mark.parametrize("columns", [Columns(text="label"), Columns(label="text"), Columns(text_pair="label")])
def test_one_column_is_not_both_a_text_and_the_label(columns):
    write("a.csv", "text,label\na,b\n")
    with pytest.raises(OptionError, match="is named for a text and for the label; name another one for either"):
        read_rows("a.csv", columns, labeled=True)
    assert len(list(read_rows("a.csv", columns, labeled=False))) == 1
