"""Dataclasses as JSON and back: each value is checked against its annotation, and errors name the place.

A record is a dataclass whose fields are numbers, text, booleans, None, literals, enumerations, lists, tuples of one
type, dicts with text keys, or other records. ``__post_init__`` checks what annotations cannot express, such as a range.
"""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from offramp.errors import DataError, InputError, ModelFolderError, OptionError
from offramp.files import is_there, read_json, write_json

T = TypeVar("T")
Taken = TypeVar("Taken")

_WORDS: dict[Any, str] = {int: "a whole number", float: "a finite number", str: "text", bool: "true or false"}
_FAMILIES: dict[type, Mapping[str, type]] = {}


class Flaw(ValueError):
    """JSON does not hold the expected record; the message names the place, the value and what is valid."""


def family(base: type, members: Mapping[str, type]) -> None:
    """Lets fields be annotated with a base class; JSON has the member's name as ``name`` beside its fields.

    Only the members can be read: a file never names code to import.
    """
    _FAMILIES[base] = members


def member_name(base: type, member: Any) -> str:
    """The name of a family's member in JSON.

    Raises:
        OptionError: it has none.
    """
    for name, kind in _FAMILIES[base].items():
        if type(member) is kind:
            return name
    raise OptionError(
        f"{type(member).__name__} cannot be stored; register it under a name, or use {', '.join(_FAMILIES[base])}"
    )


