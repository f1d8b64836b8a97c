"""Rows that all rivals see: the same ones in every run."""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from offramp.data import Columns, read_labeled
from offramp.demonstration import r8_rows


@dataclass(frozen=True, slots=True)
class Rows:
    """Texts and their labels."""

    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def drawn(self, most: int | None) -> "Rows":
        """At most so many of them, in their order; a smaller number gives some of a larger one's."""
        if most is None or len(self) <= most:
            return self
        return self._at(np.sort(np.random.default_rng(0).permutation(len(self))[:most]).tolist())

    def few(self, per_label: int) -> "Rows":
        """At most so many of each label."""
        places: dict[str, list[int]] = defaultdict(list)
        for place in np.random.default_rng(0).permutation(len(self)).tolist():
            places[self.labels[place]].append(place)
        return self._at(sorted(place for found in places.values() for place in found[:per_label]))

    def _at(self, places: list[int]) -> "Rows":
        return Rows([self.texts[place] for place in places], [self.labels[place] for place in places])


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set, and how much of it is used.

    Attributes:
        title: as people write it.
        train_rows, test_rows: rows drawn if there are more; None for all.
        slow_train_rows, slow_test_rows: the same, for rivals in which an encoder reads every text.
    """

    name: str
    title: str
    train_rows: int | None = None
    test_rows: int | None = None
    slow_train_rows: int | None = 1_000
    slow_test_rows: int | None = 400

    def whole(self) -> "DataSet":
        """The same, with as many rows for slow rivals as for the others."""
        return replace(self, slow_train_rows=None, slow_test_rows=None)


DATA_SETS = (
    DataSet("r8", "Reuters R8"),
    DataSet("ag_news", "AG News"),
    DataSet("sst2", "SST-2", slow_train_rows=3_000),
    DataSet("clinc150", "CLINC150", slow_train_rows=6_000),
    DataSet("imdb", "IMDB", train_rows=5_000, test_rows=5_000, slow_train_rows=500, slow_test_rows=300),
)


def read(data: DataSet, source: Path) -> tuple[Rows, Rows]:
    """The rows to fit and those to test with; R8 comes from its package, the others from ``source``/NAME.

    Raises:
        DataError: they are not there.
    """
    train, test = _part(data.name, source, "train"), _part(data.name, source, "test")
    return train.drawn(data.train_rows), test.drawn(data.test_rows)


def _part(name: str, source: Path, part: str) -> Rows:
    if name == "r8":
        rows = r8_rows(part)
        return Rows([text for _, text in rows], [label for label, _ in rows])
    found = read_labeled(str(source / name / f"{part}.jsonl.gz"), Columns())
    return Rows(list(found.texts), [str(label) for label in found.labels])
