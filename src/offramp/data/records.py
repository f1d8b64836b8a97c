"""What every reader gives: the wanted values of a row, and where they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from offramp.data.wording import did_you_mean, listing
from offramp.errors import DataError

EVERYTHING = "every column"
"""Stands among wanted columns for the whole row, as a mapping from columns to values; known by its identity."""


@dataclass(frozen=True, slots=True)
class Record:
    """The wanted values of one row, and where they come from.

    Attributes:
        number: of the row in its file, from 1.
        empty_is_none: whether None stands for an empty field, too, because the format cannot tell them apart.
    """

    values: tuple[object, ...]
    file: str
    unit: Literal["line", "row"]
    number: int
    empty_is_none: bool = False

    @property
    def place(self) -> str:
        """For error messages: ``train.csv, line 7``."""
        return f"{self.file}, {self.unit} {self.number}"


class MissingColumn(DataError):
    """The data at ``path`` have no column called ``value``."""


def require_columns(wanted: Sequence[str], columns: Sequence[str], file: str, line: int | None = None) -> None:
    """Makes sure that each of ``wanted`` is the name of one column, and of one only; what others are called is free.

    Of :data:`EVERYTHING` each has to be one only. ``line`` is where a file of text names its columns.

    Raises:
        MissingColumn: there is none; the message lists the columns there.
        DataError: there are several.
    """
    place = file if line is None else f"{file}, line {line},"
    if repeated := sorted({name for name in named_columns(wanted, columns) if columns.count(name) > 1}):
        raise DataError(
            f"{place} repeats the columns {listing(repeated)}; give the one that is meant its own name",
            path=file,
            row=line,
            value=repeated[0],
        )
    for name in wanted:
        if name is not EVERYTHING and name not in columns:
            named = list(dict.fromkeys(filter(None, columns)))
            raise MissingColumn(
                f"{place} has no column {name!r}{did_you_mean(name, named)}; its columns are "
                f"{listing(named, most=30)}: name one of them",
                value=name,
                path=file,
                row=line,
            )


def named_columns(wanted: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns to read, each once: those wanted, or all of them if :data:`EVERYTHING` is among these."""
    return list(dict.fromkeys(columns if _whole(wanted) else wanted))


def picked(wanted: Sequence[str], row: Mapping[str, object]) -> tuple[object, ...]:
    """The wanted values of a row."""
    return tuple(row if name is EVERYTHING else row.get(name) for name in wanted)


def _whole(wanted: Sequence[str]) -> bool:
    return any(name is EVERYTHING for name in wanted)
