"""Tables of Apache Arrow, whatever holds them: values with their exact types, and class numbers with their names."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offramp.data.records import Record, named_columns, picked, require_columns
from offramp.data.sources import reading_errors
from offramp.data.wording import listing
from offramp.errors import DataError

BATCH_ROWS = 1024

# Where `datasets` describes the columns of a table, in JSON, in the metadata of its schema.
_METADATA = b"huggingface"
_IPC_FILE = b"ARROW1"


@dataclass(frozen=True, slots=True, eq=False)
class ArrowColumn:
    """A column of some rows.

    Attributes:
        array: the values, a ``pyarrow.Array``.
        field: name, type and metadata, a ``pyarrow.Field``.
        feature: what ``datasets`` says of the column, in its own JSON; None where it says nothing.
        file, first: where the rows come from, and the number of the first, from 1.
    """

    array: Any
    field: Any
    feature: Any
    file: str
    first: int


@dataclass(frozen=True, slots=True, eq=False)
class ArrowValue:
    """One value of a table, left in its column, from where it can be written as it is. It equals what it stands for."""

    column: ArrowColumn
    place: int

    @property
    def plain(self) -> object:
        """The value as Python has it, class numbers as the names of the classes; -1, which is no class, as None.

        Raises:
            DataError: a class number has no name.
        """
        try:
            value = self.column.array[self.place].as_py()
        except (ValueError, OverflowError):  # a time that Python cannot hold
            value = self.column.array.slice(self.place, 1).cast("string")[0].as_py()
        place = f"{self.column.file}, row {self.column.first + self.place}"
        return value if self.column.feature is None else _named(value, self.column.feature, place)

    def __eq__(self, other: object) -> bool:
        return self.plain == plain(other)

    def __hash__(self) -> int:
        return hash(self.plain)


def plain(value: object) -> object:
    """A value of a table as Python has it; any other value as it is."""
    return value.plain if isinstance(value, ArrowValue) else value


def arrow_records(
    batches: Iterable[Any], schema: Any, wanted: Sequence[str], file: str, *, empty_is_none: bool = False
) -> Iterator[Record]:
    """The columns ``wanted`` of the rows in ``batches`` (``pyarrow.RecordBatch``), as ArrowValues.

    With ``empty_is_none`` a null may have been an empty field, in the file that the table was made from.

    Raises:
        DataError: a column is missing or twice there.
    """
    require_columns(wanted, schema.names, file)
    features = features_of(schema)
    number = 0
    for batch in batches:
        columns = {
            name: ArrowColumn(batch.column(name), batch.schema.field(name), features.get(name), file, number + 1)
            for name in named_columns(wanted, schema.names)
        }
        for place in range(batch.num_rows):
            number += 1
            row = {name: ArrowValue(column, place) for name, column in columns.items()}
            yield Record(picked(wanted, row), file, "row", number, empty_is_none)


def parquet_records(path: Path, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a parquet file; see :func:`arrow_records`."""
    from pyarrow import parquet

    with _whole(path, "parquet"), path.open("rb") as stream:
        # Without these two a whole column of a row group, often of the whole file, is held at once.
        table = parquet.ParquetFile(stream, buffer_size=2**20, pre_buffer=False)
        require_columns(wanted, table.schema_arrow.names, str(path))
        batches = table.iter_batches(BATCH_ROWS, columns=named_columns(wanted, table.schema_arrow.names))
        yield from arrow_records(batches, table.schema_arrow, wanted, str(path))


def ipc_records(path: Path, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of an Arrow (Feather) file or stream; see :func:`arrow_records`."""
    import pyarrow as pa

    with _whole(path, "Arrow"), pa.OSFile(str(path)) as stream:
        if stream.read(len(_IPC_FILE)) == _IPC_FILE:
            file = pa.ipc.open_file(stream)
            schema, batches = file.schema, map(file.get_batch, range(file.num_record_batches))
        else:
            stream.seek(0)
            batches = pa.ipc.open_stream(stream)
            schema = batches.schema
        yield from arrow_records(batches, schema, wanted, str(path))


def features_of(schema: Any) -> dict[str, Any]:
    """What ``datasets`` says of columns, by their names, as JSON; empty where it says nothing."""
    try:
        features = json.loads((schema.metadata or {})[_METADATA])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, dict) else {}


def with_features(schema: Any, features: Mapping[str, Any]) -> Any:
    """The schema with what ``datasets`` says of its columns, and without any other metadata of its own."""
    return schema.with_metadata({_METADATA: json.dumps({"info": {"features": features}})} if features else None)


@contextmanager
def _whole(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    with reading_errors(str(path)):
        path.open("rb").close()  # what cannot be opened is not damaged
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"{path} is not a whole {kind} file ({error}); fetch or write it again", path=path
            ) from None


def _named(value: object, feature: Any, place: str) -> object:
    """``value`` with class names in the place of class numbers, however deep in lists and structures they are."""
    match feature, value:
        case {"_type": "ClassLabel"}, int() if not isinstance(value, bool):
            return _class_name(value, feature, place)
        case (({"_type": "List" | "LargeList" | "Sequence", "feature": inner} | [inner]), list()):
            return [_named(item, inner, place) for item in value]
        case dict(), dict() if "_type" not in feature:
            return {name: _named(item, feature.get(name), place) for name, item in value.items()}
    return value


def _class_name(number: int, feature: Mapping[str, Any], place: str) -> str | None:
    names = feature.get("names") or [str(number) for number in range(feature.get("num_classes") or 0)]
    if number < 0:
        return None
    if number >= len(names):
        raise DataError(f"{place}: there is no class {number}; its metadata name {len(names)}: {listing(names)}")
    return str(names[number])
