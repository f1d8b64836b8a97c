"""Texts without labels, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from offramp.data.columns import Columns
from offramp.data.labeled import LabeledTexts, fingerprint, read_labeled, split_off_dev
from offramp.data.memory import Data, check_unnamed, name_of
from offramp.data.reading import read_rows, second_texts
from offramp.data.records import MissingColumn
from offramp.data.sources import source_identity
from offramp.errors import DataError, check_type


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts, perhaps with second texts, one entry a row. ``blank`` counts the rows without a text."""

    texts: list[str]
    text_pairs: list[str] | None
    blank: int
    source: str

    @classmethod
    def of(cls, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> "Texts":
        """Makes them of lists, arrays or columns of one length; ``text_pairs`` are the second texts of pairs.

        Raises:
            DataError: the lengths differ, a text is missing or something else, or there are none.

        Example:
            >>> offramp.Texts.of(["a joy", ""])
            Texts(texts=['a joy', ''], text_pairs=None, blank=1, source='data in memory')
        """
        if text_pairs is None:
            return read_texts({"text": texts}, Columns())
        return read_texts({"text": texts, "text_pair": text_pairs}, Columns(text_pair="text_pair"))

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def fingerprint(self) -> str:
        """See :func:`offramp.data.fingerprint`."""
        return fingerprint(self.texts, self.text_pairs)

    def subset(self, indices: NDArray[np.int64]) -> "Texts":
        """The rows at ``indices``, in that order."""
        places = indices.tolist()
        texts = [self.texts[place] for place in places]
        pairs = None if self.text_pairs is None else [self.text_pairs[place] for place in places]
        return Texts(texts, pairs, texts.count(""), self.source)


AnyTexts = TypeVar("AnyTexts", bound=LabeledTexts | Texts)
"""Rows of one kind: all with labels, or all without."""


def read_texts(data: Data, columns: Columns) -> Texts:
    """Reads all rows of ``data`` without looking for labels; for what that may be see :func:`read_rows`.

    Raises:
        As :func:`read_rows`.
    """
    if isinstance(data, Texts | LabeledTexts):
        check_unnamed(columns)
        return Texts(data.texts, data.text_pairs, data.blank, data.source)
    rows = list(read_rows(data, columns, labeled=False))
    return Texts(
        texts=[row.text for row in rows],
        text_pairs=second_texts(rows),
        blank=sum(row.blank for row in rows),
        source=name_of(data),
    )


def read_any(data: Data, columns: Columns) -> LabeledTexts | Texts:
    """Reads all rows of ``data``, with their labels if it has a column ``label`` that is not the one of the texts.

    A label column of another name must be there: it was asked for. So must that of a stream, which is read only once.

    Raises:
        As :func:`read_labeled`.
    """
    check_type("columns", columns, Columns)
    usual = columns.label == Columns().label
    taken = (None, columns.text, columns.text_pair) if usual else (None,)
    if isinstance(data, Texts) or columns.label in taken:
        return read_texts(data, columns)
    try:
        return read_labeled(data, columns)
    except MissingColumn as missing:
        if missing.value != columns.label or not usual or _is_stream(data):
            raise
    return read_texts(data, columns)


def _is_stream(data: Data) -> bool:
    return isinstance(data, str | Path) and source_identity(str(data)) is None


def split_off(rows: AnyTexts, fraction: float, seed: int, judging: AnyTexts | None = None) -> tuple[AnyTexts, AnyTexts]:
    """Moves a random ``fraction`` of rows, with labels or without, into a dev part.

    See :func:`offramp.data.split_off_dev` and :func:`split_off_texts`.
    """
    if isinstance(rows, Texts):
        return cast("tuple[AnyTexts, AnyTexts]", split_off_texts(rows, fraction, seed))
    split = split_off_dev(cast("LabeledTexts", rows), fraction, seed, cast("LabeledTexts | None", judging))
    return cast("tuple[AnyTexts, AnyTexts]", (split.train, split.dev))


def split_off_texts(rows: Texts, fraction: float, seed: int) -> tuple[Texts, Texts]:
    """Moves a random ``fraction`` of the rows, at least one, into a dev part: the same rows for the same ``seed``.

    Returns:
        What is left, and the dev part; both in their old order.

    Raises:
        DataError: there are fewer than two rows.
    """
    if len(rows) < 2:
        raise DataError(
            f"{rows.source} has {len(rows)} rows, too few to split off a dev part; give one of its own",
            path=rows.source,
        )
    count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.subset(np.sort(order[count:])), rows.subset(np.sort(order[:count]))
