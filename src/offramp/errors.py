"""Every error that offramp raises on purpose.

    OfframpError
    ├── InputError                something the user handed in is wrong
    │   ├── DataError             a file, column, row or label cannot be used
    │   ├── OptionError           an option has a value outside its range
    │   ├── ModelFolderError      a folder is not a (whole) offramp model
    │   └── BackboneError         an encoder is missing, unreachable or unsupported
    ├── CheckFailed               the work was done and its result is below what was asked
    ├── MissingExtraError         a feature needs an optional dependency
    ├── StorageError              reading or writing failed (disk full, no permission)
    └── ClusterError              machines of a cluster could not do their part

A message says what is wrong, the value seen, what is valid and what to do. The command line prints it as one line and
ends with the class's ``exit_code``; nobody sees a traceback for bad input.

Options have their Python names in messages: at the beginning, where the error is about that option, and elsewhere in
backquotes, as in "choose another output or add `overwrite`". The command line shows the flags in their place.
"""

from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any


class OfframpError(Exception):
    """Base of all errors raised by offramp.

    Attributes:
        option: the Python name of the argument that is wrong, such as ``max_disagreement``.
        value: what cannot be used: the argument's value, or the column, label or text in the data.
        path: the file or folder that is wrong, or the source of the data as it was named.
        row: the number of the row, as the message counts it: of a file from 1, of a list from 0.

    Each of them is None where it has no meaning.
    """

    exit_code = 2

    def __init__(
        self,
        message: str,
        *,
        option: str | None = None,
        value: object = None,
        path: str | Path | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(message)
        self.option = option
        self.value = value
        self.path = path
        self.row = row


class InputError(OfframpError):
    """Something that the user handed in cannot be used."""


class DataError(InputError):
    """A file, a column, a row or a label cannot be used."""


class OptionError(InputError):
    """An option has a value outside its valid range."""


class ModelFolderError(InputError):
    """A folder is not an offramp model, or part of it is missing or damaged."""


class BackboneError(InputError):
    """An encoder cannot be found, reached or given exits."""


class CheckFailed(OfframpError):
    """The work was done, but its result does not meet what was asked for."""

    exit_code = 1


class MissingExtraError(OfframpError):
    """A feature needs a package that is not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: run  pip install 'offramp[{extra}]'")
        self.feature = feature
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.feature, self.extra), self.__dict__


class StorageError(OfframpError):
    """Reading or writing failed: disk full, no permission, path not writable."""


class ClusterError(OfframpError):
    """Machines of a cluster could not do their part."""


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".: ") if text else type(error).__name__


def check_type(option: str, value: object, kind: type) -> None:
    """Refuses an option that has to be of some type, and is neither left out.

    Raises:
        OptionError: it is of another.
    """
    if value is not None and not isinstance(value, kind):
        raise OptionError(
            f"{option} is {value!r:.60}, of type {type(value).__name__}; give an offramp.{kind.__name__}",
            option=option,
            value=value,
        )


def check_path(option: str, value: object) -> None:
    """Refuses what names no folder and nothing on a hub, such as a classifier in memory.

    Raises:
        OptionError: it is neither a string nor a path.
    """
    if not isinstance(value, str | PathLike):
        raise OptionError(
            f"{option} is {value!r:.60}, of type {type(value).__name__}; give a folder or a name on the hub",
            option=option,
            value=value,
        )


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 1 on."""
    return isinstance(value, Integral) and int(value) >= 1
