import datetime
import errno
import gzip
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from offramp.data import Columns, encoders, read_rows, result_writer
from offramp.errors import DataError, OptionError, StorageError

TARGETS = ["a.csv", "a.tsv", "a.jsonl", "a.ndjson.gz", "a.csv.gz", "a.TSV.GZ", "a.parquet"]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VISIBLE = ANY_TEXT.filter(str.strip)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(target, *chunks):
    with result_writer(target, list(chunks[0])) as writer:
        for chunk in chunks:
            writer.write(chunk)


@pytest.mark.parametrize("target", TARGETS)
@given(st.lists(st.tuples(VISIBLE, ANY_TEXT), min_size=1, max_size=5))
@example([("0", "\n\t")])
@example([('\t\n"', "\n"), ('"', "\t"), ('"quoted"', "")])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_text_comes_back(target, rows):
    half = len(rows) // 2
    chunks = [{"te,xt": [row[0] for row in part], "k": [row[1] for row in part]} for part in (rows[:half], rows[half:])]
    write(target, *chunks)
    back = [(row.text, row.kept[0]) for row in read_rows(target, Columns(text="te,xt"), labeled=False, keep=["k"])]
    assert back == rows


def test_jsonl_values():
    row = {"a": np.float64(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.array([1.5, math.nan]), "é": "ü"}
    write("a.jsonl", {name: [value] for name, value in {**row, "f": math.inf, "g": datetime.date(2020, 1, 2)}.items()})
    line = Path("a.jsonl").read_text(encoding="utf-8")
    assert json.loads(line) == {
        "a": 0.5, "b": 3, "c": True, "d": [1.5, None], "é": "ü", "f": None, "g": "2020-01-02"
    }  # fmt: skip
    assert "é" in line


def test_csv_values():
    values = [
        np.float32(0.5),
        3,
        None,
        math.nan,
        True,
        np.bool_(False),
        ["a", "ä"],
        np.array([1, 2]),
        {"a": None},
        "x\ry",
    ]
    write("a.csv", {str(place): [value] for place, value in enumerate(values)})
    expected = b'0,1,2,3,4,5,6,7,8,9\n0.5,3,,,true,false,"[""a"", ""\xc3\xa4""]","[1, 2]","{""a"": null}","x\ry"\n'
    assert Path("a.csv").read_bytes() == expected


def test_half_emojis_do_not_stop_text_files():
    write("a.jsonl", {"a": ["\ud83d"]})
    assert json.loads(Path("a.jsonl").read_text()) == {"a": "?"}


def test_parquet_types_and_groups():
    chunk = {"n": np.arange(3), "s": ["a", None, "b"], "none": [None] * 3, "l": [[], [], []]}
    later = {"n": [3], "s": [None], "none": ["late"], "l": [["late"]]}
    write("a.parquet", chunk, chunk, later)
    table = parquet.read_table("a.parquet")
    assert table.column("n").to_pylist() == [0, 1, 2, 0, 1, 2, 3]
    assert table.column("none").to_pylist()[-1] == "late"
    assert table.column("l").to_pylist()[-1] == ["late"]
    assert parquet.ParquetFile("a.parquet").num_row_groups == 3


def test_a_chunk_without_rows_decides_no_types():
    write("a.parquet", {"n": []}, {"n": [1]}, {"n": []})
    assert parquet.read_table("a.parquet").to_pydict() == {"n": [1]}


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        (None, 1, [None, 1]),
        ([], [1], [[], [1]]),
        (1, 0.5, [1.0, 0.5]),
        (0.5, 1, [0.5, 1.0]),
        ({"a": 1}, {"a": None}, [{"a": 1}, {"a": None}]),
        ({"a": None}, {"b": 1}, [{"a": None, "b": None}, {"a": None, "b": 1}]),
    ],
)
def test_a_type_that_only_later_chunks_show(first, second, read):
    write("a.parquet", {"x": [first]}, {"x": [second]})
    assert parquet.read_table("a.parquet").column("x").to_pylist() == read


@pytest.mark.parametrize(("first", "second"), [(1, "a"), ("a", 1), ([], 1)])
def test_types_that_change_in_parquet(first, second):
    with pytest.raises(DataError, match=r"does not fit into parquet .*; write \.jsonl instead"):
        write("a.parquet", {"x": [first]}, {"x": [second]})


def test_mixed_types_in_parquet():
    with pytest.raises(DataError, match=r"column 'a' does not fit into parquet .*; write \.jsonl instead"):
        write("a.parquet", {"a": [1, "b"]})
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_no_rows(target):
    with result_writer(target, ["a", "b"]):
        pass
    if target.endswith("parquet"):
        assert parquet.read_table(target).column_names == ["a", "b"]
    else:
        raw = Path(target).read_bytes()
        assert (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw) in (b"", b"a,b\n", b"a\tb\n")


@pytest.mark.parametrize("target", TARGETS)
def test_an_error_leaves_the_old_file_and_nothing_else(target):
    Path(target).write_text("old")

    def write_and_stop():
        with result_writer(target, ["a"]) as writer:
            writer.write({"a": list(range(10_000))})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_stop()
    assert [path.name for path in Path().iterdir()] == [target]
    assert Path(target).read_text() == "old"


SETTINGS = {"threshold": "0.9"}
CHUNKS = st.lists(
    st.lists(st.tuples(st.none() | st.text(), st.floats(), st.lists(st.integers(0, 9))), max_size=4), max_size=4
)


