"""Objects of JSON: one a line, or the elements of one list."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from offramp.data.records import Record, picked, require_columns
from offramp.errors import DataError

_CURE = "a file holds whole objects, one a line, or one list of them"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_VISIBLE = re.compile(r"[^ \t\r\n]")
# How far from the end of what is read a fault may be the end's: a literal or an escaped character that goes on.
_CUT = 16


def json_records(lines: Iterable[str], file: str, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the fields ``wanted`` of objects, one a line. The first must have them all; later ones may leave some out.

    Raises:
        DataError: a line is not valid JSON or not an object, or a field is missing in the first object.
    """
    return _records(_one_a_line(lines, file), file, wanted)


def json_list_records(pieces: Iterator[str], file: str, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the fields ``wanted`` of the objects in one list, which may be cut into ``pieces`` anywhere.

    Raises:
        As :func:`json_records`.
    """
    return _records(_elements(_ListReader(pieces, file)), file, wanted)


def _records(values: Iterator[tuple[int, object]], file: str, wanted: Sequence[str]) -> Iterator[Record]:
    seen = False
    for number, value in values:
        place = f"{file}, line {number}"
        if not isinstance(value, dict):
            raise DataError(
                f"{place} is a JSON {type(value).__name__} and not an object; {_CURE}", path=file, row=number
            )
        if not seen:
            require_columns(wanted, list(value), file, line=number)
            seen = True
        yield Record(picked(wanted, value), file, "line", number)


def _one_a_line(lines: Iterable[str], file: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise _not_json(file, number, error) from None
        yield number, _mended(value, line)


def _elements(reader: "_ListReader") -> Iterator[tuple[int, object]]:
    """The elements of a list, with the numbers of the lines that they begin in."""
    reader.skip("[")
    goes_on = reader.next() != "]" or reader.skip("]") == ","
    while goes_on:
        reader.next()
        line = reader.line
        yield line, reader.value()
        goes_on = reader.skip(",]") == ","
    reader.end()


class _ListReader:
    """Goes through a text and holds no more of it than the element that it is at."""

    def __init__(self, pieces: Iterator[str], file: str) -> None:
        self.line = 1
        self._file = file
        self._pieces = pieces
        self._held = ""
        self._place = 0

    def next(self) -> str:
        """Goes to the next visible character and gives it; nothing at the end."""
        while True:
            character = _VISIBLE.search(self._held, self._place)
            self._go(character.start() if character else len(self._held))
            if character or not self._read_on():
                return character[0] if character else ""

    def skip(self, valid: str) -> str:
        """Goes past the next visible character, one of ``valid``, and gives it."""
        character = self.next()
        if not character or character not in valid:
            raise _not_json(
                self._file, self.line, f"{' or '.join(valid)} must come, not {character or 'the end of the file'}"
            )
        self._go(self._place + 1)
        return character

    def end(self) -> None:
        """Makes sure that nothing comes any more."""
        if character := self.next():
            raise _not_json(self._file, self.line, f"{character!r} comes after the end of the list")

    def value(self) -> object:
        """Goes past the value here and gives it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._place)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos > len(self._held) - _CUT
                if not (cut and self._read_on()):
                    raise _not_json(self._file, self.line, error) from None
            except (ValueError, RecursionError) as error:
                raise _not_json(self._file, self.line, error) from None
            else:
                value = _mended(value, self._held[self._place : end])
                self._go(end)
                return value

    def _go(self, place: int) -> None:
        self.line += self._held.count("\n", self._place, place)
        self._place = place

    def _read_on(self) -> bool:
        """Reads on, as much as is held: what is read again and again adds up to twice its length."""
        held = [self._held[self._place :]]
        missing = max(1, len(held[0]))
        while missing > 0 and (piece := next(self._pieces, "")):
            held.append(piece)
            missing -= len(piece)
        self._held, self._place = "".join(held), 0
        return len(held) > 1


def _mended(value: object, written: str) -> object:
    """``value`` without half an escaped emoji, which no tokenizer and no UTF-8 file can take."""
    if "\\ud" not in written.lower():
        return value
    return json.loads(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))


def _not_json(file: str, line: int, error: object) -> DataError:
    return DataError(f"{file}, line {line} is not JSON ({error}); {_CURE}", path=file, row=line)


def _whole(digits: str) -> int | str:
    """A whole number; one with more digits than Python turns into a number stays as it is written."""
    return int(digits) if len(digits) < 4000 else digits


_DECODER = json.JSONDecoder(parse_int=_whole)
