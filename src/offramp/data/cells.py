"""What a single value of a text or a label column means."""

import math
from decimal import Decimal

from offramp.errors import DataError


def text_of(value: object, column: str, place: str) -> str:
    """The text as it stands; ``""`` for nothing but white space. Numbers are written out.

    Raises:
        DataError: the text is missing (None or NaN), or the value is neither a text nor a number.
    """
    if isinstance(value, str):
        return value if value.strip() else ""
    if _missing(value):
        raise DataError(
            f'{place}: the text in column {column!r} is missing; fill it in (an empty text is "") or remove the row'
        )
    if isinstance(value, bool | int | float | Decimal):
        return _written(value)
    raise DataError(
        f"{place}: the text in column {column!r} is a {type(value).__name__}; it must be a string: convert the column",
        value=value,
    )


def label_of(value: object, separator: str | None, column: str, place: str) -> str | tuple[str, ...]:
    """The label of a row: a name, or a tuple of names (perhaps empty) from a list or where ``separator`` is given.

    Raises:
        DataError: the label is missing, or a value that cannot name a class.
    """
    if isinstance(value, list | tuple):
        return tuple(_name(item, column, place) for item in value)
    if separator is None:
        return _name(value, column, place)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(separator) if part.strip())
    return (_name(value, column, place),)


def _name(value: object, column: str, place: str) -> str:
    if _missing(value):
        raise DataError(f"{place}: the label in column {column!r} is missing; fill it in or remove the row")
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, int):
        return _written(value)
    raise DataError(
        f"{place}: the label in column {column!r} is {value!r}, which names no class; use strings or whole numbers",
        value=value,
    )


def _missing(value: object) -> bool:
    if isinstance(value, float | Decimal):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def _written(value: float | Decimal) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
