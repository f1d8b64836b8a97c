"""Rows of csv and tsv files."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from offramp.data.quotes import may_be_several
from offramp.data.records import MissingColumn, Record, named_columns, picked, require_columns
from offramp.data.wording import doubt
from offramp.errors import DataError

# The largest limit that a C long holds on every platform; the default of 128 KiB is less than a long text.
_LONGEST_FIELD = 2**31 - 1
# Of a first line that names no column wanted: the rows to hold beside it, and the words that make a field a text.
_ROWS, _WORDS = 50, 4

_Row = tuple[int, list[str]]


def delimited_records(
    lines: Iterable[str], delimiter: str, file: str, wanted: Sequence[str], *, quoted: bool, certain: bool = True
) -> Iterator[Record]:
    """Reads the columns ``wanted`` under a header, which is the first line that is not blank.

    Args:
        lines: the text, with the ends of its lines.
        delimiter: one character.
        file: its name, for messages.
        wanted: names of columns.
        quoted: quotes hold together fields with delimiters and line ends; otherwise they are part of the texts.
        certain: somebody has said so. Otherwise the first row that quotes may have made of several is warned of.

    Raises:
        DataError: quotes are misplaced, a row has not as many fields as the header, a column is missing or twice.
    """
    rows = _quoted(lines, delimiter, file, certain) if quoted else _unquoted(lines, delimiter)
    _, header = next(rows, (0, None))
    if header is None:
        return
    try:
        require_columns(wanted, header, file, line=1)
    except MissingColumn as missing:
        hint = _other_delimiter(header, delimiter) or _no_header(header, rows, wanted, delimiter)
        raise MissingColumn(f"{missing}{hint}", value=missing.value, path=file, row=1) from None
    places = {name: header.index(name) for name in named_columns(wanted, header)}
    for line, fields in rows:
        if len(fields) != len(header):
            cure = "quote the texts that hold the delimiter, and fill up short rows"
            if not quoted and any(field.startswith('"') for field in fields):
                cure = (
                    f"if quotes hold together fields with {delimiter!r} inside, read the file with `quoting` 'minimal'"
                )
            raise DataError(
                f"{file}, line {line}: {len(fields)} fields, but the header has {len(header)}; {cure}",
                path=file,
                row=line,
            )
        yield Record(picked(wanted, {name: fields[place] for name, place in places.items()}), file, "line", line)


def _unquoted(lines: Iterable[str], delimiter: str) -> Iterator[_Row]:
    """Yields (number of the line, fields), without blank lines."""
    for number, line in enumerate(lines, start=1):
        if row := line.removesuffix("\n").removesuffix("\r"):
            yield number, row.split(delimiter)


def _quoted(lines: Iterable[str], delimiter: str, file: str, certain: bool) -> Iterator[_Row]:
    """Yields (number of the row's first line, fields), without blank lines."""
    csv.field_size_limit(_LONGEST_FIELD)
    width, taken = None, list[str]()

    def noted() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader = csv.reader(noted(), delimiter=delimiter, strict=True)
    while True:
        taken.clear()
        start = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"{file}, line {start}: {str(error)!r}; a field with quotes, line ends or {delimiter!r} inside must be "
                "quoted, and a quote inside it doubled; if quotes are text in this file, read it with `quoting` 'none'",
                path=file,
                row=start,
            ) from None
        if fields is None:
            return
        if not fields:
            continue
        width = width or len(fields)
        if not certain and len(taken) > 1 and may_be_several(taken, delimiter, width):
            certain = True  # to be said once
            doubt(
                f"{file}: lines {start} to {reader.line_num} are read as one row, as a quote opens in the first and "
                f"closes in the last; if quotes are text in this file, read it with quoting 'none', else 'minimal'"
            )
        yield start, fields


def _other_delimiter(header: Sequence[str], delimiter: str) -> str:
    """What to do about a header that another delimiter seems to divide."""
    other = next((character for character in "\t;," if character in header[0]), None)
    if len(header) > 1 or other is None:
        return ""
    name = {"\t": ", or call it .tsv", ",": ", or call it .csv"}.get(other, "")
    return f"; if {other!r} divides them, convert the file to {delimiter!r}{name}"


def _no_header(header: Sequence[str], rows: Iterator[_Row], wanted: Sequence[str], delimiter: str) -> str:
    """What to do about a first line that seems to be a row: with a number, a sentence or a value of later rows."""
    try:
        later = [fields for _, fields in islice(rows, _ROWS)]
    except DataError:
        later = []
    repeated = any(value in column for value, column in zip(header, zip(*later, strict=False), strict=False))
    if not repeated and not any(_is_number(value) or len(value.split()) >= _WORDS for value in header):
        return ""
    names = delimiter.join(dict.fromkeys(wanted))
    return f"; the first line looks like a row: if the file has no header, put one before it, such as {names!r}"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
