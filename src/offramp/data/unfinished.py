"""Files on their way to a name: what is written so far, and a note of how far that is, to go on from after a kill."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from offramp.errors import DataError, OptionError
from offramp.files import locked, storage_errors, write_json
from offramp.records import from_json, to_json

PROGRESS = "progress.json"
ROWS = "rows"

_HINT = "rows are done: with `resume` the same command on the same input goes on from there"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file has come.

    Attributes:
        rows: rows written.
        bytes: what they take, with all that comes before them.
        counts: what the writer counted in these rows.
    """

    rows: int = 0
    bytes: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Note:
    """How far a file has come, and under which settings it may go on."""

    settings: Mapping[str, Any]
    progress: Progress


class Unfinished:
    """The beginning of a file, which grows by whole pieces.

    Attributes:
        path: where the pieces lie; what is made of them may be put beside them.
        progress: what is kept for certain. It says nothing where there are no settings to resume under.
    """

    def __init__(self, path: Path, stream: BinaryIO, settings: Mapping[str, Any] | None, progress: Progress) -> None:
        self.path = path
        self.progress = progress
        self._stream = stream
        self._settings = settings

    def append(self, raw: bytes, progress: Progress) -> None:
        """Adds a piece; ``progress`` tells how far the file is with it."""
        self._stream.write(raw)
        self._stream.flush()
        if self._settings is not None and progress.rows:
            # In this order: the note must never speak of bytes that a crash can take away.
            os.fsync(self._stream.fileno())
            write_json(self.path.with_name(PROGRESS), to_json(_Note(self._settings, progress)))
            self.progress = progress


@contextmanager
def unfinished(path: Path, settings: Mapping[str, Any] | None, *, resume: bool) -> Iterator[Unfinished]:
    """Gives the beginning of the file ``path``, in the folder ``PATH.unfinished``; the caller moves the whole file out.

    On success the folder disappears. After an error or a kill it stays if rows are kept in it that a run with
    ``resume`` can go on from; an error then has a note that says so.

    Args:
        path: the file to be.
        settings: what has to be the same for the rows written to be of use, as JSON holds it; None if no run can go on
            from them.
        resume: go on from what is there.

    Raises:
        OptionError: rows are there without ``resume``, or belong to other settings, or another process is writing them.
        DataError: what is there is damaged.
        StorageError: the disk is full or the place cannot be written.
    """
    folder = _folder(path)
    with storage_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        if not resume:
            check_new(path)
        progress = _kept(folder, settings or {}) if resume else Progress()
        with storage_errors(path):
            stream = _cut(folder, progress.bytes)
        begun = Unfinished(folder / ROWS, stream, settings, progress)
        try:
            with storage_errors(path), stream:
                yield begun
        except BaseException as error:
            if not begun.progress.rows:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _add_hint(error, begun.progress.rows)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _add_hint(error: BaseException, rows: int) -> None:
    """Tells once how to go on, also where several files were being written."""
    if not any(note.endswith(_HINT) for note in getattr(error, "__notes__", ())):
        error.add_note(f"{rows} {_HINT}")


def check_new(path: Path) -> None:
    """Makes sure that nothing is there that a run could go on from.

    Raises:
        OptionError: an unfinished run is there.
    """
    folder = _folder(path)
    if (folder / PROGRESS).is_file():
        raise OptionError(
            f"{folder} holds an unfinished run; add `resume` to go on with it, or delete that folder to start anew",
            option="resume",
            path=folder,
        )


def _folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _kept(folder: Path, settings: Mapping[str, Any]) -> Progress:
    """How far the file is that was begun in ``folder``."""
    note, rows = folder / PROGRESS, folder / ROWS
    if not note.is_file():
        return Progress()
    try:
        noted = from_json(_Note, json.loads(note.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataError(f"{note} is damaged ({error}); delete {folder} to start anew", path=note) from None
    changed = [name for name in settings if noted.settings.get(name) != settings[name]]
    if changed:
        raise OptionError(
            f"{folder} holds a run with another {', '.join(changed)}; "
            "resume with the same options and input, or delete that folder to start anew",
            path=folder,
        )
    size = rows.stat().st_size if rows.is_file() else 0
    if size < noted.progress.bytes:
        raise DataError(
            f"{rows} is damaged: it holds {size} bytes, but {noted.progress.bytes} were written; "
            f"delete {folder} to start anew",
            path=rows,
        )
    return noted.progress


def _cut(folder: Path, size: int) -> BinaryIO:
    """Opens the rows after the first ``size`` bytes; what a crash left after these is dropped."""
    if not size:
        (folder / PROGRESS).unlink(missing_ok=True)
    stream = (folder / ROWS).open("ab")
    stream.truncate(size)
    return stream
