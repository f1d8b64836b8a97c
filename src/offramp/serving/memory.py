"""Memory that was freed but stays with the process: the allocator keeps it between blocks that are still in use."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/statm")
# To look for free memory takes milliseconds, in which others wait for theirs: only where so much has come, as a share.
_GROWN = 1.1


def resident() -> int:
    """Bytes of the process that are in memory; 0 where the system does not tell."""
    try:
        return int(_STATUS.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _trim() -> Callable[[int], int] | None:
    """The C library's ``malloc_trim``, if it has one: glibc does, others need none or give memory back themselves."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim


class Memory:
    """Gives memory back to the system that batches of ever other sizes have left unused."""

    def __init__(self) -> None:
        self._trim = _trim()
        self._kept = 0

    def give_back(self) -> None:
        """Gives back what is free, if the process has grown since that was done last."""
        if self._trim is not None and resident() > _GROWN * self._kept:
            self._trim(0)
            self._kept = resident()
