"""Who may use the server: Bearer keys from a file."""

import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from pathlib import Path

from offramp.errors import OptionError

logger = logging.getLogger("offramp.serving")

# The file is looked at no more often than this, in seconds.
_LOOK = 1.0


class Keys:
    """Keys of a file, one a line; empty lines and lines that begin with ``#`` are none.

    A key may have any characters: clients send those beyond ASCII as UTF-8 or as Latin-1, and both are taken.

    The file is read again when it changes. If it cannot be read then, or holds no key, the keys stay as they were.

    Raises:
        OptionError: the file cannot be read or holds no key.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = clock()
        self._stamp = _stamp(path)
        self._digests = _read(path)

    def allow(self, authorization: str | None) -> bool:
        """Tells whether a request's ``Authorization`` header, its bytes read as Latin-1, holds one of the keys."""
        if self._clock() - self._looked >= _LOOK:
            self._looked = self._clock()
            if _stamp(self._path) != self._stamp:
                self.reload()
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip(" \t")
        given = [_digest(key.encode("latin-1", "replace")), _digest(key.encode("utf-8", "replace"))]
        # Digests have one length, and all are compared: the time tells nothing of the keys.
        known = False
        for digest in self._digests:
            for offered in given:
                known |= hmac.compare_digest(offered, digest)
        return known and scheme.lower() == "bearer"

    def reload(self) -> None:
        """Reads the file again."""
        self._stamp = _stamp(self._path)
        try:
            self._digests = _read(self._path)
        except OptionError as error:
            logger.error("the API keys stay as they were: %s", error)
        else:
            logger.info("%d API keys read from %s", len(self._digests), self._path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise OptionError(f"cannot read the API keys in {path}: {reason}; name a text file, one key a line") from None
    digests = tuple(_digest(line.encode()) for line in lines if line and not line.startswith("#"))
    if not digests:
        raise OptionError(f"{path} holds no API key; write one a line, such as the output of  openssl rand -hex 32")
    return digests


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
