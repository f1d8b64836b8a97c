"""Texts without labels, in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.data.columns import Columns
from offramp.data.labelled import LabelledTexts, fingerprint, read_labelled
from offramp.data.reading import read_rows
from offramp.data.records import MissingColumn
from offramp.data.sources import source_identity
from offramp.errors import DataError


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts, perhaps with second texts, one entry a row. ``blank`` counts the rows without a text."""

    texts: list[str]
    text_pairs: list[str] | None
    blank: int
    source: str

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


def read_texts(source: str, columns: Columns) -> Texts:
    """Reads all rows of ``source`` without looking for labels; for what ``source`` may be see :func:`read_rows`.

    Raises:
        As :func:`read_rows`.
    """
    rows = list(read_rows(source, columns, labelled=False))
    return Texts(
        texts=[row.text for row in rows],
        text_pairs=None if columns.text_pair is None else [row.text_pair or "" for row in rows],
        blank=sum(row.blank for row in rows),
        source=source,
    )


def read_any(source: str, columns: Columns) -> LabelledTexts | Texts:
    """Reads all rows of ``source``, with their labels if it has a column ``label`` that is not the one of the texts.

    A label column of another name must be there: it was asked for. So must that of a stream, which is read only once.

    Raises:
        As :func:`read_labelled`.
    """
    if columns.label == Columns().label and columns.label in (columns.text, columns.text_pair):
        return read_texts(source, columns)
    try:
        return read_labelled(source, columns)
    except MissingColumn as missing:
        if missing.column != columns.label or columns.label != Columns().label or source_identity(source) is None:
            raise
    return read_texts(source, columns)


def split_off_texts(rows: Texts, fraction: float, seed: int) -> tuple[Texts, Texts]:
    """Moves a random ``fraction`` of the rows, at least one, into a dev part: the same rows for the same ``seed``.

    Returns:
        What is left, and the dev part; both in their old order.

    Raises:
        DataError: there are fewer than two rows.
    """
    if len(rows) < 2:
        raise DataError(f"{rows.source} has {len(rows)} rows, too few to split off a dev part; give one of its own")
    count = min(max(1, round(fraction * len(rows))), len(rows) - 1)
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.subset(np.sort(order[count:])), rows.subset(np.sort(order[:count]))