def to_json(value: Any) -> Any:
    """Converts records to plain dicts, lists, text and finite numbers.

    Raises:
        OptionError: a number is not finite, or something else cannot be stored.
    """
    base = next((candidate for candidate in _FAMILIES if isinstance(value, candidate)), None)
    named = {} if base is None else {"name": member_name(base, value)}
    if is_dataclass(value):
        return named | {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, str | bool | NoneType | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    content = f"the number {value}" if isinstance(value, float) else type(value).__name__
    raise OptionError(f"{content} cannot be stored; use finite numbers, text and records of them")


def from_json(kind: type[T], content: Any) -> T:
    """Converts the result of :func:`to_json` back.

    Args:
        kind: a dataclass, or any other type that a field may have.
        content: from ``json.loads``; it has all fields, even those with a default, and no others.

    Raises:
        Flaw: a value is missing, unknown, or not what its annotation or the record allows.
    """
    return cast(T, _read(kind, content, ""))


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file that holds one record, with the number of its format.

    Attributes:
        name: of the file.
        schema: the number of the format, written into the file; it changes when older files can no longer be read.
        cure: what to do about a file that cannot be used, as a clause such as ``delete it``.
    """

    name: str
    schema: int
    cure: str

    def content(self, record: Any) -> dict[str, Any]:
        """The content of the file for a record."""
        return {"schema": self.schema, **to_json(record)}

    def write(self, folder: Path, record: Any) -> None:
        """Writes the file, atomically.

        Raises:
            OptionError: see :func:`to_json`.
            StorageError: the folder cannot be written.
        """
        write_json(folder / self.name, self.content(record))

    def read(self, folder: Path, kind: type[T], *, whole: bool = True) -> T:
        """Reads the record.

        Args:
            whole: whether the file holds nothing else; otherwise what the record has no field for is left aside.

        Raises:
            ModelFolderError: the file is missing, damaged or of another version of offramp.
            StorageError: it cannot be read.
        """
        file = folder / self.name
        content = read_json(file, self.cure)
        schema = content.pop("schema", None)  # None is not a number either
        try:
            if _read(int, schema, "schema") == self.schema:
                if not whole:
                    content = _without_others(kind, content)
                return from_json(kind, content)
        except Flaw as flaw:
            raise ModelFolderError(f"{file} is damaged ({flaw}); {self.cure}", path=file) from None
        age, cure = ("a newer", f"upgrade offramp, or {self.cure}") if schema > self.schema else ("an older", self.cure)
        raise ModelFolderError(
            f"{file} is of {age} version of offramp (its schema is {schema}, this one reads {self.schema}); {cure}",
            path=file,
        )

    def read_if_there(self, folder: Path, otherwise: T) -> T:
        """Reads the record like :meth:`read`; returns ``otherwise``, of the same type, if there is no such file."""
        return self.read(folder, type(otherwise)) if is_there(folder / self.name) else otherwise


def read_result(
    path: Path, kind: type[T], schema: int, take: Callable[[T], Taken], role: str, verb: str, cure: str
) -> Taken:
    """Reads the JSON that a verb wrote, with the number of its format in it.

    Args:
        path: of the file.
        kind: the record it holds.
        schema: the number of the format that can be read.
        take: picks what is needed from the record; a ``KeyError`` that it raises is reported as damage.
        role: what messages call the file.
        verb: that wrote it.
        cure: what to do about a file that cannot be used.

    Raises:
        DataError: the file is missing, or the verb did not write it.
    """
    try:
        content = from_json(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        if content.get("schema") != schema:
            raise ValueError(f"schema {content.get('schema')}, this version reads {schema}")
        return take(from_json(kind, content))
    except OSError as error:
        raise DataError(f"cannot read the {role} {path}: {error.strerror or error}; {cure}") from None
    except (KeyError, TypeError, ValueError) as error:
        flaw = f"{error} is missing" if isinstance(error, KeyError) else error
        raise DataError(f"{path} is not what 'offramp {verb}' writes as JSON ({flaw!s:.80}); {cure}") from None


def _read(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if get_origin(kind) in (Union, UnionType):
        return _one_of(get_args(kind), value, where)
    if get_origin(kind) is not None:
        return _generic(get_origin(kind), get_args(kind), value, where)
    if kind in _FAMILIES or is_dataclass(kind):
        return _record(kind, value, where)
    if issubclass(kind, Enum):
        valid = [member.value for member in kind]
        return kind(_check(value in valid, value, where, f"one of {', '.join(map(str, valid))}"))
    return _plain(kind, value, where)


def _plain(kind: type, value: Any, where: str) -> Any:
    # bool is an int to Python; the bound refuses NaN, infinities and integers that no float can hold, all at once.
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    fits = number if kind is float else type(value) is kind
    return _check(fits, value, where, _WORDS[kind])  # an int where a float belongs may stay: it is equal


def _one_of(kinds: Sequence[Any], value: Any, where: str) -> Any:
    """A value that may be None, or of one other type."""
    (kind,) = (option for option in kinds if option is not NoneType)
    return None if value is None else _read(kind, value, where)


def _generic(origin: Any, parts: Sequence[Any], value: Any, where: str) -> Any:
    """A literal, a mapping, a list or a tuple."""
    if origin is Literal:
        return _check(value in parts, value, where, f"one of {', '.join(map(str, parts))}")
    if issubclass(origin, Mapping):
        _check(isinstance(value, dict), value, where, "an object")
        return {key: _read(parts[1], part, _within(where, key)) for key, part in value.items()}
    _check(isinstance(value, list), value, where, "a list")
    parts_read = (_read(parts[0], part, f"{where}[{index}]") for index, part in enumerate(value))
    return list(parts_read) if origin is list else tuple(parts_read)


def _record(kind: type, value: Any, where: str) -> Any:
    content = dict(_check(isinstance(value, dict), value, where, "an object"))
    if kind in _FAMILIES:
        members, name = _FAMILIES[kind], content.pop("name", None)
        known = isinstance(name, str) and name in members
        kind = members[_check(known, name, _within(where, "name"), f"one of {', '.join(members)}")]
    hints = _hints(kind)
    for name in sorted(hints.keys() ^ content.keys()):
        raise Flaw(f"{_within(where, name)} is {'missing' if name in hints else 'not known'}")
    values = {name: _read(hint, content[name], _within(where, name)) for name, hint in hints.items()}
    try:
        return kind(**values)
    except (ValueError, InputError) as error:
        raise Flaw(f"{where}: {error}" if where else str(error)) from None


def _without_others(kind: Any, content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name in _hints(kind)}


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The type of each field."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _check(fits: bool, value: Any, where: str, valid: str) -> Any:
    """Gives the value back if it fits."""
    if not fits:
        raise Flaw(f"{where or 'it'} is {value!r:.40}, not {valid}")
    return value


def _within(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
