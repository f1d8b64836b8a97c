"""The data sets as they are used: read from a folder or the hub, drawn from where they are large, written once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper.place import PARTS, Place
from benchmarks.paper.plan import DataSet
from offramp.data import LabelledTexts, read_labelled, split_off_dev
from offramp.files import replacing

_DEV_SHARE = 0.1


def prepare(place: Place, data: DataSet) -> None:
    """Writes the three parts of a data set, unless they are there.

    Raises:
        DataError: the folder or the hub does not hold it.
    """
    if place.is_prepared(data.name):
        return
    parts = _from_hub(data) if place.source is None else _from_folder(place.source / data.name, data)
    limits = {"train": data.train_rows, "dev": data.dev_rows, "test": data.test_rows}
    for part, rows in parts.items():
        write_rows(place.data_file(data.name, part), _drawn(rows, limits[part]))


def write_rows(file: Path, rows: LabelledTexts) -> None:
    """Writes rows as JSON lines."""
    with replacing(file) as new, new.open("w", encoding="utf-8") as stream:
        for number, (text, label) in enumerate(zip(rows.texts, rows.labels, strict=True)):
            pair = {} if rows.text_pairs is None else {"text_pair": rows.text_pairs[number]}
            stream.write(json.dumps({"text": text, **pair, "label": label}, ensure_ascii=False) + "\n")


def _drawn(rows: LabelledTexts, most: int | None) -> LabelledTexts:
    """At most so many rows, in their order; always the same ones."""
    if most is None or len(rows) <= most:
        return rows
    return rows.subset(np.sort(np.random.default_rng(0).permutation(len(rows))[:most]))


def _from_folder(folder: Path, data: DataSet) -> dict[str, LabelledTexts]:
    return {part: read_labelled(str(folder / f"{part}.jsonl.gz"), data.columns) for part in PARTS}


def _from_hub(data: DataSet) -> dict[str, LabelledTexts]:
    train, test = _hub_rows(data, "train"), _hub_rows(data, data.hub.test)
    if data.hub.dev is not None:
        return {"train": train, "dev": _hub_rows(data, data.hub.dev), "test": test}
    split = split_off_dev(train, _DEV_SHARE, seed=0)
    return {"train": split.train, "dev": split.dev, "test": test}


def _hub_rows(data: DataSet, split: str) -> LabelledTexts:
    """One split; rows that the annotators did not agree on (label -1 in SNLI) are left out."""
    import datasets

    hub = data.hub
    table = datasets.load_dataset(hub.name, split=split)
    names = table.features["label"].names
    rows = [row for row in _records(table) if row["label"] >= 0]
    return LabelledTexts(
        texts=[row[hub.text] for row in rows],
        text_pairs=None if hub.text_pair is None else [row[hub.text_pair] for row in rows],
        labels=[names[row["label"]] for row in rows],
        blank=0,
        source=f"{hub.name}:{split}",
    )


def _records(table: Any) -> Iterator[dict[str, Any]]:
    yield from table
