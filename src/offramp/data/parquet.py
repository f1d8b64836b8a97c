"""Rows as a parquet file: values of tables as they are, and others with the types that hold all of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from offramp.data.arrow import ArrowValue, features_of, plain, with_features
from offramp.errors import DataError

# Marks columns whose type was inferred from the values, until the file is whole: without any they are text.
_INFERRED = {b"inferred": b""}


class ParquetEncoder:
    """Gathers an Arrow stream a chunk: a parquet file cannot be cut, as what it needs to be read comes last.

    Columns of ArrowValues go through with type and metadata, to the last bit. In others every chunk has the types of
    its own values; the file has those that hold all of them. One of these without any value is text.
    """

    def __init__(self, columns: Sequence[str], begun: Path | None) -> None:
        import pyarrow as pa

        self._columns = columns
        self._schema = pa.schema([])
        for table in _tables_of(begun) if begun else ():
            self._schema = _unified(self._schema, table.schema)

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, chunk: Mapping[str, Sequence[object]]) -> bytes:
        """A whole stream with the rows.

        Raises:
            DataError: parquet cannot hold the type of a column, or a column has another type than before.
        """
        import pyarrow as pa

        table = _table({column: chunk[column] for column in self._columns})
        schema = _unified(self._schema, table.schema)
        if not schema.equals(self._schema):
            _check_fit(schema)
        self._schema = schema
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        return bytes(stream.getvalue().to_pybytes())

    def finish(self, gathered: Path, target: Path) -> None:
        """Writes the parquet file beside what was gathered, and moves it."""
        from pyarrow import parquet

        schema = _final(self._schema, self._columns)
        whole = gathered.with_name("whole")
        with whole.open("wb") as stream:
            with parquet.ParquetWriter(stream, schema) as writer:
                for table in _tables_of(gathered):
                    writer.write_table(_cast(table, schema))
            os.fsync(stream.fileno())
        whole.replace(target)


def _tables_of(gathered: Path) -> Iterator[Any]:
    import pyarrow as pa

    with pa.OSFile(str(gathered)) as stream:
        while stream.tell() < stream.size():
            yield pa.ipc.open_stream(stream).read_all()


def _table(columns: Mapping[str, Sequence[object]]) -> Any:
    """The columns as a table, with what `datasets` says of those that come from tables."""
    import pyarrow as pa

    arrays, fields, features = [], [], {}
    for name, values in columns.items():
        carried = [value for value in values if isinstance(value, ArrowValue)]
        if carried and len(carried) == len(values):
            array, field = _carried(name, carried)
            if (feature := carried[0].column.feature) is not None:
                features[name] = feature
        else:
            array = _inferred(name, values)
            field = pa.field(name, array.type, metadata=_INFERRED)
        arrays.append(array)
        fields.append(field)
    return pa.Table.from_arrays(arrays, schema=with_features(pa.schema(fields), features))


def _carried(name: str, values: Sequence[ArrowValue]) -> tuple[Any, Any]:
    """Values of tables in one array, as slices of what they were read from, and its field."""
    import pyarrow as pa

    schema = pa.schema([])
    for column in dict.fromkeys(value.column for value in values):
        metadata = with_features(pa.schema([column.field.with_name(name)]), _described(name, column.feature))
        schema = _unified(schema, metadata)
    field = schema.field(name)
    slices = [_as(part, field.type, name) for part in _slices(values)]
    return pa.chunked_array(slices, field.type), field


def _described(name: str, feature: Any) -> dict[str, Any]:
    return {} if feature is None else {name: feature}


def _slices(values: Sequence[ArrowValue]) -> Iterator[Any]:
    """The shortest list of slices that has the values in their order."""
    start = 0
    for end in range(1, len(values) + 1):
        first, last = values[start], values[end - 1]
        following = values[end] if end < len(values) else None
        if following is None or following.column is not last.column or following.place != last.place + 1:
            yield first.column.array.slice(first.place, end - start)
            start = end


def _inferred(column: str, values: Sequence[object]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(list(map(_python, values)))
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise _misfit(f"the column {column!r}", error) from None


def _python(value: object) -> object:
    value = plain(value)
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _unified(earlier: Any, later: Any) -> Any:
    """The types that hold both; the same types stay as they are, whatever they are."""
    import pyarrow as pa

    features = _merged(features_of(earlier), features_of(later))
    if not earlier.equals(later):
        try:
            later = pa.unify_schemas([earlier, later], promote_options="permissive")
        except pa.ArrowException as error:
            raise _misfit("a column whose type changes", error) from None
    return with_features(later, features)


def _merged(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    for name in earlier.keys() & later.keys():
        if earlier[name] != later[name]:
            raise _misfit(f"the column {name!r}", "its class names change from file to file")
    return {**earlier, **later}


def _check_fit(schema: Any) -> None:
    """Finds out before the work, and not after it, whether parquet has the types."""
    import pyarrow as pa
    from pyarrow import parquet

    for field in schema:
        try:
            parquet.write_table(pa.schema([field]).empty_table(), pa.BufferOutputStream())
        except pa.ArrowException as error:
            raise _misfit(f"the column {field.name!r}", error) from None


def _cast(table: Any, schema: Any) -> Any:
    import pyarrow as pa

    columns = [_as(table.column(field.name), field.type, field.name) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _as(values: Any, kind: Any, column: str) -> Any:
    import pyarrow as pa

    try:
        return values if values.type == kind else values.cast(kind)
    except (pa.ArrowException, ValueError) as error:
        raise _misfit(f"the column {column!r}, whose type changes,", error) from None


def _misfit(what: str, error: object) -> DataError:
    return DataError(f"{what} does not fit into parquet ({error}); write .jsonl instead")


def _final(schema: Any, columns: Sequence[str]) -> Any:
    """The schema of the file: all columns in their order, inferred ones without any value as text."""
    import pyarrow as pa

    fields = [
        schema.field(name) if name in schema.names else pa.field(name, pa.null(), metadata=_INFERRED)
        for name in columns
    ]
    final = [
        pa.field(field.name, _text_for_null(field.type)) if field.metadata == _INFERRED else field for field in fields
    ]
    return pa.schema(final, metadata=schema.metadata)


def _text_for_null(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_list(kind):
        return pa.list_(_text_for_null(kind.value_type))
    return pa.string() if pa.types.is_null(kind) else kind
