"""Data that a program holds already: lists of texts, and tables of any library that speaks Arrow."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

import numpy as np

from offramp.data.arrow import arrow_records
from offramp.data.columns import Columns
from offramp.data.hub import dataset_records
from offramp.data.records import MissingColumn, Record, named_columns, picked, require_columns
from offramp.data.wording import listing
from offramp.errors import DataError, OptionError

if TYPE_CHECKING:
    from datasets import Dataset

    from offramp.data.labeled import LabeledTexts
    from offramp.data.unlabeled import Texts

_FORMS = (
    "a path, a list of texts or of pairs of texts, (texts, labels), a data frame, an Arrow table, a mapping of columns "
    "or a datasets.Dataset"
)


class ArrowStream(Protocol):
    """A table of any library that gives Arrow its data: of pandas, polars, pyarrow, DuckDB and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Data: TypeAlias = Union[
    str, Path, "LabeledTexts", "Texts", Sequence[Any], Mapping[str, Sequence[Any]], ArrowStream, "Dataset"
]
"""What verbs take for data: see :func:`offramp.data.read_rows`, and :class:`LabeledTexts` and :class:`Texts`."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A table in memory.

    Attributes:
        table: columns by name, a ``datasets.Dataset``, or something with an Arrow stream.
        name: for error messages.
        unnamed: whether it was a list, whose columns nobody named.
    """

    table: Any
    name: str
    unnamed: bool = False


def name_of(data: object) -> str:
    """What messages and records call data."""
    if isinstance(data, str | Path):
        return str(data)
    return f"{'data' if isinstance(data, Sequence | Mapping) else type(data).__name__} in memory"


def held(data: object, columns: Columns) -> tuple[Held, Columns]:
    """Finds out what data in memory are, and what their columns are called; lists of texts get columns of their own.

    Raises:
        DataError: they are of no known form, or texts and labels differ in number.
        OptionError: columns are named for a list, which has none.
    """
    if (splits := _splits(data)) is not None:
        raise DataError(
            f"a {type(data).__name__} holds several data sets, here {listing(splits)}; give one of them, such as "
            f"data[{next(iter(splits), 'train')!r}]",
            option="data",
            value=data,
        )
    name = name_of(data)
    if _is_dataset(data) or _has_stream(data):
        return Held(data, name), columns
    if isinstance(data, Mapping):
        table = {str(column): _listed(values, f"the column {column!r}") for column, values in data.items()}
        return Held(table, name), columns
    texts, *labels = _texts_and_labels(data)
    if texts and isinstance(texts[0], Mapping) and not labels:
        return Held(_of_rows(texts), name), columns
    check_unnamed(columns)
    table = _of_texts(texts) | dict.fromkeys(["label"][: len(labels)], *labels)
    return Held(table, name, unnamed=True), Columns(text_pair="text_pair" if "text_pair" in table else None)


