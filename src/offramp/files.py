"""Writing files atomically: a path holds either the old content or all of the new, never a part."""

import errno
import glob
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from offramp.errors import ModelFolderError, OptionError, StorageError

# The messages of safetensors and PyTorch for a failed write; they do not raise the operating system's errors.
_SAFETENSORS = re.compile(r"\(os error (\d+)\)")
_PYTORCH = re.compile(r"inline_container|iostream error")

# Ends the name of a folder in which something is made that is to take its place when it is whole.
_PARTIAL = ".partial"

RESTORE = "restore it or train the model again"


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns errors of writing to ``path``, except those of connections, into a :class:`StorageError` with a cure."""
    try:
        yield
    except Exception as error:
        number = _system_error(error)
        if number is None:
            raise
        cause = error.strerror or error if isinstance(error, OSError) else os.strerror(number)
        cure = {
            errno.ENOSPC: "free some space and run the command again",
            errno.EDQUOT: "free some space and run the command again",
            errno.EACCES: "choose a path that you may write to",
            errno.EPERM: "choose a path that you may write to",
            errno.EROFS: "choose a path on a writable disk",
            errno.EIO: "check that the disk is sound and has space, and run the command again",
        }.get(number, "check the path")
        raise StorageError(f"cannot write {path}: {cause}; {cure}", path=path) from error


def link_target(path: Path) -> Path:
    """The path to write to: the target of ``path`` if it is a link, even if it does not exist, else ``path`` itself.

    Raises:
        StorageError: the links form a circle.
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise StorageError(f"cannot write {path}: it is a link that leads back to itself; delete it", path=path)
    return target


def check_writable(path: Path) -> None:
    """Makes sure, before hours of work, that a file can be written at ``path``. Leaves nothing behind.

    Raises:
        OptionError: there is something other than a file.
        StorageError: the path cannot be written.
    """
    with storage_errors(path):
        target = link_target(path)
        if target.exists() and not target.is_file():
            raise OptionError(f"{path} is not a file; name one that can be replaced, or a new one", path=path)
        _probe_around(target)


def check_replaceable(folder: Path) -> None:
    """Makes sure, before hours of work, that ``folder`` can be written or replaced.

    Raises:
        OptionError: it is a mount point, which cannot be moved away.
        StorageError: it, or its parent, cannot be written.
    """
    with storage_errors(folder):
        target = link_target(folder)
        if target.is_mount():
            raise OptionError(f"{folder} is a mount point, which cannot be replaced; give a folder in it", path=folder)
        if target.is_dir():
            # Moving a folder away changes its own entry for its parent.
            check_folder_writable(folder)
        _probe_around(target)


def check_folder_writable(folder: Path) -> None:
    """Makes sure, before hours of work, that files can be written in an existing folder. Leaves nothing behind.

    Raises:
        StorageError: they cannot.
    """
    with storage_errors(folder):
        tempfile.TemporaryFile(dir=folder).close()


