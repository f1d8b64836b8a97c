"""What a file holds, told by its first bytes, and text of any encoding line by line."""

import codecs
import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from offramp.data.sources import reading_errors
from offramp.errors import DataError

_GZIP = b"\x1f\x8b"
# A name says less than the first bytes; these are of files that cannot be read, whatever they are called.
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save the sheet as csv, or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as csv",
    b"BZh91AY": "compressed with bzip2; unpack it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz; unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard; unpack it, or compress it with gzip",
    b"SQLite format 3": "an SQLite database; write the table to a csv file",
    b"%PDF": "a PDF document; give a file of rows",
    b"<!DOCTYPE": "a web page; look whether it is the message of a failed download",
    b"<html": "a web page; look whether it is the message of a failed download",
    b"version https://git-lfs": "the pointer of a file in Git LFS; fetch that with  git lfs pull",
}
# Longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}


@dataclass(frozen=True, slots=True)
class Text:
    """An open text, at its beginning.

    Attributes:
        stream: its bytes.
        encoding: of the bytes; UTF-8 where nothing else shows.
        beginning: the first characters, as far as they are there already.
        name: for error messages.
    """

    stream: io.BufferedReader
    encoding: str
    beginning: str
    name: str

    def lines(self) -> Iterator[str]:
        """The lines, with their ends.

        Raises:
            DataError: bytes are not of the encoding.
        """
        if not self.encoding.startswith("utf-8"):
            yield from _lines(self.pieces())
            return
        # Line by line, so that an error can name the line; UTF-8 never has a line feed's byte inside a character.
        for number, line in enumerate(self.stream, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self.name}, line {number}: byte {error.start + 1} (0x{line[error.start]:02x}) is not UTF-8; "
                    f"convert the file, for example with  iconv -f LATIN1 -t UTF-8",
                    path=self.name,
                    row=number,
                ) from None

    def pieces(self) -> Iterator[str]:
        """Pieces of the text, which may end anywhere.

        Raises:
            DataError: bytes are not of the encoding.
        """
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        try:
            yield from codecs.iterdecode(iter(partial(self.stream.read1, 2**16), b""), encoding)
        except UnicodeError as error:
            raise DataError(
                f"{self.name} is not whole {encoding.upper()} text ({error}); convert the file", path=self.name
            ) from None


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (f"{line}\n" for line in lines)
    if rest:
        yield rest


def first_bytes(path: Path) -> bytes:
    """What a file begins with; nothing if it is no ordinary file, whose beginning could not be read again."""
    with reading_errors(str(path)):
        if not path.is_file():
            return b""
        with path.open("rb") as stream:
            return stream.read(64)


@contextmanager
def opened_text(path: Path | None) -> Iterator[Text]:
    """Opens a file for reading, or standard input if ``path`` is None, and unpacks what gzip has packed.

    Raises:
        DataError: it holds something other than text, or is damaged.
        StorageError: it cannot be read.
    """
    name = "standard input" if path is None else str(path)
    with reading_errors(name), _standard_input() if path is None else path.open("rb") as raw:
        try:
            stream = _peekable(raw)
            if stream.peek(2).startswith(_GZIP) or name.lower().endswith(".gz"):
                stream = gzip.GzipFile(fileobj=stream)  # type: ignore[assignment]
            yield _text(stream, name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{name} is not a whole gzip file ({error}); fetch or compress it again", path=name
            ) from None


def _standard_input() -> AbstractContextManager[BinaryIO]:
    """Standard input under a descriptor of its own: Python cannot end while a thread waits for the usual one."""
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except (AttributeError, OSError):  # there is none, or something in memory in its place
        return nullcontext(sys.stdin.buffer)


def _peekable(stream: BinaryIO) -> io.BufferedReader:
    return stream if hasattr(stream, "peek") else io.BufferedReader(stream)  # type: ignore[return-value, arg-type]


def _text(stream: io.BufferedReader, name: str) -> Text:
    head = stream.peek(64)
    for start, what in _FOREIGN.items():
        if head.startswith(start):
            raise DataError(f"{name} is {what}", path=name)
    encoding = _encoding(head)
    return Text(stream, encoding, head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n"), name)


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    # Without a mark: every other byte of Latin letters is zero.
    if len(head) > 1 and 0 in head[:2] and any(head[:2]):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8"