def held_records(source: Held, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a table in memory; class numbers become class names where it knows them.

    Raises:
        DataError: a column is missing or twice there, its values are of several types, or columns differ in length.
    """
    table, name = source.table, source.name
    if _is_dataset(table):
        yield from dataset_records(table, name, wanted)
    elif _has_stream(table):
        yield from _stream_records(table, name, wanted)
    else:
        if source.unnamed and not table["text"]:
            return
        if source.unnamed and "label" in wanted and "label" not in table:
            rows = "pairs of texts" if "text_pair" in table else "texts"
            raise MissingColumn(f"{name} are {rows} without labels; give (texts, labels)", value="label", path=name)
        require_columns(wanted, list(table), name)
        names = named_columns(wanted, list(table))
        chosen = [table[column] for column in names]
        if len({len(values) for values in chosen}) > 1:
            sizes = " and ".join(f"{len(table[column])} in {column!r}" for column in names)
            raise DataError(f"{name}: the columns differ in length ({sizes}); give one value for each row", path=name)
        for number, values in enumerate(zip(*chosen, strict=True), start=1):
            yield Record(picked(wanted, dict(zip(names, values, strict=True))), name, "row", number)


def check_unnamed(columns: Columns) -> None:
    """Refuses names of columns for data that have none.

    Raises:
        OptionError: some are given.
    """
    if columns != Columns():
        raise OptionError(
            f"{columns} names columns, but a list has none: give texts as strings or pairs of strings, labels as a "
            "list beside them, and leave columns out",
            option="columns",
            value=columns,
        )


def _stream_records(table: Any, name: str, wanted: Sequence[str]) -> Iterator[Record]:
    import pyarrow as pa

    if hasattr(table, "iloc"):  # of pandas, whose other columns may hold what Arrow has no type for
        names = list(map(str, table.columns))
        require_columns(wanted, names, name)
        table = table[named_columns(wanted, names)]
    try:
        reader = pa.RecordBatchReader.from_stream(table)
        yield from arrow_records(reader, reader.schema, wanted, name)
    except pa.ArrowException as error:
        raise DataError(f"{name} cannot be read ({error}); give every column values of one type", path=name) from None


def _texts_and_labels(data: object) -> list[list[Any]]:
    """The rows, and behind them their labels if there are any."""
    if not isinstance(data, tuple):
        return [_listed(data, "data")]
    if len(data) != 2 or isinstance(data[0], str):
        raise DataError(
            f"data is a tuple, {data!r:.60}, which stands for (texts, labels), two lists; give texts alone as a list",
            option="data",
            value=data,
        )
    texts, labels = _listed(data[0], "texts"), _listed(data[1], "labels")
    if len(texts) != len(labels):
        raise DataError(f"there are {len(texts)} texts and {len(labels)} labels; give as many", option="data")
    return [texts, labels]


def _of_texts(texts: list[Any]) -> dict[str, list[Any]]:
    """Texts as a column, pairs of them as two."""
    names = Columns().text, "text_pair"
    if not texts or isinstance(texts[0], str) or not isinstance(texts[0], list | tuple):
        return {names[0]: texts}
    for number, pair in enumerate(texts, start=1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise DataError(
                f"data in memory, row {number}: {pair!r:.60} is no pair of texts, as in row 1; give two",
                path="data in memory",
                row=number,
                value=pair,
            )
    return dict(zip(names, map(list, zip(*texts, strict=True)), strict=True))


def _of_rows(rows: list[Any]) -> dict[str, list[Any]]:
    """Rows that each name their columns; as in json the first has all of them, and what others leave out is null."""
    return {str(name): [row.get(name) for row in rows] for name in rows[0]}


def _listed(values: Any, what: str) -> list[Any]:
    """The values of something one-dimensional, numbers of numpy as those of Python.

    Raises:
        DataError: it is something else.
    """
    if getattr(values, "ndim", 1) == 1 and not isinstance(values, str | bytes):
        for method in ("tolist", "to_list", "to_pylist"):
            if hasattr(values, method):
                return list(getattr(values, method)())
        if isinstance(values, Sequence):
            return [value.item() if isinstance(value, np.generic) else value for value in values]
    kind = f"an array of shape {values.shape}" if hasattr(values, "shape") else f"a {type(values).__name__}"
    raise DataError(
        f"{what} is {kind}; {f'give {_FORMS}' if what == 'data' else 'give a list with one entry a row'}",
        option="data" if what == "data" else None,
        value=values,
    )


def _splits(data: object) -> list[str] | None:
    """The names of the data sets in one of several; None for anything else."""
    datasets = sys.modules.get("datasets")  # without it there can be none
    if datasets is not None and isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        return list(data)
    return None


def _is_dataset(data: object) -> bool:
    datasets = sys.modules.get("datasets")
    return datasets is not None and isinstance(data, datasets.Dataset)


def _has_stream(data: object) -> bool:
    """Whether it gives Arrow a stream of several columns; a single column gives one, too."""
    table = any(hasattr(data, name) for name in ("columns", "column_names", "schema"))
    return table and hasattr(data, "__arrow_c_stream__")
