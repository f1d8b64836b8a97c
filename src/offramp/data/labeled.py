"""Labeled texts in memory: reading, encoding, checking and splitting them."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from offramp.data.columns import Columns
from offramp.data.memory import Data, check_unnamed, name_of
from offramp.data.reading import Row, read_rows, second_texts
from offramp.data.wording import did_you_mean, doubt, listing
from offramp.errors import DataError, OptionError, check_type

Beliefs: TypeAlias = Sequence[Mapping[str, float]]
"""For each row the probability of each label; of one that is left out it is 0."""


@dataclass(frozen=True, slots=True)
class LabeledTexts:
    """Texts, perhaps with second texts, and one label (``str``) or several (``tuple``) for each.

    All lists have one entry a row. ``blank`` counts the rows without a text; ``source`` says where they come from.
    ``beliefs`` are there where labels are what another system thinks likeliest: the probability of each label.
    """

    texts: list[str]
    text_pairs: list[str] | None
    labels: list[str] | list[tuple[str, ...]]
    blank: int
    source: str
    beliefs: Beliefs | None = None

    @classmethod
    def of(cls, texts: Sequence[str], labels: Sequence[Any], text_pairs: Sequence[str] | None = None) -> "LabeledTexts":
        """Makes them of lists, arrays or columns of one length.

        Args:
            texts: the texts, or the first texts of pairs.
            labels: for each a name, or a list of names where a text may have several; numbers become names.
            text_pairs: the second texts.

        Raises:
            DataError: the lengths differ, a text or a label is missing or of another type, or there are none.

        Example:
            >>> rows = offramp.LabeledTexts.of(["a joy", "dull", "so dull"], ["good", "bad", "bad"])
            >>> len(rows), rows.label_counts()
            (3, {'bad': 2, 'good': 1})
            >>> offramp.LabeledTexts.of(["a joy"], [["good", "short"]]).multi_label
            True
        """
        table = {"text": texts, "label": labels}
        if text_pairs is None:
            return read_labeled(table, Columns())
        return read_labeled(table | {"text_pair": text_pairs}, Columns(text_pair="text_pair"))

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether a row may have any number of labels."""
        return bool(self.labels) and isinstance(self.labels[0], tuple)

    @property
    def fingerprint(self) -> str:
        """See :func:`fingerprint`; beliefs count as labels."""
        if self.beliefs is None:
            return fingerprint(self.texts, self.text_pairs, self.labels)
        return fingerprint(self.texts, self.text_pairs, [repr(sorted(shares.items())) for shares in self.beliefs])

    def subset(self, indices: Sequence[int] | NDArray[np.int64]) -> "LabeledTexts":
        """The rows at ``indices``, in that order."""
        places = [int(index) for index in indices]
        texts = [self.texts[place] for place in places]
        return LabeledTexts(
            texts=texts,
            text_pairs=None if self.text_pairs is None else [self.text_pairs[place] for place in places],
            labels=cast("list[str] | list[tuple[str, ...]]", [self.labels[place] for place in places]),
            blank=texts.count(""),
            source=self.source,
            beliefs=None if self.beliefs is None else [self.beliefs[place] for place in places],
        )

    def label_names(self) -> list[str]:
        """The labels that occur, each once, sorted: by value if all are whole numbers, else as text."""
        named = self.labels if self.beliefs is None else list(map(tuple, self.beliefs))
        names = sorted({name for label in named for name in _names(label)})
        return sorted(names, key=Decimal) if all(_is_integer(name) for name in names) else names

    def label_counts(self) -> dict[str, int]:
        """How many rows have each label, in the order of :meth:`label_names`."""
        counts = Counter(name for label in self.labels for name in set(_names(label)))
        return {name: counts[name] for name in self.label_names()}


@dataclass(frozen=True, slots=True)
class Split:
    """The two parts of one data set; every row is in exactly one, in its old order."""

    train: LabeledTexts
    dev: LabeledTexts


