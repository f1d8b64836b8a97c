"""Writing results to a file as they come, in constant memory; the file appears when it is whole."""

import csv
import gzip
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from offramp.data.formats import WRITABLE, Format, format_of, suffixes_in_words
from offramp.errors import DataError, OptionError
from offramp.files import replacing, storage_errors

# A row group of a parquet file; smaller ones make the file large and slow to read.
_ROWS_IN_GROUP = 8192


class Writer(Protocol):
    """Takes results chunk by chunk."""

    def write(self, chunk: Mapping[str, Sequence[object]]) -> None:
        """Appends rows. ``chunk`` holds the values of every column, all of the same length, in the order of rows."""


def result_writer(target: str, columns: Sequence[str]) -> AbstractContextManager[Writer]:
    """Opens ``target`` for rows with the given columns.

    ``target`` ends in ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, each perhaps with ``.gz``, or in ``.parquet``, or
    is ``-`` for jsonl on standard output. A file gets its name only when the ``with`` block ends without an error;
    until then, and after an error, the name holds what it held before. Values may be numpy scalars or arrays. In csv
    None is an empty field, and lists are JSON; in JSON, NaN and infinities are null.

    A reader that closes standard output early makes ``write`` raise the BrokenPipeError as it is: the caller ends.

    Raises:
        OptionError: no format belongs to ``target``, or it is a folder; at once.
        StorageError: the target cannot be written or the disk is full.
        DataError: a column of a parquet file mixes types.
    """
    if target == "-":
        return _standard_output(columns)
    path = Path(target)
    found = format_of(path, WRITABLE)
    if found is None:
        raise OptionError(
            f"the output {target} ends in none of {suffixes_in_words(WRITABLE)}; choose one of them, "
            f"or '-' for jsonl on standard output"
        )
    if path.is_dir():
        raise OptionError(f"the output {target} is a folder; name a file")
    return _parquet_file(path, columns) if found.kind == "parquet" else _text_file(path, found, columns)


class _JsonLines:
    def __init__(self, emit: Callable[[str], object], columns: Sequence[str]) -> None:
        self._emit = emit
        self._columns = columns

    def write(self, chunk: Mapping[str, Sequence[object]]) -> None:
        rows = zip(*(chunk[column] for column in self._columns), strict=True)
        self._emit("".join(f"{_json(dict(zip(self._columns, row, strict=True)))}\n" for row in rows))


class _Csv:
    def __init__(self, emit: Callable[[str], object], columns: Sequence[str], delimiter: str) -> None:
        self._emit = emit
        self._columns = columns
        self._rows = csv.writer(_LineFeeds(emit), delimiter=delimiter)
        self._rows.writerow(columns)

    def write(self, chunk: Mapping[str, Sequence[object]]) -> None:
        columns = (map(_csv_field, chunk[column]) for column in self._columns)
        self._rows.writerows(zip(*columns, strict=True))


class _LineFeeds:
    """Ends rows with a line feed alone. The csv module quotes a field with ``\\r`` only if its row end has one too."""

    def __init__(self, emit: Callable[[str], object]) -> None:
        self._emit = emit

    def write(self, row: str) -> None:
        self._emit(row.removesuffix("\r\n") + "\n")


class _Parquet:
    """Gathers rows into groups. The first group decides the types of the columns; one without values is text."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._path = path
        self._gathered: dict[str, list[object]] = {column: [] for column in columns}
        self._rows = 0
        self._file: Any = None

    def write(self, chunk: Mapping[str, Sequence[object]]) -> None:
        lengths = {len(chunk[column]) for column in self._gathered}
        if len(lengths) != 1:
            raise ValueError(f"the columns of a chunk must have one length, not {sorted(lengths)}")
        for column, values in self._gathered.items():
            values.extend(map(_plain, chunk[column]))
        self._rows += lengths.pop()
        if self._rows >= _ROWS_IN_GROUP:
            self._flush()

    def finish(self) -> None:
        if self._rows or self._file is None:
            self._flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = [None] * len(self._gathered) if self._file is None else self._file.schema.types
        arrays = [self._array(column, kind) for column, kind in zip(self._gathered, types, strict=True)]
        table = pa.Table.from_arrays(arrays, names=list(self._gathered))
        if self._file is None:
            self._file = parquet.ParquetWriter(self._path, table.schema)
        self._file.write_table(table)
        self._rows = 0
        for values in self._gathered.values():
            values.clear()

    def _array(self, column: str, kind: Any) -> Any:
        import pyarrow as pa

        try:
            array = pa.array(self._gathered[column], type=kind)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(
                f"the column {column!r} does not fit into parquet ({error}); write .jsonl instead"
            ) from None
        return array.cast(_type_with_text_for_null(array.type))


def _type_with_text_for_null(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_type_with_text_for_null(kind.value_type))
    return pa.string() if pa.types.is_null(kind) else kind


@contextmanager
def _text_file(path: Path, found: Format, columns: Sequence[str]) -> Iterator[Writer]:
    with replacing(path) as new, _open(new, found.compressed) as stream:
        if found.kind == "jsonl":
            yield _JsonLines(stream.write, columns)
        else:
            yield _Csv(stream.write, columns, delimiter="\t" if found.kind == "tsv" else ",")


@contextmanager
def _parquet_file(path: Path, columns: Sequence[str]) -> Iterator[Writer]:
    with replacing(path) as new:
        writer = _Parquet(new, columns)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


@contextmanager
def _standard_output(columns: Sequence[str]) -> Iterator[Writer]:
    sys.stdout.flush()
    yield _JsonLines(_print, columns)


def _print(text: str) -> None:
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with storage_errors(Path("standard output")):
            raise error


@contextmanager
def _open(path: Path, compressed: bool) -> Iterator[TextIO]:
    with ExitStack() as stack:
        raw: Any = stack.enter_context(path.open("wb"))
        if compressed:
            # No name and no time inside: the same results make the same bytes.
            raw = stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))
        yield stack.enter_context(TextIOWrapper(raw, encoding="utf-8", errors="replace", newline=""))


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
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _for_json(value: object) -> object:
    """What stands in JSON for a value that it cannot hold: numpy's types become Python's, dates and the like text."""
    return _plain(value) if isinstance(value, np.generic | np.ndarray) else str(value)


def _csv_field(value: object) -> object:
    plain = _plain(value)
    if isinstance(plain, bool | list | tuple | dict):
        return _json(plain)
    return "" if isinstance(plain, float) and math.isnan(plain) else plain
