"""Writing results to a file as they come, in constant memory; the file appears when it is whole."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from offramp.data.encoders import Chunk, RowEncoder, encoder
from offramp.data.formats import WRITABLE, Format, format_of, suffixes_in_words
from offramp.data.unfinished import Progress, check_new, unfinished
from offramp.errors import OptionError
from offramp.files import check_writable, is_there, link_target, storage_errors

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Writer:
    """Takes results chunk by chunk.

    Attributes:
        progress: what is written so far, also by the run that this one goes on from.
    """

    def __init__(self, encoder: RowEncoder, append: Callable[[bytes, Progress], None], progress: Progress) -> None:
        self.progress = progress
        self._encoder = encoder
        self._append = append
        if not progress.bytes:
            self._add(encoder.head(), 0, _NOTHING)

    def write(self, chunk: Chunk, counts: Mapping[str, int] = _NOTHING) -> None:
        """Appends rows.

        Args:
            chunk: the values of every column, all of the same length, in the order of rows. Thousands of rows at once
                keep compressed and parquet files small.
            counts: what is to be counted along, in these rows; it adds up in ``progress``.
        """
        lengths = {len(values) for values in chunk.values()}
        if len(lengths) != 1:
            raise ValueError(f"the columns of a chunk must have one length, not {sorted(lengths)}")
        if rows := lengths.pop():
            self._add(self._encoder.rows(chunk), rows, counts)

    def _add(self, raw: bytes, rows: int, counts: Mapping[str, int]) -> None:
        before = self.progress
        self.progress = Progress(before.rows + rows, before.bytes + len(raw), _sum(before.counts, counts))
        self._append(raw, self.progress)


def result_writer(
    target: str, columns: Sequence[str], *, settings: Mapping[str, Any] | None = None, resume: bool = False
) -> AbstractContextManager[Writer]:
    """Opens ``target`` for rows with the given columns.

    ``target`` ends in ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson``, each perhaps with ``.gz``, or in ``.parquet``, or
    is ``-`` for jsonl on standard output. A file gets its name only when the ``with`` block ends without an error;
    until then, and after an error, the name holds what it held before. Values may be numpy scalars or arrays. In csv
    None is an empty field, and lists are JSON; in JSON, NaN and infinities are null.

    With ``settings``, what was written before an error or a kill stays in ``TARGET.unfinished``, and ``resume`` goes on
    from there if the settings are the same: :attr:`Writer.progress` says how many rows are not to be written again.
    The same chunks make the same bytes, wherever the run was broken off.

    A reader that closes standard output early makes ``write`` raise the BrokenPipeError as it is: the caller ends.

    Raises:
        OptionError: no format belongs to ``target``, or it is a folder; at once. What is there belongs to other
            settings, or another process is writing it.
        StorageError: the target cannot be written or the disk is full.
        DataError: a column of a parquet file mixes types, or what is there is damaged.
    """
    if target == "-":
        return _standard_output(columns)
    return _file(link_target(Path(target)), _format(target), columns, settings, resume)


def check_target(target: str, *, resume: bool = False, option: str = "output") -> None:
    """Makes sure, before anything is computed, that results can be written to ``target``; leaves nothing behind.

    Args:
        resume: whether to go on with an unfinished run.
        option: what names the target, for messages.

    Raises:
        OptionError: no format belongs to it, it is a folder, or an unfinished run is there and not to be resumed.
        StorageError: the place cannot be written.
    """
    if target != "-":
        _format(target, option)
        check_writable(Path(target))
        if not resume:
            check_new(link_target(Path(target)))


def _format(target: str, option: str = "output") -> Format:
    path = Path(target)
    file_format = format_of(path, WRITABLE)
    if file_format is None:
        raise OptionError(
            f"the output {target} ends in none of {suffixes_in_words(WRITABLE)}; choose one of them, "
            f"or '-' for jsonl on standard output",
            option=option,
            path=target,
        )
    if is_there(path) and not path.is_file():
        raise OptionError(
            f"the output {target} is {'a folder' if path.is_dir() else 'no file'}; name a file",
            option=option,
            path=target,
        )
    return file_format


@contextmanager
def _file(
    path: Path, file_format: Format, columns: Sequence[str], settings: Mapping[str, Any] | None, resume: bool
) -> Iterator[Writer]:
    with unfinished(path, settings, resume=resume) as begun:
        encode = encoder(file_format, columns, begun.path if begun.progress.rows else None)
        yield Writer(encode, begun.append, begun.progress)
        encode.finish(begun.path, path)


@contextmanager
def _standard_output(columns: Sequence[str]) -> Iterator[Writer]:
    sys.stdout.flush()
    yield Writer(encoder(Format("jsonl", compressed=False), columns), lambda raw, progress: _print(raw), Progress())


def _print(raw: bytes) -> None:
    try:
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with storage_errors(Path("standard output")):
            raise error


def _sum(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(before) + Counter(now))
