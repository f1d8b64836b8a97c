"""Rows as the bytes of a file, chunk by chunk; a file may be cut after every chunk and go on from there."""

import csv
import gzip
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from offramp.data.arrow import ArrowValue, plain
from offramp.data.formats import Format
from offramp.data.parquet import ParquetEncoder

Chunk = Mapping[str, Sequence[object]]


class RowEncoder(Protocol):
    """Turns rows into bytes, which the caller gathers in a file."""

    def head(self) -> bytes:
        """What comes before the first row."""

    def rows(self, chunk: Chunk) -> bytes:
        """One row or more, as the values of every column.

        Raises:
            DataError: a column mixes types and the format cannot hold that.
        """

    def finish(self, gathered: Path, target: Path) -> None:
        """Moves or copies what was gathered to ``target``, in its final form."""


def encoder(file_format: Format, columns: Sequence[str], begun: Path | None = None) -> RowEncoder:
    """The encoder of a format for rows with the given columns; ``begun`` holds the rows that these come after."""
    if file_format.kind == "parquet":
        return ParquetEncoder(columns, begun)
    if file_format.kind == "jsonl":
        return _TextEncoder("", partial(_json_lines, columns), file_format.compressed)
    delimiter = "\t" if file_format.kind == "tsv" else ","
    return _TextEncoder(
        _csv_lines([columns], delimiter), partial(_csv_rows, columns, delimiter=delimiter), file_format.compressed
    )


class _TextEncoder:
    def __init__(self, head: str, lines: Callable[[Chunk], str], compressed: bool) -> None:
        self._head = head
        self._lines = lines
        self._compressed = compressed

    def head(self) -> bytes:
        return self._bytes(self._head)

    def rows(self, chunk: Chunk) -> bytes:
        return self._bytes(self._lines(chunk))

    def finish(self, gathered: Path, target: Path) -> None:
        gathered.replace(target)

    def _bytes(self, text: str) -> bytes:
        raw = text.encode("utf-8", "replace")
        # Members of a gzip file, which may have any number; without a time the same results make the same bytes.
        return gzip.compress(raw, compresslevel=6, mtime=0) if self._compressed else raw


def _json_lines(columns: Sequence[str], chunk: Chunk) -> str:
    rows = zip(*(chunk[column] for column in columns), strict=True)
    return "".join(f"{_json(dict(zip(columns, row, strict=True)))}\n" for row in rows)


def _csv_rows(columns: Sequence[str], chunk: Chunk, delimiter: str) -> str:
    return _csv_lines(zip(*(map(_csv_field, chunk[column]) for column in columns), strict=True), delimiter)


def _csv_lines(rows: Iterable[Sequence[object]], delimiter: str) -> str:
    lines: list[str] = []
    target = _LineFeeds(lines.append)
    minimal, whole = (
        csv.writer(target, delimiter=delimiter, quoting=how) for how in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    for row in rows:
        # A row over several lines could be taken for several rows, were not all of its fields in quotes.
        over_lines = any("\n" in field for field in row if isinstance(field, str))
        (whole if over_lines else minimal).writerow(row)
    return "".join(lines)


class _LineFeeds:
    """Ends rows with a line feed alone. The csv module quotes a field with ``\\r`` only if its row end has one too."""

    def __init__(self, emit: Callable[[str], object]) -> None:
        self._emit = emit

    def write(self, row: str) -> None:
        self._emit(row.removesuffix("\r\n") + "\n")


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_for_json)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=_for_json)


def _finite(value: object) -> object:
    plain = _plain(value)
    if isinstance(plain, dict):
        return {key: _finite(item) for key, item in plain.items()}
    if isinstance(plain, list | tuple):
        return [_finite(item) for item in plain]
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _plain(value: object) -> object:
    value = plain(value)
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _for_json(value: object) -> object:
    """What stands in JSON for a value that it cannot hold: numpy's types become Python's, dates and the like text."""
    return _plain(value) if isinstance(value, ArrowValue | np.generic | np.ndarray) else str(value)


def _csv_field(value: object) -> object:
    plain = _plain(value)
    if isinstance(plain, bool | list | tuple | dict):
        return _json(plain)
    return "" if isinstance(plain, float) and math.isnan(plain) else plain