def read_labeled(data: Data, columns: Columns) -> LabeledTexts:
    """Reads all rows of ``data`` with their labels; for what that may be see :func:`read_rows`.

    Raises:
        DataError: as :func:`read_rows`, and if some rows have one label and others a list.
        OptionError: as :func:`read_rows`.
        StorageError: the source cannot be read.
    """
    check_type("columns", columns, Columns)
    if isinstance(data, LabeledTexts):
        check_unnamed(columns)
        return data
    if columns.label is None:
        raise OptionError(
            "the columns have no label, but labels are needed here; name the column that holds them", option="label"
        )
    rows = list(read_rows(data, columns, labeled=True))
    return labeled_rows(rows, [row.label for row in rows], columns.label, name_of(data))


def labeled_rows(
    rows: Sequence[Row], labels: Sequence[object], column: str, source: str, beliefs: Beliefs | None = None
) -> LabeledTexts:
    """Rows that were read, with labels from a column; all have one label, or all a list.

    Raises:
        DataError: they have not.
    """
    multi_label = isinstance(labels[0], tuple)
    for number, label in enumerate(labels, start=1):
        if isinstance(label, tuple) != multi_label:
            raise DataError(
                f"{source}: row 1 has {_kind(multi_label)} and row {number} {_kind(not multi_label)} in column "
                f"{column!r}; make all rows alike",
                path=source,
                row=number,
                value=label,
            )
    return LabeledTexts(
        texts=[row.text for row in rows],
        text_pairs=second_texts(rows),
        labels=cast("list[str] | list[tuple[str, ...]]", labels),
        blank=sum(row.blank for row in rows),
        source=source,
        beliefs=beliefs,
    )


def encode_labels(
    data: LabeledTexts, names: Sequence[str], *, multi_label: bool
) -> NDArray[np.int64] | NDArray[np.float32]:
    """The labels as a model that knows the classes ``names`` wants them.

    Returns:
        Shape ``(rows,)``, int64, places in ``names``; with ``multi_label`` shape ``(rows, labels)``, float32, 0 or 1.

    Raises:
        DataError: a label is not in ``names``, or the data have one label a row and the model several, or vice versa.
    """
    if data.multi_label != multi_label:
        raise DataError(
            f"{data.source} has {_kind(data.multi_label)} in each row, but the model gives {_kind(multi_label)}; "
            f"use other data, or convert the label column (label_separator splits one field into a list)",
            path=data.source,
        )
    check_known(data, names)
    index = {name: place for place, name in enumerate(names)}
    if not multi_label:
        return np.array([index[name] for label in data.labels for name in _names(label)], dtype=np.int64)
    encoded = np.zeros((len(data), len(names)), dtype=np.float32)
    for row, label in enumerate(data.labels):
        encoded[row, [index[name] for name in _names(label)]] = 1
    return encoded


def check_trainable(data: LabeledTexts) -> None:
    """Checks that there is something to tell apart, and warns of labels that nobody can tell apart by their looks.

    Raises:
        DataError: all rows have the same label or labels.
    """
    if len({frozenset(_names(label)) for label in data.labels}) < 2:
        raise DataError(
            f"{data.source}: all {len(data)} rows have the same label ({listing(data.label_names())}); training needs "
            f"at least two different ones: check the label column and the rows",
            path=data.source,
        )
    for names in _look_alikes(data.label_names()):
        doubt(
            f"{data.source}: the labels {', '.join(map(ascii, names))} look the same and are different classes; they "
            f"differ in invisible characters or in how accents are composed: make them one, if one is meant"
        )


