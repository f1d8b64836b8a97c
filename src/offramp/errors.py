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
"""


class OfframpError(Exception):
    """Base of all errors raised by offramp."""

    exit_code = 2


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


class StorageError(OfframpError):
    """Reading or writing failed: disk full, no permission, path not writable."""


class ClusterError(OfframpError):
    """Machines of a cluster could not do their part."""


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".: ") if text else type(error).__name__
