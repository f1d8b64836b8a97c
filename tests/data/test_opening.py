import bz2
import gzip
import io
import lzma
import os
import sys
import threading
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from offramp.data import Columns, read_rows
from offramp.errors import DataError

CSV = 'text,label\n"ä, 😀",x\nb,y\n'
JSON = '{"text": "ä, 😀", "label": "x"}\n{"text": "b", "label": "y"}\n'
ROWS = [("ä, 😀", "x"), ("b", "y")]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(source):
    return [(row.text, row.label) for row in read_rows(source, Columns(), labeled=True)]


def pipe(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",l", "\tl").replace(",x", "\tx").replace(",y", "\ty")),
        ("a.jsonl", JSON),
        ("a.json", f"[{JSON.strip().replace(chr(10), ',')}]"),
    ],
)
def test_the_first_bytes_tell_encoding_and_compression(name, content, encoding, packed, monkeypatch):
    raw = content.encode(encoding)
    Path(name).write_bytes(gzip.compress(raw) if packed else raw)
    assert read(name) == ROWS
    if name != "a.tsv":
        pipe(monkeypatch, Path(name).read_bytes())
        assert read("-") == ROWS


def test_tables_are_known_under_any_name():
    table = pa.table({"text": ["ä, 😀", "b"], "label": ["x", "y"]})
    parquet.write_table(table, "a.csv")
    assert read("a.csv") == ROWS
    with pa.ipc.new_file("b.csv", table.schema) as writer:
        writer.write_table(table)
    assert read("b.csv") == ROWS


def workbook():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("xl/workbook.xml"), "<workbook/>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (workbook(), "a.csv is an Excel workbook or a zip archive; save the sheet as csv"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (bz2.compress(CSV.encode()), "compressed with bzip2; unpack it"),
        (lzma.compress(CSV.encode()), "compressed with xz"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of a file in Git LFS; .* git lfs pull"),
        (CSV.encode("utf-16")[:-1], "a.csv is not whole UTF-16 text"),
        (gzip.compress(CSV.encode(), mtime=0)[:-9], "a.csv is not a whole gzip file"),
    ],
)
def test_what_is_no_text_is_named(content, message, monkeypatch):
    Path("a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read("a.csv")
    pipe(monkeypatch, content)
    with pytest.raises(DataError, match=message.replace("a.csv", "standard input")):
        read("-")


def test_long_lines_of_utf_16():
    text = "ä" * 200_000
    Path("a.csv").write_bytes(f"text,label\n{text},x\n".encode("utf-16"))
    assert read("a.csv") == [(text, "x")]


@pytest.mark.parametrize("beginning", ["\n\n", ""])
def test_a_pipe_that_begins_with_blank_lines(beginning):
    os.mkfifo("fifo")

    def feed():
        with Path("fifo").open("w") as stream:
            stream.write(beginning)
            stream.flush()
            stream.write(JSON)

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert read("fifo") == ROWS
    feeder.join()
