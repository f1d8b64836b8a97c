"""Rows as the bytes of a file, chunk by chunk; a file may be cut behind every chunk and go on from there."""

import csv
import gzip
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from offramp.data.formats import Format
from offramp.errors import DataError

Chunk = Mapping[str, Sequence[object]]


class Encoder(Protocol):
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


def encoder(found: Format, columns: Sequence[str], begun: Path | None = None) -> Encoder:
    """The encoder of a format for rows with the given columns; ``begun`` holds the rows that these come behind."""
    if found.kind == "parquet":
        return _ParquetEncoder(columns, begun)
    if found.kind == "jsonl":
        return _TextEncoder("", partial(_json_lines, columns), found.compressed)
    delimiter = "\t" if found.kind == "tsv" else ","
    return _TextEncoder(
        _csv_lines([columns], delimiter), partial(_csv_rows, columns, delimiter=delimiter), found.compressed
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


class _ParquetEncoder:
    """Gathers an Arrow stream a chunk: a parquet file cannot be cut, as what it needs to be read comes last.

    Every chunk has the types of its own values; the file has those that hold all of them. A column without any is text.
    """

    def __init__(self, columns: Sequence[str], begun: Path | None) -> None:
        import pyarrow as pa

        self._columns = columns
        self._schema = pa.schema([])
        for table in _tables_of(begun) if begun else ():
            self._schema = _unified(self._schema, table.schema)

    def head(self) -> bytes:
        return b""

    def rows(self, chunk: Chunk) -> bytes:
        import pyarrow as pa

        table = pa.table({column: _array(column, chunk[column]) for column in self._columns})
        self._schema = _unified(self._schema, table.schema)
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        return bytes(stream.getvalue().to_pybytes())

    def finish(self, gathered: Path, target: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        columns = pa.schema([(column, pa.null()) for column in self._columns])
        schema = _with_text_for_null(_unified(columns, self._schema))
        whole = gathered.with_name("whole")
        with whole.open("wb") as stream:
            with parquet.ParquetWriter(stream, schema) as writer:
                for table in _tables_of(gathered):
                    writer.write_table(_cast(table, schema))
            os.fsync(stream.fileno())
        whole.replace(target)


def _tables_of(gathered: Path) -> Iterable[Any]:
    import pyarrow as pa

    with pa.OSFile(str(gathered)) as stream:
        while stream.tell() < stream.size():
            yield pa.ipc.open_stream(stream).read_all()


def _array(column: str, values: Sequence[object]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(list(map(_plain, values)))
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise _misfit(f"the column {column!r}", error) from None


def _unified(earlier: Any, later: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.unify_schemas([earlier, later], promote_options="permissive")
    except pa.ArrowException as error:
        raise _misfit("a column whose type changes", error) from None


def _cast(table: Any, schema: Any) -> Any:
    import pyarrow as pa

    try:
        return table.cast(schema)
    except (pa.ArrowException, ValueError) as error:
        raise _misfit("a column whose type changes", error) from None


def _misfit(what: str, error: Exception) -> DataError:
    return DataError(f"{what} does not fit into parquet ({error}); write .jsonl instead")


def _with_text_for_null(schema: Any) -> Any:
    import pyarrow as pa

    return pa.schema([(field.name, _text_for_null(field.type)) for field in schema])


def _text_for_null(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_text_for_null(kind.value_type))
    return pa.string() if pa.types.is_null(kind) else kind


def _json_lines(columns: Sequence[str], chunk: Chunk) -> str:
    rows = zip(*(chunk[column] for column in columns), strict=True)
    return "".join(f"{_json(dict(zip(columns, row, strict=True)))}\n" for row in rows)


def _csv_rows(columns: Sequence[str], chunk: Chunk, delimiter: str) -> str:
    return _csv_lines(zip(*(map(_csv_field, chunk[column]) for column in columns), strict=True), delimiter)


def _csv_lines(rows: Iterable[Sequence[object]], delimiter: str) -> str:
    lines: list[str] = []
    csv.writer(_LineFeeds(lines.append), delimiter=delimiter).writerows(rows)
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
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _for_json(value: object) -> object:
    """What stands in JSON for a value that it cannot hold: numpy's types become Python's, dates and the like text."""
    return _plain(value) if isinstance(value, np.generic | np.ndarray) else str(value)


def _csv_field(value: object) -> object:
    plain = _plain(value)
    if isinstance(plain, bool | list | tuple | dict):
        return _json(plain)
    return "" if isinstance(plain, float) and math.isnan(plain) else plain
