"""A model of words for each data set: what it says of the dev and test rows, and how long that takes."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.measuring import REPEATS, SINGLES
from benchmarks.paper.place import Place
from benchmarks.paper.times import Cost, Lot, Times
from offramp import environment
from offramp.calibration import Problem
from offramp.calibration.temperature import fit_temperatures
from offramp.data import encode_labels
from offramp.files import replacing, write_json
from offramp.records import to_json
from offramp.words import Words, fit


def fitted(place: Place, data: str) -> Words:
    """A model of words that read the train rows; its outputs are in the order of a network's."""
    train = place.rows(data, "train")
    labels = train.label_names()
    targets = encode_labels(train, labels, multi_label=False)
    return fit(train.texts, targets, labels=labels, problem=Problem.SINGLE_LABEL, text_pairs=train.text_pairs)


def keep_words(place: Place, data: str) -> None:
    """Fits a model of words and writes what it says, as :func:`benchmarks.paper.measuring.keep_logits` does.

    It has one exit, after no layer; the tokens of a row are its words, as blanks part them.
    """
    words = fitted(place, data)
    arrays: dict[str, NDArray[Any]] = {"layers": np.zeros(1, np.int64)}
    for part in ("dev", "test"):
        rows = place.rows(data, part)
        arrays[f"{part}_logits"] = words.logits(rows.texts, rows.text_pairs)[None].astype(np.float16)
        arrays[f"{part}_targets"] = encode_labels(rows, words.about.labels, multi_label=False).astype(np.uint8)
        arrays[f"{part}_tokens"] = np.array([len(text.split()) for text in rows.texts], np.uint16)
        arrays[f"{part}_truncated"] = np.zeros(len(rows), np.bool_)
    dev = arrays["dev_logits"].astype(np.float64), arrays["dev_targets"].astype(np.int64)
    arrays["temperatures"] = fit_temperatures(*dev, Problem.SINGLE_LABEL)
    with replacing(place.words(data)) as new, new.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def time_words(place: Place, data: str) -> None:
    """Measures how much processor time a model of words takes for a test row, all at once and one after the other.

    It runs on one thread and waits for nothing, so that this is what a clock would show with nothing else at work.
    """
    words, rows = fitted(place, data), place.rows(data, "test")
    singles = rows.subset(np.sort(np.random.default_rng(0).permutation(len(rows))[:SINGLES]))
    pairs = [None] * len(singles) if singles.text_pairs is None else [[one] for one in singles.text_pairs]

    def one_by_one() -> None:
        for text, pair in zip(singles.texts, pairs, strict=True):
            words.logits([text], pair)

    times = Times(
        environment=environment.describe(),
        fingerprint=rows.fingerprint,
        lot=_lot(len(rows), lambda: words.logits(rows.texts, rows.text_pairs)),
        single=_lot(len(singles), one_by_one),
    )
    write_json(place.words_times(data), to_json(times))


def _lot(rows: int, read: Callable[[], object]) -> Lot:
    """A single stage, after which every row is answered."""
    cost = Cost(_processor_seconds(read) / rows, 0.0)
    return Lot(rows, full=cost, stages=(cost,), cut=(), real=())


def _processor_seconds(action: Callable[[], object]) -> float:
    """The median of some times, after one to warm up."""
    action()
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        action()
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))
