"""Which rows a model has seen, and for what: so that no figure is taken from rows that made it look good.

Rows are known again by hashes of their texts, in any order, file or company, with or without labels. A model folder
keeps the smallest few thousand hashes of each data set: all of a small one, and of a large one a random part, which is
enough to tell whether other rows are the same.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from offramp.backends import Engine
from offramp.data.labeled import LabeledTexts
from offramp.data.unlabeled import Texts
from offramp.errors import DataError
from offramp.folder import SEEN, models_of

FITTING = "training"
EPOCH = "choosing the epoch"

_POINT, _TEMPERATURES = "operating point ", "temperatures of "

MOST_SEEN = 0.2
"""More of the rows than this among those used before are no coincidence; a few texts do repeat."""

# Hashes kept of a data set, 8 bytes each.
KEPT = 4096
# With fewer rows to compare, chance decides.
_LEAST = 10

Hashes = NDArray[np.uint64]


def temperatures_of(engine: Engine) -> str:
    """The use of rows to fit temperatures; in PyTorch all precisions share them."""
    return f"{_TEMPERATURES}{engine if engine.exported else engine.backend}"


def point_of(name: str, engine: Engine) -> str:
    """The use of rows to choose an operating point."""
    return f"{_POINT}{name} of {engine}"


def is_point(use: str) -> bool:
    """Whether a use is that of :func:`point_of`."""
    return use.startswith(_POINT)


def uses_for(uses: Mapping[str, float], engine: Engine, points: Iterable[str]) -> dict[str, float]:
    """Of some uses those that a model has in one engine, with some operating points, by their names.

    What is left out are other temperatures, and operating points that are others or gone.
    """
    own = {*map(temperatures_of, engine.parts), *(point_of(name, engine) for name in points)}
    return {use: share for use, share in uses.items() if use in own or not use.startswith((_POINT, _TEMPERATURES))}


@dataclass(frozen=True, slots=True, eq=False)
class SeenRows:
    """A data set and what it was used for.

    Attributes:
        fingerprint: of the data.
        uses: what for.
        rows: number of distinct rows.
        hashes: the smallest of theirs, rising, at most :data:`KEPT`.
    """

    fingerprint: str
    uses: tuple[str, ...]
    rows: int
    hashes: Hashes

    def share_of(self, others: Hashes, beside: Hashes) -> float:
        """Gives the share of other rows (hashes, distinct) that are among these and not among those beside them.

        0 where too few can be compared.
        """
        if self.rows > len(self.hashes):  # nothing is known of hashes after the last
            others = others[others <= self.hashes[-1]]
            if len(others) < _LEAST:
                return 0.0
        return float((np.isin(others, self.hashes) & ~np.isin(others, beside)).mean()) if len(others) else 0.0


@dataclass(frozen=True, slots=True)
class _Stored:
    """:class:`SeenRows` on disk; the hashes are little-endian, in base 64."""

    fingerprint: str
    uses: tuple[str, ...]
    rows: int
    hashes: str

    @classmethod
    def of(cls, seen: SeenRows) -> Self:
        hashes = base64.b64encode(seen.hashes.astype("<u8").tobytes()).decode("ascii")
        return cls(seen.fingerprint, seen.uses, seen.rows, hashes)

    def __post_init__(self) -> None:
        hashes = self.rows_seen().hashes
        if self.rows < len(hashes) or (self.rows and not len(hashes)) or (hashes[1:] <= hashes[:-1]).any():
            raise ValueError(f"{self.rows} rows do not go with {len(hashes)} hashes")

    def rows_seen(self) -> SeenRows:
        hashes = np.frombuffer(base64.b64decode(self.hashes, validate=True), dtype="<u8").astype(np.uint64)
        return SeenRows(self.fingerprint, self.uses, self.rows, hashes)


@dataclass(frozen=True, slots=True)
class _Record:
    data: tuple[_Stored, ...] = ()


def remember(folder: Path, rows: LabeledTexts | Texts | SeenRows, *uses: str) -> None:
    """Notes in a model folder what rows were used for; what was used for the same before is forgotten.

    Not so with rows that the model was fitted to: those stay.

    Raises:
        ModelFolderError: ``seen_rows.json`` is damaged.
        StorageError: the folder cannot be written.
    """
    new, stored = rows if isinstance(rows, SeenRows) else _noted(rows), _read(folder)
    kept = [use for data in stored if data.fingerprint == new.fingerprint for use in data.uses]
    others = [
        replace(data, uses=tuple(use for use in data.uses if use == FITTING or use not in uses))
        for data in stored
        if data.fingerprint != new.fingerprint
    ]
    this = replace(new, uses=tuple(dict.fromkeys([*kept, *uses])))
    SEEN.write(folder, _Record(tuple(_Stored.of(data) for data in (*others, this) if data.uses)))


def uses_of(folder: Path, rows: LabeledTexts | Texts) -> dict[str, float]:
    """Tells what rows were used for before; for a chain also those that its models have seen.

    Returns:
        For each use on record the share of the distinct rows that were used, above 0.

    Raises:
        ModelFolderError: ``seen_rows.json`` is damaged.
    """
    hashes, stored = _hashes(rows), _seen_by(folder)
    uses = dict.fromkeys(use for data in stored for use in data.uses)
    shares = {use: _share([data for data in stored if use in data.uses], hashes) for use in uses}
    return {use: share for use, share in shares.items() if share > 0}


def distinct(rows: LabeledTexts | Texts) -> NDArray[np.int64]:
    """Gives the places of rows that differ in their texts, the first of each kind, rising: (distinct rows,)."""
    pairs: Sequence[str] = rows.text_pairs or [""] * len(rows)
    first: dict[tuple[str, str], int] = {}
    for place, texts in enumerate(zip(rows.texts, pairs, strict=True)):
        first.setdefault(texts, place)
    return np.array(list(first.values()), dtype=np.int64)


def check_unseen(rows: LabeledTexts | Texts, uses: Mapping[str, float], harm: str, cure: str) -> None:
    """Makes sure that rows, apart from a few, were not used for what would make the result look better now.

    Args:
        rows: about to be used.
        uses: share of them by what they were used for, of all that matters, as :func:`uses_of` gives it.
        harm: what would come of it, as a clause of its own.
        cure: what to do instead.

    Raises:
        DataError: more than :data:`MOST_SEEN` of them were.
    """
    use = max(uses, key=uses.__getitem__, default=FITTING)
    if (share := uses.get(use, 0.0)) > MOST_SEEN:
        raise DataError(
            f"{share:.0%} of the rows in {rows.source} were used to make this model (for {use}): {harm}; {cure}",
            path=rows.source,
        )


def check_untrained(folder: Path, rows: LabeledTexts | Texts, harm: str) -> None:
    """Makes sure that a model was not fitted to rows, apart from a few; see :func:`check_unseen`.

    Raises:
        DataError: it was.
        ModelFolderError: ``seen_rows.json`` is damaged.
    """
    fitted = {use: share for use, share in uses_of(folder, rows).items() if use == FITTING}
    check_unseen(rows, fitted, harm, "use other rows, such as the dev data")


def check_disjoint(dev: LabeledTexts | Texts, fitted: Sequence[LabeledTexts | Texts]) -> None:
    """Makes sure that dev rows, apart from a few, are not among those that a model is about to be fitted to.

    Raises:
        DataError: more than :data:`MOST_SEEN` of them are.
    """
    hashes = _hashes(dev)
    for rows in fitted:
        if len(hashes) and (share := float(np.isin(hashes, _hashes(rows)).mean())) > MOST_SEEN:
            raise DataError(
                f"{share:.0%} of the dev rows in {dev.source} are among the rows in {rows.source} that the model will "
                "be fitted to: temperatures and figures taken from them would look better than they are; keep the two "
                "apart",
                path=dev.source,
            )


def fitted_rows(folder: Path) -> list[SeenRows]:
    """The data sets that a model was fitted to, as far as its folder says; none of what is no model of ours.

    Raises:
        ModelFolderError: ``seen_rows.json`` is damaged.
    """
    return [data for data in _seen_by(folder) if FITTING in data.uses]


def made_with(folder: Path) -> list[SeenRows]:
    """The data sets that the weights of a model depend on: what it was fitted to, and what chose the epoch.

    Raises:
        ModelFolderError: ``seen_rows.json`` is damaged.
    """
    kept = [replace(data, uses=tuple(use for use in data.uses if use in (FITTING, EPOCH))) for data in _seen_by(folder)]
    return [data for data in kept if data.uses]


def share_among(seen: Sequence[SeenRows], rows: LabeledTexts | Texts, beside: LabeledTexts | Texts) -> float:
    """The share of the distinct rows that are in any of several data sets and not among those beside them."""
    hashes = _hashes(rows)
    others = np.setdiff1d(hashes, _hashes(beside))
    return _share(seen, others) * len(others) / max(len(hashes), 1)


def _share(seen: Sequence[SeenRows], rows: Hashes) -> float:
    """The share of rows that are in any of several data sets."""
    share, counted = 0.0, rows[:0]
    for data in seen:
        share += data.share_of(rows, beside=counted)
        counted = np.union1d(counted, data.hashes)
    return min(share, 1.0)


def _noted(rows: LabeledTexts | Texts) -> SeenRows:
    hashes = _hashes(rows)
    return SeenRows(rows.fingerprint, (), len(hashes), hashes[:KEPT])


def _hashes(rows: LabeledTexts | Texts) -> Hashes:
    """Of the distinct rows, rising."""
    pairs: Sequence[str] = rows.text_pairs or [""] * len(rows)
    digests = {
        hashlib.blake2b(f"{len(text)} {text}{pair}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text, pair in zip(rows.texts, pairs, strict=True)
    }
    return np.sort(np.frombuffer(b"".join(digests), dtype="<u8")).astype(np.uint64)


def _seen_by(folder: Path) -> list[SeenRows]:
    """All that a model folder has on record; operating points that a model of a chain has alone are not the chain's."""
    of_models = [one for model in models_of(folder) if model != folder for one in _read(model)]
    return [
        *_read(folder),
        *(replace(one, uses=tuple(use for use in one.uses if not is_point(use))) for one in of_models),
    ]


def _read(folder: Path) -> list[SeenRows]:
    return [stored.rows_seen() for stored in SEEN.read_if_there(folder, _Record()).data]
