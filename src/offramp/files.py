"""Writing so that a name holds either the old content or the whole new one, never a part."""

import errno
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offramp.errors import ModelFolderError, StorageError


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's errors about ``path`` into a :class:`StorageError` with a cure."""
    try:
        yield
    except OSError as error:
        cure = {
            errno.ENOSPC: "free some space and run the command again",
            errno.EDQUOT: "free some space and run the command again",
            errno.EACCES: "choose a path that you may write to",
            errno.EPERM: "choose a path that you may write to",
            errno.EROFS: "choose a path on a writable disk",
        }.get(error.errno or 0, "check the path")
        raise StorageError(f"cannot write {path}: {error.strerror or error}; {cure}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path``; on success it becomes ``path``, on any error it is removed.

    The caller creates a file or a folder at the path given. A folder replaces an existing folder as a whole.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        with storage_errors(path):
            new = holder / path.name
            yield new
            if path.is_dir():
                path.replace(holder / "replaced")
            new.replace(path)
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Writes ``value`` as indented JSON, atomically. NaN and infinities are refused: no reader agrees on them."""
    with replacing(path) as new:
        new.write_text(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads a JSON file of a model folder.

    Raises:
        ModelFolderError: the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(
            f"{path.parent} has no {path.name}: it is not a whole offramp model; train it again"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} is damaged ({error}); restore it or train the model again") from None
