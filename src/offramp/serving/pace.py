"""How fast the server answers, to tell how long a new request would wait."""

from dataclasses import dataclass

# Each step counts a little less than the one after it.
_FORGET = 0.99
# Before anything was answered.
_SECONDS, _ROWS, _TOKENS = 1e-3, 1.0, 30.0


@dataclass(slots=True)
class Pace:
    """Seconds computed and rows answered, forgetting exponentially.

    Attributes:
        workers: threads that compute at once.
    """

    workers: int
    _seconds: float = _SECONDS
    _rows: float = _ROWS
    _tokens: float = _TOKENS

    @property
    def tokens_a_row(self) -> float:
        """Mean tokens of a row."""
        return self._tokens / self._rows

    def add(self, seconds: float, rows: int, tokens: int) -> None:
        """Takes a step: how long it took, and the rows that were answered behind it, with their tokens."""
        self._seconds = _FORGET * self._seconds + seconds
        self._rows = _FORGET * self._rows + rows
        self._tokens = _FORGET * self._tokens + tokens

    def seconds(self, rows: int) -> float:
        """How long so many rows take."""
        return rows * self._seconds / max(self._rows, 1e-9) / self.workers