def write_all(target, chunks, resume=False, stop=None):
    """Writes what is not yet written of ``chunks``, or only those before ``stop``, and gives the progress."""
    columns = ["text", "number", "list"]
    with result_writer(target, columns, settings=SETTINGS, resume=resume) as writer:
        done = 0
        for chunk in chunks[:stop]:
            done += len(chunk)
            if done > writer.progress.rows:
                values = zip(columns, zip(*chunk, strict=True), strict=True)
                writer.write(dict(values), {"filled": sum(bool(text) for text, _, _ in chunk)})
        if stop is not None:
            raise KeyboardInterrupt
    return writer.progress


@pytest.mark.parametrize("target", TARGETS)
@given(chunks=CHUNKS, stops=st.lists(st.integers(0, 4), max_size=3), torn=st.binary(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_wherever_a_run_is_broken_off_the_bytes_are_the_same(target, chunks, stops, torn):
    whole = write_all(f"whole-{target}", chunks)
    for stop in sorted(stops):
        with pytest.raises(KeyboardInterrupt):
            write_all(target, chunks, resume=True, stop=stop)
        rows = Path(f"{target}.unfinished/rows")
        if rows.exists():
            rows.write_bytes(rows.read_bytes() + torn)
    assert write_all(target, chunks, resume=True) == whole
    assert Path(target).read_bytes() == Path(f"whole-{target}").read_bytes()
    assert whole.counts.get("filled", 0) == sum(bool(text) for chunk in chunks for text, _, _ in chunk)
    assert sorted(path.name for path in Path().iterdir()) == [target, f"whole-{target}"]


def test_what_is_kept_of_a_gzip_file_can_be_read():
    with pytest.raises(KeyboardInterrupt):
        write_all("a.csv.gz", [[("x", 1.0, [])], [("y", 2.0, [])]], stop=2)
    assert gzip.decompress(Path("a.csv.gz.unfinished/rows").read_bytes()) == b"text,number,list\nx,1.0,[]\ny,2.0,[]\n"


@pytest.mark.parametrize("target", TARGETS)
def test_the_name_appears_only_at_the_end(target):
    with result_writer(target, ["a"]) as writer:
        writer.write({"a": list(range(10_000))})
        assert not Path(target).exists()
    assert Path(target).exists()


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_link_leads_to_is_written_also_by_a_resumed_run(target):
    Path("disk").mkdir()
    Path(target).symlink_to("disk/target")
    with pytest.raises(KeyboardInterrupt):
        write_all(target, [[("x", 1.0, [])]], stop=1)
    assert [path.name for path in Path("disk").iterdir()] == ["target.unfinished"]
    write_all(target, [[("x", 1.0, [])], [("y", 2.0, [])]], resume=True)
    write_all(f"plain-{target}", [[("x", 1.0, [])], [("y", 2.0, [])]])
    assert Path(target).is_symlink()
    assert Path("disk/target").read_bytes() == Path(f"plain-{target}").read_bytes()
    assert [path.name for path in Path("disk").iterdir()] == ["target"]


@pytest.mark.parametrize("target", TARGETS)
def test_columns_of_unequal_length_are_refused(target):
    with pytest.raises(ValueError, match=r"length|shorter"):
        write(target, {"a": [1, 2], "b": [1]})
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("target", ["a.txt", "a", "a.json", "a.parquet.gz", "a.gz", ""])
def test_unknown_suffixes(target):
    with pytest.raises(OptionError, match=r"\.csv, \.tsv, \.jsonl, \.ndjson, \.parquet"):
        result_writer(target, ["a"])


def test_a_folder_is_never_replaced():
    Path("a.csv").mkdir()
    with pytest.raises(OptionError, match=r"a\.csv is a folder"):
        result_writer("a.csv", ["a"])


def test_the_same_results_make_the_same_bytes():
    write("a.jsonl.gz", {"a": ["x"] * 100})
    write("b.jsonl.gz", {"a": ["x"] * 100})
    assert Path("a.jsonl.gz").read_bytes() == Path("b.jsonl.gz").read_bytes()
    assert Path("a.jsonl.gz").read_bytes()[4:8] == b"\0" * 4


def test_a_full_disk_is_a_storage_error(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoders, "_json", full)
    with pytest.raises(StorageError, match=r"cannot write a\.jsonl: No space left on device; free some space"):
        write("a.jsonl", {"a": [1]})
    assert list(Path().iterdir()) == []


class Output(io.RawIOBase):
    """A standard output that fails with ``error``."""

    def __init__(self, error):
        self.error = error

    def writable(self):
        return True

    def write(self, raw):
        raise self.error


def test_standard_output(capsysbinary):
    with result_writer("-", ["a", "b"]) as writer:
        writer.write({"a": ["ü"], "b": [1]})
        assert capsysbinary.readouterr().out == '{"a": "ü", "b": 1}\n'.encode()
        writer.write({"a": ["c"], "b": [2]})
    assert capsysbinary.readouterr().out == b'{"a": "c", "b": 2}\n'


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), BrokenPipeError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
    ],
)
def test_failing_standard_output(monkeypatch, error, expected):
    class Console:
        buffer = Output(error)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stdout", Console())
    with pytest.raises(expected):
        write("-", {"a": [1]})
