"""Making the next thing while this one is worked on."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Gives the same items in the same order; each is made in a thread while the caller works on the one before.

    Reading and tokenizing leave the interpreter to others most of the time, and so do the runtimes: the two go on side
    by side. What making an item raises is raised where that item would have come.
    """
    end = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
