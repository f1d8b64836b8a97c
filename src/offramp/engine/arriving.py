"""Rows of a stream as they arrive: whoever waits for the answers does not wait for the end."""

import threading
import time
from collections.abc import Iterator
from queue import Empty, Queue
from typing import TypeVar

_Item = TypeVar("_Item")

# Rows are passed on when so many seconds are over since the first of them, or when nothing has come for this long.
LONGEST = 1.0
IDLE = 0.25


def arriving(items: Iterator[_Item], most: int) -> Iterator[list[_Item]]:
    """Gives the same items in the same order, in lists: as many as there are, and at most ``most``.

    A thread waits for them; it ends with the process if nothing comes any more. What making an item raises is raised
    where that item would have come.
    """
    queue: Queue[_Item | _End] = Queue(maxsize=most)
    threading.Thread(target=_pass_on, args=(items, queue), name="arriving", daemon=True).start()
    while True:
        gathered, end = _gather(queue, most)
        if gathered:
            yield gathered
        if end is not None:
            if end.error is not None:
                raise end.error
            return


class _End:
    """What comes after the last item, and the error that ended it, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _pass_on(items: Iterator[_Item], queue: "Queue[_Item | _End]") -> None:
    error: BaseException | None = None
    try:
        for item in items:
            queue.put(item)
    except BaseException as raised:
        error = raised
    queue.put(_End(error))


def _gather(queue: "Queue[_Item | _End]", most: int) -> tuple[list[_Item], _End | None]:
    """Waits for an item, and for those that follow soon."""
    items: list[_Item] = []
    item = queue.get()
    until = time.monotonic() + LONGEST
    while not isinstance(item, _End):
        items.append(item)
        left = until - time.monotonic()
        if len(items) == most or left <= 0:
            return items, None
        try:
            item = queue.get(timeout=min(left, IDLE))
        except Empty:
            return items, None
    return items, item
