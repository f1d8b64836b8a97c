"""Rows that are handed over, written to a file of their own: as they came, with the best guess."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offramp.data import Row, Writer, check_apart, check_target, result_writer
from offramp.engine.predictions import Predictions
from offramp.errors import OptionError

_ADDED = ("best_guess", "confidence")


class HandedOver:
    """Writes the rows that a person or another model is to answer.

    It keeps its own progress, which may be ahead of that of the output by what was written last before a kill: what it
    has is not written again.

    Args:
        writer: of the file.
        columns: of the input.
    """

    def __init__(self, writer: Writer, columns: Sequence[str]) -> None:
        self._writer = writer
        self._columns = columns

    @classmethod
    @contextmanager
    def open(
        cls, target: str, first: Row, settings: Mapping[str, Any] | None, *, resume: bool
    ) -> Iterator["HandedOver"]:
        """Opens the file as :func:`offramp.data.result_writer` does; all rows keep themselves as the last of what they
        keep, the ``first`` of them, too.

        Raises:
            OptionError: the input has a column of the name of one that is added.
        """
        columns = list(_whole(first))
        if taken := [name for name in _ADDED if name in columns]:
            raise OptionError(
                f"the input has a column {taken[0]!r}, which rows that are handed over are given; rename it there",
                option="handed_over",
                value=taken[0],
            )
        with result_writer(target, [*columns, *_ADDED], settings=settings, resume=resume) as writer:
            yield cls(writer, columns)

    def write(self, rows: Sequence[Row], predictions: Predictions, start: int) -> None:
        """Takes rows with their predictions; ``start`` is how many rows of the input come before them."""
        done = self._writer.progress.counts.get("read", 0)
        places = predictions.handed_over.nonzero()[0].tolist()
        if not places or start + len(rows) <= done:
            return
        columns = predictions.columns()
        chunk = {name: [_whole(rows[place]).get(name) for place in places] for name in self._columns}
        chunk["best_guess"] = [columns["best_guess"][place] for place in places]
        chunk["confidence"] = predictions.confidence[places].round(6).tolist()
        self._writer.write(chunk, {"read": start + len(rows) - done})


def check_beside(handed_over: str, target: str, source: str, *, resume: bool) -> None:
    """Makes sure that rows that are handed over can be written, apart from the input and the output.

    Raises:
        OptionError, StorageError: as :func:`offramp.predict`.
    """
    if handed_over == target or Path(handed_over).resolve() == Path(target).resolve():
        raise OptionError(
            f"the file of rows that are handed over, {handed_over}, is the output; choose another name for one of them",
            option="handed_over",
            path=handed_over,
        )
    check_apart(handed_over, source, "handed_over")
    check_target(handed_over, resume=resume, option="handed_over")


def _whole(row: Row) -> Mapping[str, object]:
    """The row by column, as it came."""
    whole = row.kept[-1]
    assert isinstance(whole, Mapping)
    return whole