def check_dev_fraction(fraction: float) -> None:
    """Checks that a share can be split off.

    Raises:
        OptionError: it is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise OptionError(
            f"the dev fraction is {fraction}; it is a share of the training rows, between 0 and 1",
            option="dev",
            value=fraction,
        )


def split_off_dev(data: LabeledTexts, fraction: float, seed: int, judging: LabeledTexts | None = None) -> Split:
    """Moves a random ``fraction`` of the rows, at least one, into a dev part; the same rows for the same ``seed``.

    Of each label the dev part holds ``fraction`` of the rows, to within one row, and the train part at least one row;
    rows with several labels are drawn without regard to them. The dev rows come from ``judging``, if it is given: the
    same rows with other labels.

    Raises:
        OptionError: ``fraction`` is not between 0 and 1.
        DataError: no label has two rows.
    """
    check_dev_fraction(fraction)
    keys = [""] * len(data) if data.multi_label else data.labels
    _, classes, counts = np.unique(np.array(keys, dtype=object), return_inverse=True, return_counts=True)
    if len(data) == 0 or counts.max() < 2:
        raise DataError(
            f"{data.source}: no label has two rows, so no dev part can be split off; give one of its own",
            path=data.source,
        )
    random = np.random.default_rng(seed)
    in_dev = np.zeros(len(data), dtype=bool)
    for number, count in enumerate(_dev_counts(counts, fraction)):
        in_dev[random.permutation(np.flatnonzero(classes == number))[:count]] = True
    dev = data if judging is None else judging
    return Split(train=data.subset(np.flatnonzero(~in_dev)), dev=dev.subset(np.flatnonzero(in_dev)))


def fingerprint(
    texts: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    labels: Sequence[str] | Sequence[tuple[str, ...]] | None = None,
) -> str:
    """Names the content: ``sha256:`` and 16 hexadecimal digits over texts, second texts and labels in their order.

    Every part goes in with its length, so that moving characters or rows from one part to the next changes the name.
    """
    digest = hashlib.sha256()

    def add(part: object) -> None:
        if isinstance(part, str):
            raw = part.encode("utf-8", "surrogatepass")
            digest.update(b"text %d " % len(raw) + raw)
        elif isinstance(part, Sequence):
            digest.update(b"list %d " % len(part))
            for item in part:
                add(item)
        else:
            digest.update(b"none ")

    add([texts, text_pairs, labels])
    return f"sha256:{digest.hexdigest()[:16]}"


def _look_alikes(names: Sequence[str]) -> list[list[str]]:
    """Groups of names that differ in nothing that can be seen."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_visible(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _visible(name: str) -> str:
    """What one sees of a name: characters composed, all blanks alike, formatting and control characters left out."""
    instead = {"Zs": " ", "Cf": "", "Cc": ""}
    shown = (instead.get(unicodedata.category(letter), letter) for letter in unicodedata.normalize("NFC", name))
    return unicodedata.normalize("NFC", "".join(shown))


def _dev_counts(counts: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """How many rows of each class go into dev: rounded down, then one more where most was lost."""
    exact = np.where(counts > 1, counts * fraction, 0)
    whole = np.floor(exact).astype(np.int64)
    missing = max(round(exact.sum()), 1) - whole.sum()
    whole[np.argsort(whole - exact, stable=True)[:missing]] += 1
    return np.minimum(whole, counts - 1)


def check_known(data: LabeledTexts, names: Sequence[str], where: str = "the model") -> None:
    """Makes sure that labels are among the names that ``where`` has, those that another system believes in, too.

    Raises:
        DataError: one is not.
    """
    known = set(names)
    for number, label in enumerate(data.labels if data.beliefs is None else map(tuple, data.beliefs), start=1):
        for name in _names(label):
            if name not in known:
                raise DataError(
                    f"{data.source}, row {number}: {where} has no label {name!r}{did_you_mean(name, names)}; "
                    f"its labels are {listing(names)}: correct the label or remove the row",
                    path=data.source,
                    row=number,
                    value=name,
                )


def _names(label: str | Sequence[str]) -> Sequence[str]:
    return (label,) if isinstance(label, str) else label


def _is_integer(name: str) -> bool:
    return name.isascii() and name.removeprefix("-").isdecimal()


def _kind(multi_label: bool) -> str:
    return "a list of labels" if multi_label else "one label"
