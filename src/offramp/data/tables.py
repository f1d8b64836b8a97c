"""Reading csv, tsv, json, parquet and Arrow files record by record, in constant memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from offramp.data.arrow import ipc_records, parquet_records
from offramp.data.columns import Quoting
from offramp.data.delimited import delimited_records
from offramp.data.formats import Kind
from offramp.data.json_rows import json_list_records, json_records
from offramp.data.opening import Text, first_bytes, opened_text
from offramp.data.quotes import quotes_hold_fields
from offramp.data.records import Record


def file_records(path: Path, kind: Kind, wanted: Sequence[str], quoting: Quoting = "auto") -> Iterator[Record]:
    """Reads the columns ``wanted`` of one file. Nothing is opened before the first record is asked for.

    ``kind`` is what its name says; first bytes that are of parquet, Arrow, gzip or UTF-16 count for more.

    Raises:
        DataError: the file is damaged, malformed, not of text although its name says so, or lacks a column.
        StorageError: the file cannot be opened or read.
    """
    head = first_bytes(path)
    if kind == "arrow" or head.startswith(b"ARROW1"):
        yield from ipc_records(path, wanted)
    elif kind == "parquet" or head.startswith(b"PAR1"):
        yield from parquet_records(path, wanted)
    else:
        with opened_text(path) as text:
            if kind == "tsv":
                yield from _tsv_records(path, text, wanted, quoting)
            elif kind == "csv":
                yield from _csv_records(text.lines(), text.name, wanted, quoting)
            elif text.beginning.startswith("["):
                yield from json_list_records(text.pieces(), text.name, wanted)
            else:
                yield from json_records(text.lines(), text.name, wanted)


def piped_records(path: Path | None, wanted: Sequence[str], quoting: Quoting = "auto") -> Iterator[Record]:
    """Reads a stream: json if its first visible character is ``{`` or ``[``, else csv. ``None`` is standard input.

    Raises:
        As :func:`file_records`.
    """
    with opened_text(path) as text:
        if text.beginning.startswith("["):
            yield from json_list_records(text.pieces(), text.name, wanted)
            return
        lines = text.lines()
        head: list[str] = []
        for line in lines:
            head.append(line)
            if line.strip():
                break
        if "".join(head).lstrip().startswith("{"):
            yield from json_records(chain(head, lines), text.name, wanted)
        else:
            yield from _csv_records(chain(head, lines), text.name, wanted, quoting)


def _csv_records(lines: Iterable[str], file: str, wanted: Sequence[str], quoting: Quoting) -> Iterator[Record]:
    return delimited_records(lines, ",", file, wanted, quoted=quoting != "none", certain=quoting != "auto")


def _tsv_records(path: Path, text: Text, wanted: Sequence[str], quoting: Quoting) -> Iterator[Record]:
    """Rows of a tsv file, which is read twice where nobody says what its quotes are; a pipe's are text."""
    quoted = quoting == "minimal"
    if quoting == "auto" and path.is_file():
        with opened_text(path) as before:
            quoted = quotes_hold_fields(before.lines())
    return delimited_records(text.lines(), "\t", text.name, wanted, quoted=quoted, certain=quoting != "auto")
