"""Scoring a file of texts into a file of predictions, in constant memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from offramp.data import Columns, Row, read_rows, result_writer
from offramp.engine.classifier import DEFAULT_THRESHOLD, WINDOW, Classifier
from offramp.engine.loading import load
from offramp.engine.predictions import Predictions
from offramp.errors import DataError, OptionError


@dataclass(frozen=True, slots=True)
class Scored:
    """What went through.

    Attributes:
        rows: rows read and written.
        blank: rows without a text; they were classified as the empty text.
        truncated: rows whose text was longer than the model takes.
        exits: rows that took each exit, by layers run.
    """

    rows: int
    blank: int
    truncated: int
    exits: dict[int, int]


def predict(
    model: str | Path | Classifier,
    *,
    input: str,  # noqa: A002
    output: str,
    columns: Columns | None = None,
    threshold: float = DEFAULT_THRESHOLD,
    probabilities: bool = False,
    keep: Sequence[str] = (),
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Scored:
    """Classifies every row of a source and writes one row for each, in the same order.

    The output has the columns ``label`` (for multi-label models a list), ``confidence``, ``exit_layer`` and
    ``truncated``; before them the columns in ``keep`` as they were read, and behind them, if wanted, one
    ``probability_LABEL`` for every label. It gets its name when the last row is written.

    Args:
        model: a model folder, or a classifier in memory.
        input: a csv, tsv, jsonl or parquet file, a folder, a hub id, or ``-`` for standard input.
        output: a csv, tsv, jsonl or parquet file, or ``-`` for jsonl on standard output.
        threshold: see :meth:`Classifier.predict`.
        probabilities: write every label's probability.
        keep: input columns to carry through.
        on_rows: called with the number of rows written so far.

    Raises:
        DataError: the input cannot be read.
        OptionError: an option is out of range, or no format belongs to the output.
        StorageError: the output cannot be written or the disk is full.
    """
    columns = columns or Columns()
    classifier = model if isinstance(model, Classifier) else load(model)
    if classifier.config.text_pair != (columns.text_pair is not None):
        wants = "pairs of texts; name" if classifier.config.text_pair else "single texts; do not name"
        raise DataError(f"this model was trained on {wants} the column of the second with --text-pair-column")
    scores = [f"probability_{label}" for label in classifier.labels] if probabilities else []
    own = ["label", "confidence", "exit_layer", "truncated", *scores]
    doubled = sorted(set(keep) & set(own))
    if doubled:
        raise OptionError(f"cannot keep the column {doubled[0]!r}: predictions have a column of that name")
    rows = read_rows(input, columns, labelled=False, keep=keep)
    blank = truncated = done = 0
    exits: Counter[int] = Counter(dict.fromkeys(classifier.exits, 0))
    with result_writer(output, [*keep, *own]) as writer:
        while chunk := list(islice(rows, WINDOW)):
            predictions = _classify(classifier, chunk, threshold)
            kept = dict(zip(keep, zip(*(row.kept for row in chunk), strict=True), strict=True)) if keep else {}
            writer.write(kept | _columns(predictions, scores))
            done += len(chunk)
            blank += sum(row.blank for row in chunk)
            truncated += int(predictions.truncated.sum())
            exits.update(predictions.layers.tolist())
            on_rows(done)
    return Scored(done, blank, truncated, dict(exits))


def _classify(classifier: Classifier, rows: Sequence[Row], threshold: float) -> Predictions:
    pairs = [row.text_pair or "" for row in rows] if classifier.config.text_pair else None
    return classifier.predict([row.text for row in rows], pairs, threshold=threshold)


def _columns(predictions: Predictions, scores: Sequence[str]) -> dict[str, Sequence[object]]:
    multi_label = predictions.multi_label
    return {
        "label": [list(labels) if multi_label else labels[0] for labels in predictions.labels],
        "confidence": predictions.confidence.round(6).tolist(),
        "exit_layer": predictions.layers.tolist(),
        "truncated": predictions.truncated.tolist(),
        **{score: predictions.probabilities[:, index].round(6).tolist() for index, score in enumerate(scores)},
    }
