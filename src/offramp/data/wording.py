"""Small phrases that messages share, and warnings about data."""

import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice


class DataWarning(UserWarning):
    """Data are used in a way that may not be the one that was meant."""


def doubt(message: str) -> None:
    """Warns of data that can be used, but may not be what they were meant to be."""
    warnings.warn(message, DataWarning, stacklevel=2)


def did_you_mean(word: str, valid: Iterable[str]) -> str:
    """A phrase such as ``" (did you mean 'text'?)"``, or ``""`` where nothing valid is close to ``word``."""
    by_lower_case = {name.lower(): name for name in valid}
    close = get_close_matches(word.lower(), by_lower_case, n=1)
    return f" (did you mean {by_lower_case[close[0]]!r}?)" if close else ""


def listing(names: Iterable[str], most: int = 10) -> str:
    """Quoted names with commas between; past ``most`` of them only the count is given."""
    every = list(names)
    shown = ", ".join(map(repr, map(_shortened, islice(every, most))))
    return f"{shown}, ... ({len(every)} in all)" if len(every) > most else shown or "none"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 text``, ``2,000 texts``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _shortened(name: str, width: int = 40) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."
