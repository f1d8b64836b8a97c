"""The data sets as they are used: read from a folder or the hub, drawn from where they are large, written once."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.place import PARTS, Place
from benchmarks.paper.plan import UNLABELLED, DataSet, Run
from offramp.data import LabeledTexts, read_labeled, split_off_dev
from offramp.files import replacing, write_json

_DEV_SHARE = 0.1
# Where a text is cut into sentences: behind what ends one, and at line breaks of web pages.
_END = re.compile(r"(?<=[.!?])\s+|(?:<br\s*/?>\s*)+")
_WORDS = (5, 40)


def prepare_all(place: Place, runs: Sequence[Run]) -> None:
    """Writes what some runs read, unless it is there.

    Raises:
        DataError: the folder or the hub does not hold it.
    """
    data_sets = place.plan.data_sets
    for data in dict.fromkeys(run.data for run in runs):
        prepare(place, data_sets[data])
    for data in dict.fromkeys(run.data for run in runs if run.unlabelled):
        prepare_unlabelled(place, data_sets[data])


def prepare(place: Place, data: DataSet) -> None:
    """Writes the three parts of a data set, unless they are there.

    Raises:
        DataError: the folder or the hub does not hold it.
    """
    if place.is_prepared(data.name):
        return
    parts = _parts(place, data)
    limits = {"train": data.train_rows, "dev": data.dev_rows, "test": data.test_rows}
    for part, rows in parts.items():
        write_rows(place.data_file(data.name, part), _drawn(rows, limits[part]))
    write_json(place.origin_file(data.name), place.origin(data.name))


def prepare_unlabelled(place: Place, data: DataSet) -> None:
    """Writes texts of a data set's kind without labels, none of them among its three parts, unless they are there.

    Raises:
        DataError: the folder or the hub does not hold what they are taken from.
    """
    if place.has_unlabelled(data.name):
        return
    if data.unlabelled_of is not None:
        source = _parts(place, place.plan.data_sets[data.unlabelled_of])["train"]
        left = [{"text": one} for one in _sentences(source.texts)] if data.sentences else _without_labels(source)
    else:
        used = {_key(row) for part in PARTS for row in _without_labels(place.rows(data.name, part))}
        parts = _parts(place, data)
        left = [row for part in ("train", "test") for row in _without_labels(parts[part]) if _key(row) not in used]
    _write(place.unlabelled_file(data.name), (left[row] for row in _places(len(left), data.unlabelled_rows)))
    write_json(place.origin_file(data.name, UNLABELLED), place.origin(data.name, UNLABELLED))


def _sentences(texts: Sequence[str]) -> list[str]:
    """Sentences of a length that is common among those of reviews, each once."""
    pieces = (piece.strip() for text in texts for piece in _END.split(text))
    return list(dict.fromkeys(piece for piece in pieces if _WORDS[0] <= len(piece.split()) <= _WORDS[1]))


def _without_labels(rows: LabeledTexts) -> list[dict[str, str]]:
    if rows.text_pairs is None:
        return [{"text": text} for text in rows.texts]
    return [{"text": text, "text_pair": pair} for text, pair in zip(rows.texts, rows.text_pairs, strict=True)]


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row.values())


def write_rows(file: Path, rows: LabeledTexts) -> None:
    """Writes rows as JSON lines."""
    _write(file, ({**row, "label": label} for row, label in zip(_without_labels(rows), rows.labels, strict=True)))


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    with replacing(file) as new, new.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _drawn(rows: LabeledTexts, most: int | None) -> LabeledTexts:
    return rows if most is None or len(rows) <= most else rows.subset(_places(len(rows), most))


def _places(number: int, most: int) -> NDArray[np.int64]:
    """At most so many of a number of rows, in their order; always the same ones."""
    return np.sort(np.random.default_rng(0).permutation(number)[:most])


def _parts(place: Place, data: DataSet) -> dict[str, LabeledTexts]:
    if place.source is None:
        return _from_hub(data)
    return {part: read_labeled(str(place.source_file(data.name, part)), data.columns) for part in PARTS}


def _from_hub(data: DataSet) -> dict[str, LabeledTexts]:
    train, test = _hub_rows(data, "train"), _hub_rows(data, data.hub.test)
    if data.hub.dev is not None:
        return {"train": train, "dev": _hub_rows(data, data.hub.dev), "test": test}
    split = split_off_dev(train, _DEV_SHARE, seed=0)
    return {"train": split.train, "dev": split.dev, "test": test}


def _hub_rows(data: DataSet, split: str) -> LabeledTexts:
    """One split; rows that the annotators did not agree on (label -1 in SNLI) are left out."""
    import datasets

    hub = data.hub
    table = datasets.load_dataset(hub.name, split=split)
    names = table.features["label"].names
    rows = [row for row in _records(table) if row["label"] >= 0]
    return LabeledTexts(
        texts=[row[hub.text] for row in rows],
        text_pairs=None if hub.text_pair is None else [row[hub.text_pair] for row in rows],
        labels=[names[row["label"]] for row in rows],
        blank=0,
        source=f"{hub.name}:{split}",
    )


def _records(table: Any) -> Iterator[dict[str, Any]]:
    yield from table