def _probe_around(target: Path) -> None:
    existing = next(folder for folder in target.absolute().parents if folder.exists())
    tempfile.TemporaryFile(dir=existing).close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock on the file ``path`` against other processes; it ends with the process, even if that is killed.

    Raises:
        OptionError: another process has it.
        StorageError: the file cannot be created.
    """
    with storage_errors(path), path.open("ab") as stream:
        if _lock(stream) is False:
            raise OptionError(
                f"{path.parent} is in use by another run of the same command; wait for it, or choose another output",
                path=path.parent,
            )
        yield


def _lock(stream: BinaryIO) -> bool | None:
    """Locks an open file; False if another process has it, None where there are no locks, as on some network disks."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; on success it becomes ``path``, on any error it is removed.

    The caller creates a file or a folder at the temporary path. A folder replaces an existing folder as a whole; if
    ``path`` is a link, its target is replaced and the link stays. Missing parents are created, and removed again on an
    error. All files get the usual permissions of new files, even if a library restricted them to its user.

    What a process left beside ``path`` that was killed meanwhile is removed before.

    Raises:
        StorageError: the disk is full or the path cannot be written.
    """
    target = link_target(path)
    with storage_errors(path):
        missing = [folder for folder in target.absolute().parents if not folder.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(path.name, target)
        holder, lock = _holder(path.name, target.parent)
    try:
        with storage_errors(path), lock:
            new = holder / path.name  # libraries read the format from the end of the name
            yield new
            _open_as_usual(new, holder / f"{path.name}.probe")
            if target.is_dir() and new.is_dir():
                target.replace(holder / "replaced")
            elif target.exists() and not target.is_file():
                raise StorageError(f"cannot write {path}: it exists and is not a file; choose another name", path=path)
            new.replace(target)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
        with suppress(OSError):  # raised if there is something in it, as on success
            for folder in missing:
                folder.rmdir()


def _holder(name: str, parent: Path) -> tuple[Path, BinaryIO]:
    """Makes a folder to make something in, and a file in it that is locked as long as it is open."""
    while True:
        holder = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=_PARTIAL, dir=parent))
        lock = _lock_file(holder, name).open("ab")
        if _lock(lock) is not False and holder.exists():
            return holder, lock
        lock.close()  # before it was locked, somebody took it for abandoned


def _lock_file(holder: Path, name: str) -> Path:
    return holder / f"{name}.lock"


def _clear_abandoned(name: str, target: Path) -> None:
    """Removes what processes left that were killed while they replaced ``target``: nobody holds its lock any more.

    Where the old was moved away and the new had not come yet, the new is whole, and takes its place.
    """
    for holder in target.parent.glob(f".{glob.escape(name)}.*{_PARTIAL}"):
        with suppress(OSError), _lock_file(holder, name).open("rb") as lock:
            if not _lock(lock):
                continue
            if (holder / "replaced").exists() and not target.exists():
                (holder / name).replace(target)
            shutil.rmtree(holder, ignore_errors=True)


def _open_as_usual(new: Path, probe: Path) -> None:
    """Gives a file, or all files in a folder, the permissions of ``probe``, a new file created for that."""
    probe.touch()
    usual = stat.S_IMODE(probe.stat().st_mode)
    for path in (new, *new.rglob("*")):
        if path.is_file():
            path.chmod(usual)


def is_there(path: Path) -> bool:
    """Whether a path exists, following links.

    Without permission, ``Path.exists`` raises or returns False, depending on the version of Python.

    Raises:
        StorageError: a folder on the way may not be entered.
    """
    try:
        path.stat()
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError):
        return False
    return True


def check_folder_readable(folder: Path) -> None:
    """Makes sure that a folder may be read; libraries would report its files as missing.

    Raises:
        StorageError: it may not.
    """
    try:
        os.scandir(folder).close()
        os.stat(f"{folder}/.")  # noqa: PTH116  (Path drops the dot, which tests for more than the names)
    except OSError as error:
        raise unreadable(folder, error) from error


def check_readable(path: Path) -> None:
    """Makes sure that a file may be read; libraries would report it as damaged.

    Raises:
        StorageError: it may not.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> StorageError:
    """The error to raise if the operating system does not let a file or folder be read."""
    return StorageError(f"cannot read {path}: {error.strerror or error}; check its permissions", path=path)


def _system_error(error: Exception) -> int | None:
    """The operating system's error number behind ``error``, or None if it has nothing to do with files."""
    if isinstance(error, OSError):
        return None if isinstance(error, ConnectionError | TimeoutError) else error.errno
    if match := _SAFETENSORS.search(str(error)):
        return int(match[1])
    return errno.EIO if _PYTORCH.search(str(error)) else None


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically, even if the power fails.

    NaN and infinities are refused: no reader agrees on them.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    with replacing(path) as new, new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def read_json(path: Path, cure: str = RESTORE) -> dict[str, Any]:
    """Reads a JSON object from a file of a model folder; ``cure`` says what to do about a damaged one.

    Raises:
        ModelFolderError: the file is missing, or does not hold a JSON object.
        StorageError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(
            f"{path.parent} has no {path.name}: it is not a complete offramp model; train it again", path=path
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} is damaged ({error}); {cure}", path=path) from None
    except OSError as error:
        raise unreadable(path, error) from error
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ModelFolderError(f"{path} is damaged (it holds {kind}, not an object); {cure}", path=path)
    return content
