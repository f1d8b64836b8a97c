"""From any source of rows to texts and labels, as a stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import assert_never

from offramp.data.arrow import plain
from offramp.data.cells import label_of, text_of
from offramp.data.columns import Columns, Quoting
from offramp.data.hub import folder_records, hub_records, saved_records
from offramp.data.memory import Data, Held, held, held_records
from offramp.data.records import MissingColumn, Record
from offramp.data.sources import Files, HubDataset, HubFolder, Piped, SavedFolder, Source, find_source
from offramp.data.tables import file_records, piped_records
from offramp.errors import DataError, OptionError, check_type


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the input.

    A text of nothing but white space is ``""``, and ``blank`` says so. ``text_pair`` is None unless
    its column is named, ``label`` unless labels are read. ``kept`` holds the columns to carry through, as asked for.
    """

    text: str
    text_pair: str | None
    label: str | tuple[str, ...] | None
    blank: bool
    kept: tuple[object, ...]


def read_rows(source: Data, columns: Columns, *, labeled: bool, keep: Sequence[str] = ()) -> Iterator[Row]:
    """Reads rows one after the other, in constant memory.

    ``source`` is a file (``.csv``, ``.tsv``; ``.jsonl``, ``.ndjson``, ``.json`` with an object a line or one list of
    objects; each perhaps ``.gz``; ``.parquet``, ``.arrow``, ``.feather``), a folder of such files of one kind, a folder
    laid out as those on the Hugging Face hub, a folder written by ``save_to_disk`` of ``datasets``, a name on the hub
    (``owner/name``), or ``-`` for standard input (json or csv). A folder or a hub name may go on with ``:split``
    (default ``train``), those of the hub with ``:config:split``; in a folder of files a split is the files whose names
    begin with ``train``, ``test`` and so on. In json the first object must have every column named; one that later
    objects leave out counts as null there. A text that is null is missing; an empty field of csv is an empty text.
    Where a table's metadata name classes, class numbers become these names.

    It can be data in memory as well: a list of texts or of pairs of texts, a tuple ``(texts, labels)``, a
    ``datasets.Dataset``, a data frame of pandas or polars, an Arrow table or whatever else has ``__arrow_c_stream__``,
    a mapping of columns, or a list of rows that name theirs. Columns are found as in files; lists of texts have none.

    ``keep`` names further columns, whose values come along untouched in ``Row.kept``; those of tables stay in them.
    :data:`offramp.data.EVERYTHING` among them brings the whole row, by column.

    Raises:
        OptionError: at once if one column is to hold a text and the label, or columns are named for a list of texts.
        DataError: at once if nothing has the name ``source``, or it is of no known form; while reading, if the data are
            damaged, malformed or of no known encoding, a column, a text or a label is missing, a text is a list, or
            there is no row at all.
        StorageError: the source cannot be read.
    """
    check_type("columns", columns, Columns)
    if labeled:
        _check_apart(columns)
    if isinstance(source, str | Path):
        return _rows(find_source(str(source)), str(source), columns, labeled, tuple(keep))
    table, columns = held(source, columns)
    return _rows(table, table.name, columns, labeled, tuple(keep))


def second_texts(rows: Sequence[Row]) -> list[str] | None:
    """The second texts of rows; None where they are no pairs."""
    return [row.text_pair or "" for row in rows] if rows and rows[0].text_pair is not None else None


def begun(rows: Iterator[Row], number: int) -> Iterator[Row]:
    """The same rows, of which the first ``number`` are read at once: most of what can be wrong shows in them.

    Raises:
        As :func:`read_rows`.
    """
    return chain(list(islice(rows, number)), rows)


def peeked(rows: Iterator[Row]) -> tuple[Row, Iterator[Row]]:
    """The first of some rows, and all of them; that there is one :func:`read_rows` makes sure of.

    Raises:
        As :func:`read_rows`.
    """
    first = next(rows)
    return first, chain([first], rows)


def _check_apart(columns: Columns) -> None:
    if columns.label is not None and columns.label in (columns.text, columns.text_pair):
        raise OptionError(
            f"the column {columns.label!r} is named for a text and for the label; name another one for either",
            option="label",
            value=columns.label,
        )


def _rows(data: Source | Held, source: str, columns: Columns, labeled: bool, keep: tuple[str, ...]) -> Iterator[Row]:
    pair = () if columns.text_pair is None else (columns.text_pair,)
    label = (columns.label,) if labeled and columns.label is not None else ()
    record = None
    try:
        for record in _records(data, (columns.text, *pair, *label, *keep), columns.quoting):
            try:
                row = _row(record, columns, labeled)
            except DataError as error:
                error.path, error.row = record.file, record.number
                raise
            yield row
    except MissingColumn as missing:
        named = (("text", columns.text), ("text_pair", columns.text_pair), ("label", columns.label))
        missing.option = next((name for name, column in named if column == missing.value), "keep")
        missing.add_note(f"`{missing.option}` says which it is")
        raise
    if record is None:
        raise DataError(
            f"{source} holds no rows; check that it is the right one and was written to its end", path=source
        )


def _records(source: Source | Held, wanted: Sequence[str], quoting: Quoting) -> Iterator[Record]:
    match source:
        case Piped():
            yield from piped_records(source.path, wanted, quoting)
        case Files():
            for path in source.paths:
                yield from file_records(path, source.kind, wanted, quoting)
        case SavedFolder():
            yield from saved_records(source, wanted)
        case HubFolder():
            yield from folder_records(source, wanted)
        case HubDataset():
            yield from hub_records(source, wanted)
        case Held():
            yield from held_records(source, wanted)
        case _:
            assert_never(source)


def _row(record: Record, columns: Columns, labeled: bool) -> Row:
    values = iter(record.values)
    text = _text(next(values), columns.text, record)
    pair = None if columns.text_pair is None else _text(next(values), columns.text_pair, record)
    label = None
    if labeled and columns.label is not None:
        label = label_of(plain(next(values)), columns.label_separator, columns.label, record.place)
    return Row(text=text, text_pair=pair, label=label, blank=not text, kept=tuple(values))


def _text(value: object, column: str, record: Record) -> str:
    known = plain(value)
    return "" if known is None and record.empty_is_none else text_of(known, column, record.place)
