"""What calibration texts looked like at an operating point: small, without any text, kept in the model folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offramp.backends import Engine
from offramp.drift.observing import BY_EXIT, Observed, Values
from offramp.drift.vocabulary import Vocabulary
from offramp.folder import SUMMARIES

TAILS = (0.05, 0.25)
"""Shares of the calibration texts beyond which others are counted, on either side."""

WATCHED = ("confidence", "disagreement", "characters", "unknown", "pieces")
"""What is compared by its tails, as the attributes of :class:`offramp.drift.Observed` are called."""

# The words of so many texts are known at most; more would fill the bits that hold them.
_TEXTS_OF_WORDS = 4096


@dataclass(frozen=True, slots=True)
class Tails:
    """Where the outermost of some values lie.

    Attributes:
        rows: number of values.
        low: what :data:`TAILS` of them, rounded down, are at most below of.
        high: what as many are at most above of.
    """

    rows: int
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.rows < 0 or len(self.low) != len(TAILS) or len(self.high) != len(TAILS):
            raise ValueError(f"it has {len(self.low)} and {len(self.high)} tails of {self.rows} rows, not {len(TAILS)}")

    @classmethod
    def of(cls, values: Values) -> "Tails":
        """The tails of some values (rows,); those that are NaN do not count."""
        rising = np.sort(values[~np.isnan(values)])
        if not len(rising):
            return cls(0, (0.0,) * len(TAILS), (0.0,) * len(TAILS))
        outside = [cls._outside(tail, len(rising)) for tail in TAILS]
        low, high = rising[outside], rising[[-1 - count for count in outside]]
        return cls(len(rising), tuple(low.tolist()), tuple(high.tolist()))

    @staticmethod
    def _outside(tail: float, rows: int) -> int:
        return int(tail * rows)

    def counts(self) -> list[int]:
        """How many of the values lie beyond each of the tails, at most."""
        return [self._outside(tail, self.rows) for tail in TAILS]


@dataclass(frozen=True, slots=True)
class CalibrationSummary:
    """What the rows that judged an operating point looked like at it.

    Attributes:
        point: its name.
        engine: what the model ran in.
        model: fingerprint of the model, including its temperatures.
        data: fingerprint of the rows.
        rows: number of rows that judged it.
        exits: how many of them left at each exit, (exits,).
        tails: by what is :data:`WATCHED`: of all rows, or of those at each exit.
    """

    point: str
    engine: Engine
    model: str
    data: str
    rows: int
    exits: tuple[int, ...]
    tails: dict[str, tuple[Tails, ...]]

    def __post_init__(self) -> None:
        if self.tails.keys() != set(WATCHED) or sum(self.exits) != self.rows:
            raise ValueError(f"{', '.join(self.tails)} of {self.rows} rows do not go with {self.exits}")
        for name, tails in self.tails.items():
            if len(tails) != (len(self.exits) if name in BY_EXIT else 1):
                raise ValueError(f"{name} has {len(tails)} tails for {len(self.exits)} exits")

    @classmethod
    def of(
        cls, observed: Observed, exits: int, *, point: str, engine: Engine, model: str, data: str
    ) -> "CalibrationSummary":
        """Sums up what was seen of rows of a model with a number of exits."""
        tails = {}
        for name in WATCHED:
            values = getattr(observed, name)
            groups = [observed.exits == taken for taken in range(exits)] if name in BY_EXIT else [slice(None)]
            tails[name] = tuple(Tails.of(values[group]) for group in groups)
        taken = tuple(np.bincount(observed.exits, minlength=exits).tolist())
        return cls(point, engine, model, data, len(observed.exits), taken, tails)


@dataclass(frozen=True, slots=True)
class CalibrationSummaries:
    """All summaries of a model folder.

    Attributes:
        summaries: one for each operating point and engine.
        vocabularies: the words of calibration rows, as :meth:`Vocabulary.to_text` gives them, by the rows' fingerprint.
    """

    summaries: tuple[CalibrationSummary, ...] = ()
    vocabularies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in self.vocabularies.values():
            Vocabulary.from_text(text)
        if missing := {summary.data for summary in self.summaries} - self.vocabularies.keys():
            raise ValueError(f"the words of {', '.join(sorted(missing))} are missing")

    def at(self, point: str, engine: Engine, model: str) -> CalibrationSummary | None:
        """The summary of an operating point of a model in an engine, if there is one."""
        wanted = (point, engine, model)
        return next((one for one in self.summaries if (one.point, one.engine, one.model) == wanted), None)

    def vocabulary(self, summary: CalibrationSummary) -> Vocabulary:
        """The words that are known to a summary."""
        return Vocabulary.from_text(self.vocabularies[summary.data])

    def with_summaries(
        self, new: Sequence[CalibrationSummary], vocabulary: Vocabulary, kept: Sequence[tuple[str, Engine, str]]
    ) -> "CalibrationSummaries":
        """Adds summaries of one data set, and drops those of points that are gone.

        Args:
            new: they take the place of older ones of the same point and engine.
            vocabulary: the words of their rows.
            kept: points that there are now, each by its name, engine and model.
        """
        summaries = {(one.point, one.engine): one for one in (*self.summaries, *new)}
        left = tuple(one for one in summaries.values() if (one.point, one.engine, one.model) in kept)
        words = self.vocabularies | {one.data: vocabulary.to_text() for one in new}
        return CalibrationSummaries(left, {data: words[data] for data in dict.fromkeys(one.data for one in left)})


def words_of_half(texts: Sequence[str], text_pairs: Sequence[str] | None) -> tuple[Vocabulary, NDArray[np.bool_]]:
    """The words of a random half of the texts, and whether each text is one of the others, (texts,).

    Only others can tell how many unknown words to expect.
    """
    order = np.random.default_rng(0).permutation(len(texts))
    half = np.sort(order[: min(_TEXTS_OF_WORDS, len(texts) // 2)])
    others = np.ones(len(texts), np.bool_)
    others[half] = False
    pairs = None if text_pairs is None else [text_pairs[place] for place in half.tolist()]
    return Vocabulary.of([texts[place] for place in half.tolist()], pairs), others


def read_summaries(folder: Path) -> CalibrationSummaries:
    """Reads the summaries of a model folder; none if it was never tuned.

    Raises:
        ModelFolderError: ``monitoring.json`` is damaged.
    """
    return SUMMARIES.read_if_there(folder, CalibrationSummaries())


def save_summaries(folder: Path, summaries: CalibrationSummaries) -> None:
    """Writes the summaries of a model folder, atomically.

    Raises:
        StorageError: the folder cannot be written.
    """
    SUMMARIES.write(folder, summaries)
