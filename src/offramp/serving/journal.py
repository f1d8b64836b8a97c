"""Log lines for refused requests: one each, unless there are so many that they would drown the log."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from starlette.types import Scope

from offramp.serving.refusals import Refusal

logger = logging.getLogger("offramp.serving")

# Lines a second; further requests are counted, and the counts share a line.
_LINES = 10
_SECOND = 1.0
# Of what a client sent, such as a path.
_CHARACTERS = 200


class Journal:
    """Logs refused requests; for the event loop's thread.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since = clock()
        self._lines = 0
        self._unwritten: Counter[int] = Counter()

    def refused(self, scope: Scope, refusal: Refusal) -> None:
        """Logs who asked for what, and why there was no result; or only counts it, in a flood."""
        now = self._clock()
        if now - self._since >= _SECOND:
            self._since, self._lines = now, 0
        if self._lines < _LINES:
            self._lines += 1
            client = scope.get("client")
            logger.info(
                "refused %s from %s: %d %s, %s",
                request_in_words(scope),
                client[0] if client else "somewhere",
                refusal.status,
                refusal.kind,
                _printable(refusal.message),
            )
            return
        if not self._unwritten:
            asyncio.get_running_loop().call_later(_SECOND, self._sum_up)
        self._unwritten[refusal.status] += 1

    def _sum_up(self) -> None:
        counts = ", ".join(f"{count} with {status}" for status, count in sorted(self._unwritten.items()))
        logger.info("refused more requests within a second than are worth a line each: %s", counts)
        self._unwritten.clear()


def request_in_words(scope: Scope) -> str:
    """Method and path of a request, on one line whatever the client put there."""
    return _printable(f"{scope['method']} {scope['path']}")


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text[:_CHARACTERS])
