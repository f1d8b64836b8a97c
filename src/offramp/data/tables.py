"""Reading csv, tsv, jsonl and parquet files record by record, in constant memory."""

import csv
import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal

from offramp.data.formats import Kind
from offramp.data.sources import reading_errors
from offramp.data.wording import did_you_mean, listing
from offramp.errors import DataError

BATCH_ROWS = 1024

# The largest limit that a C long holds on every platform; the default of 128 KiB is less than a long text.
_LONGEST_FIELD = 2**31 - 1
_JSON_CURE = "every line must be one whole object (jq -c '.[]' turns a list of objects into such lines)"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Record:
    """The wanted values of one row, and where they come from. ``number`` counts from 1."""

    values: tuple[object, ...]
    file: str
    unit: Literal["line", "row"]
    number: int

    @property
    def place(self) -> str:
        """For error messages: ``train.csv, line 7``."""
        return f"{self.file}, {self.unit} {self.number}"


class MissingColumn(DataError):
    """The data have no ``column``."""

    def __init__(self, message: str, column: str) -> None:
        super().__init__(message)
        self.column = column


def require_columns(wanted: Sequence[str], there: Sequence[str], place: str, hint: str = "") -> None:
    """Raises a :class:`MissingColumn` that lists the columns there if one of ``wanted`` is not among them.

    ``hint`` is what else could be done than to name another column.
    """
    for name in wanted:
        if name not in there:
            raise MissingColumn(
                f"{place} has no column {name!r}{did_you_mean(name, there)}; its columns are "
                f"{listing(there, most=30)}: name one of them, as with --text-column or --label-column{hint}",
                name,
            )


def file_records(path: Path, kind: Kind, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of one file. Nothing is opened before the first record is asked for.

    Raises:
        DataError: the file is damaged, not UTF-8, malformed, or lacks a column.
        StorageError: the file cannot be opened or read.
    """
    if kind == "parquet":
        return _parquet_records(path, wanted)
    return _text_records(_decoded(_lines(path), str(path)), kind, str(path), wanted)


def piped_records(path: Path | None, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads a stream: jsonl if its first visible character is ``{``, else csv. ``None`` is standard input.

    Raises:
        As :func:`file_records`.
    """
    lines = _decoded(_lines(path), _name(path))
    head: list[str] = []
    for line in lines:
        head.append(line)
        if line.strip():
            break
    kind: Kind = "jsonl" if "".join(head).lstrip().startswith("{") else "csv"
    yield from _text_records(chain(head, lines), kind, _name(path), wanted)


def _name(path: Path | None) -> str:
    return "standard input" if path is None else str(path)


def _lines(path: Path | None) -> Iterator[bytes]:
    with _undamaged(path), _open(path) as stream:
        yield from stream


def _open(path: Path | None) -> "nullcontext[BinaryIO] | BinaryIO | gzip.GzipFile":
    if path is None:
        return nullcontext(sys.stdin.buffer)
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


@contextmanager
def _undamaged(path: Path | None) -> Iterator[None]:
    name = _name(path)
    with reading_errors(name):
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{name} is not a whole gzip file ({error}); fetch or compress it again") from None


def _decoded(lines: Iterable[bytes], file: str) -> Iterator[str]:
    # Line by line, so that an error can name the line; UTF-8 never has the byte of a line feed inside a character.
    for number, line in enumerate(lines, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; convert the "
                f"file, for example with  iconv -f LATIN1 -t UTF-8"
            ) from None


def _text_records(lines: Iterator[str], kind: Kind, file: str, wanted: Sequence[str]) -> Iterator[Record]:
    if kind == "jsonl":
        return _json_records(lines, file, wanted)
    delimiter = "\t" if kind == "tsv" else ","
    return _csv_records(_csv_rows(lines, file, delimiter), file, wanted, delimiter)


def _csv_rows(lines: Iterator[str], file: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (number of the row's first line, fields), without blank lines."""
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{file}, line {start}: {str(error)!r}; a field with quotes, line ends or {delimiter!r} inside must be "
                f"quoted, and a quote inside it doubled"
            ) from None
        if fields is None:
            return
        if fields:
            yield start, fields


def _csv_records(
    rows: Iterator[tuple[int, list[str]]], file: str, wanted: Sequence[str], delimiter: str
) -> Iterator[Record]:
    _, header = next(rows, (0, None))
    if header is None:
        return
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{file}: the header repeats the columns {listing(repeated)}; give every column its own name")
    require_columns(wanted, header, f"{file}, line 1,", _other_delimiter(header, delimiter))
    places = [header.index(name) for name in wanted]
    for line, fields in rows:
        if len(fields) != len(header):
            raise DataError(
                f"{file}, line {line}: {len(fields)} fields, but the header has {len(header)}; quote the texts that "
                f"hold the delimiter, and fill up short rows"
            )
        yield Record(tuple(fields[place] for place in places), file, "line", line)


def _other_delimiter(header: Sequence[str], delimiter: str) -> str:
    """What to do about a header that another delimiter seems to divide."""
    other = next((one for one in "\t;," if one in header[0]), None)
    if len(header) > 1 or other is None:
        return ""
    name = {"\t": ", or call it .tsv", ",": ", or call it .csv"}.get(other, "")
    return f"; if {other!r} divides them, convert the file to {delimiter!r}{name}"


def _json_records(lines: Iterator[str], file: str, wanted: Sequence[str]) -> Iterator[Record]:
    seen = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = _json_object(line, f"{file}, line {number}")
        if not seen:
            require_columns(wanted, list(fields), f"{file}, line {number},")
            seen = True
        yield Record(tuple(fields.get(name) for name in wanted), file, "line", number)


def _json_object(line: str, place: str) -> dict[str, object]:
    try:
        value = json.loads(line)
        if "\\ud" in line.lower():  # perhaps half an escaped emoji, which no tokenizer and no UTF-8 file can take
            value = json.loads(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not JSON ({error}); {_JSON_CURE}") from None
    if not isinstance(value, dict):
        raise DataError(f"{place} is a JSON {type(value).__name__} and not an object; {_JSON_CURE}")
    return value


def _parquet_records(path: Path, wanted: Sequence[str]) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow import parquet

    with reading_errors(str(path)), path.open("rb") as stream:
        try:
            # Without these two a whole column of a row group, often of the whole file, is held at once.
            table = parquet.ParquetFile(stream, buffer_size=2**20, pre_buffer=False)
            require_columns(wanted, table.schema_arrow.names, str(path))
            number = 0
            for batch in table.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
                for values in zip(*(batch.column(name).to_pylist() for name in wanted), strict=True):
                    number += 1
                    yield Record(values, str(path), "row", number)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path} is not a whole parquet file ({error}); fetch or write it again") from None
