"""A model of words against scikit-learn's TF-IDF and logistic regression: accuracy, speed, size and time to fit.

OMP_NUM_THREADS=1 python -m benchmarks.words DATA NAME... [--json FILE]

DATA holds NAME/{train,test}.jsonl.gz with text, label and perhaps text_pair; r8 comes from its package. Both models see
the same rows, fitted on train and measured on test; scikit-learn's strength is chosen from 1, 3, 10 and 30 by
cross-validation. Times are those of one thread, from texts to labels, medians of rounds in turn.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offramp import environment
from offramp.calibration import Problem
from offramp.demonstration import r8_rows
from offramp.files import write_json
from offramp.folder import WORDS
from offramp.words import Words, fit

ROUNDS = 7

Split = tuple[list[str], list[str] | None, list[str]]
"""Texts, second texts and labels."""


@dataclass(frozen=True)
class Result:
    """What was measured on one data set; ``sklearn`` in a name stands for the reference."""

    data: str
    rows: int
    labels: int
    accuracy: float
    sklearn_accuracy: float
    texts_per_second: float
    sklearn_texts_per_second: float
    megabytes: float
    features: int
    strength: float
    fit_seconds: float
    sklearn_fit_seconds: float


def read(data: Path, name: str, split: str) -> Split:
    """The rows of one split."""
    if name == "r8":
        return [text for _, text in r8_rows(split)], None, [label for label, _ in r8_rows(split)]
    with gzip.open(data / name / f"{split}.jsonl.gz", "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    pairs = [row["text_pair"] for row in rows] if "text_pair" in rows[0] else None
    return [row["text"] for row in rows], pairs, [row["label"] for row in rows]


def reference(texts: Sequence[str], pairs: Sequence[str] | None, labels: Sequence[str]) -> Callable[..., Any]:
    """Fits scikit-learn's model; for pairs on both texts, one after the other."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform(joined(texts, pairs))
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(LogisticRegression(max_iter=300), {"C": [1, 3, 10, 30]}, cv=folds).fit(features, labels)
    return lambda texts, pairs: search.predict(vectorizer.transform(joined(texts, pairs)))


def joined(texts: Sequence[str], pairs: Sequence[str] | None) -> Sequence[str]:
    """Both texts of each pair as one."""
    return texts if pairs is None else [f"{text} {pair}" for text, pair in zip(texts, pairs, strict=True)]


def measure(data: Path, name: str) -> Result:
    """Fits both models on one data set and measures them."""
    texts, pairs, answers = read(data, name, "train")
    labels = sorted(set(answers))
    targets = np.array([labels.index(label) for label in answers])
    start = time.perf_counter()
    fitted = fit(texts, targets, labels=labels, problem=Problem.SINGLE_LABEL, text_pairs=pairs)
    fit_seconds = time.perf_counter() - start
    start = time.perf_counter()
    rival = reference(texts, pairs, answers)
    rival_seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder))
        words, size = Words.load(Path(folder)), (Path(folder) / WORDS).stat().st_size
    texts, pairs, answers = read(data, name, "test")

    def ours(texts: Sequence[str], pairs: Sequence[str] | None) -> Any:
        return np.array(labels)[words.logits(texts, pairs).argmax(axis=1)]

    seconds: dict[Any, list[float]] = {ours: [], rival: []}
    right = {}
    for _ in range(ROUNDS):
        for model, times in seconds.items():
            start = time.perf_counter()
            predicted = model(texts, pairs)
            times.append(time.perf_counter() - start)
            right[model] = float(np.mean(predicted == np.array(answers)))
    speed = {model: len(texts) / float(np.median(times)) for model, times in seconds.items()}
    return Result(
        name,
        len(texts),
        len(labels),
        right[ours],
        right[rival],
        speed[ours],
        speed[rival],
        size / 1e6,
        words.features,
        words.about.strength,
        fit_seconds,
        rival_seconds,
    )


def line(found: Result) -> str:
    """One line of the table."""
    return (
        f"| {found.data} | {found.labels} | {found.accuracy:.2%} | {found.sklearn_accuracy:.2%} "
        f"| {found.texts_per_second:,.0f} | {found.sklearn_texts_per_second:,.0f} | {found.megabytes:.2f} MB "
        f"| {found.fit_seconds:.0f} s | {found.sklearn_fit_seconds:.0f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print("| data | labels | accuracy | scikit-learn | texts/s | scikit-learn | file | fit | scikit-learn |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    results = []
    for name in options.names:
        results.append(measure(options.data, name))
        print(line(results[-1]), flush=True)
    if options.json:
        write_json(options.json, {"environment": environment.describe(), "results": list(map(asdict, results))})


if __name__ == "__main__":
    main()
