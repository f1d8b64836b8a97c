"""Scoring a file of texts into a file of predictions, in constant memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from offramp.backends import AUTOMATIC, Runtime
from offramp.data import (
    EVERYTHING,
    Columns,
    Progress,
    Row,
    begun,
    check_apart,
    check_target,
    peeked,
    read_rows,
    result_writer,
    source_identity,
)
from offramp.engine.ahead import ahead
from offramp.engine.answering import check_pairs
from offramp.engine.arriving import arriving
from offramp.engine.choosing import WINDOW, check_handing_over, check_model, check_unloaded, open_model
from offramp.engine.handed_over import HandedOver, check_beside
from offramp.engine.predictions import Predictions, column_names
from offramp.errors import OptionError
from offramp.model.folder import ModelFacts
from offramp.policy import ExitRule
from offramp.progress import OnProgress, unheard

if TYPE_CHECKING:
    from offramp.engine.classifier import Classifier

# What a caller hears while rows are classified.
_WHAT = "classifying"


@dataclass(frozen=True, slots=True)
class Window:
    """Rows that are sorted and batched together.

    Attributes:
        rows: as they were read.
        texts, text_pairs: what is to be classified in them; no second texts if the model takes none.
    """

    rows: Sequence[Row]
    texts: list[str]
    text_pairs: list[str] | None


# Classifies windows, in their order: here, or in other processes.
_Score = Callable[[ExitRule, Iterator[Window]], Iterator[tuple[Window, Predictions]]]


@runtime_checkable
class Elsewhere(Protocol):
    """Other processes that hold a model, such as those of :func:`offramp.scale.pool`.

    Attributes:
        classifier: the model, in this process.
    """

    @property
    def classifier(self) -> "Classifier": ...

    def score(self, rule: ExitRule, windows: Iterator[Window], /) -> Iterator[tuple[Window, Predictions]]:
        """Classifies windows, in their order; it makes the predictions that the classifier would make of them."""


@dataclass(frozen=True, slots=True)
class ScoredFile:
    """What went through.

    Attributes:
        rows: rows read and written.
        blank: rows without a text; they were classified as the empty text.
        truncated: rows whose text was longer than the model takes.
        exits: rows that took each exit, by its name, such as ``layer 4``.
        handed_over: rows that were handed over instead of answered.
        point: the operating point by which rows left; None where a threshold or a rule decided.
    """

    rows: int
    blank: int
    truncated: int
    exits: dict[str, int]
    handed_over: int
    point: str | None = field(default=None, repr=False)


def predict(
    model: "str | Path | Classifier | Elsewhere",
    *,
    input: str | Path,  # noqa: A002
    output: str | Path,
    columns: Columns | None = None,
    threshold: float | None = None,
    at: str | None = None,
    rule: ExitRule | None = None,
    probabilities: bool = False,
    keep: Sequence[str] | Mapping[str, str] = (),
    handed_over: str | Path | None = None,
    resume: bool = False,
    runtime: Runtime = AUTOMATIC,
    on_progress: OnProgress = unheard,
) -> ScoredFile:
    """Classifies every row of a source and writes one row for each, in the same order.

    The output has the columns ``label`` (for multi-label models a list), ``confidence``, ``exit``, by its name,
    and ``truncated``; before them the columns in ``keep`` as they were read, and after them, if wanted, one
    ``probability_LABEL`` for every label. Where the rule may hand rows over, there are ``handed_over`` and
    ``best_guess``, too, and the ``label`` of such rows is null. The output gets its name when the last row is written.
    Until then, also after an error or a kill, the rows so far lie beside it in ``OUTPUT.unfinished``.

    Args:
        model: a model folder, a classifier in memory, or processes that hold one, see :func:`offramp.scale.pool`.
        input: a csv, tsv, jsonl or parquet file, a folder, a hub id, or ``-`` for standard input.
        output: a csv, tsv, jsonl or parquet file, or ``-`` for jsonl on standard output.
        threshold, at, rule: when a row leaves; see :meth:`Classifier.exit_rule`.
        probabilities: write every label's probability.
        keep: input columns to carry through; a mapping gives them other names in the output.
        handed_over: a further file, of the same formats, for the rows that are handed over: all columns of the input
            (in json those of its first row), with ``best_guess`` and ``confidence``.
        resume: go on with the unfinished run of the same call, if there is one; the output is that of an unbroken run.
            Without it such a run is an error.
        runtime: what runs a model folder; see :func:`offramp.load`. A classifier in memory takes none.
        on_progress: is told what is being done, and how many rows have left so far.

    Raises:
        DataError: the input cannot be read.
        ModelFolderError: the folder is not an offramp model, or damaged; or the operating point is out of date.
        OptionError: an option is out of range, there is no such operating point, no format belongs to the output, it is
            the input or lies in its folder, an unfinished run is there and not to be resumed, or the run to resume is
            another one or has a stream for input or output; or ``handed_over`` is given, and the rule never hands rows
            over, or it is the input or the output, or the input has such columns itself.
        StorageError: the output cannot be written or the disk is full.

    Example:
        >>> offramp.predict("model", input="test.csv", output="labels.csv", threshold=0, keep=["text"])
        ScoredFile(rows=240, blank=0, truncated=0, exits={'layer 1': 240, 'layer 2': 0, 'layer 3': 0, 'layer 4': 0},
                   handed_over=0)
        >>> from pathlib import Path
        >>> Path("labels.csv").read_text().splitlines()[0]
        'text,label,confidence,exit,truncated'
    """
    elsewhere = model if isinstance(model, Elsewhere) else None
    model = model.classifier if isinstance(model, Elsewhere) else model
    input, output, columns = str(input), str(output), columns or Columns()  # noqa: A001
    apart = None if handed_over is None else str(handed_over)
    carried = keep if isinstance(keep, Mapping) else {name: name for name in keep}
    names = list(carried.values())
    check_unloaded(model, threads=runtime.threads)
    known = check_model(model, runtime, threshold=threshold, at=at)
    if apart is not None:
        check_handing_over(model, runtime, threshold=threshold, at=at, rule=rule)
    check_columns(known, columns, names, probabilities)
    rows = open_rows(input, output, columns, list(carried), resume=resume, handed_over=apart)
    classifier = open_model(model, runtime, on_progress)
    chosen = classifier.exit_rule(threshold, at, rule)
    check_columns(classifier, columns, names, probabilities, may_hand_over=chosen.may_hand_over)
    options = {
        "exit rule": repr(chosen),
        "probabilities": probabilities,
        "keep": [list(column) for column in carried.items()],
        "file of rows handed over": apart,
    }
    settings = _settings(classifier, input, output, columns, options)
    written = [*names, *column_names(classifier.labels, probabilities, chosen.may_hand_over)]
    with ExitStack() as files:
        beside = None
        if apart is not None:  # it ends after the output, so that an output without it is never whole
            first, rows = peeked(rows)
            beside = files.enter_context(HandedOver.open(apart, first, settings, resume=resume))
        writer = files.enter_context(result_writer(output, written, settings=settings, resume=resume))
        rows = islice(rows, writer.progress.rows, None)
        streams = source_identity(input) is None and elsewhere is None
        windows = windows_of(classifier, rows, streams=streams)

        def tell(rows: int) -> None:
            on_progress(_WHAT, writer.progress.rows + rows, None)

        if resume:
            tell(0)
        own: _Score = partial(_score, classifier, in_advance=not streams, on_rows=tell)
        score = own if elsewhere is None else elsewhere.score
        for window, predictions in score(chosen, windows):
            if beside is not None:  # before the output, whose progress says from where a run goes on
                beside.write(window.rows, predictions, writer.progress.rows)
            kept = zip(*(row.kept[: len(names)] for row in window.rows), strict=True)
            chunk = dict(zip(names, kept, strict=True)) | columns_of(predictions, probabilities)
            writer.write(chunk, _counts(window.rows, predictions))
            tell(0)
    point = None if rule is not None else classifier.points.used(at, threshold)
    return _scored(writer.progress, classifier.exit_names, point)


def open_rows(
    source: str, target: str, columns: Columns, keep: Sequence[str], *, resume: bool, handed_over: str | None = None
) -> Iterator[Row]:
    """Rows to classify, once it is certain that they can be read and their predictions written.

    The arguments and errors are those of :func:`predict`; with ``handed_over`` the last of what rows keep is all.
    """
    everything = () if handed_over is None else (EVERYTHING,)
    rows = read_rows(source, columns, labeled=False, keep=[*keep, *everything])
    check_apart(target, source)
    check_target(target, resume=resume)
    if handed_over is not None:
        check_beside(handed_over, target, source, resume=resume)
    streams = source_identity(source) is None
    if resume and (streams or "-" in (target, handed_over)):
        raise OptionError(
            "a run from standard input or another stream, or to standard output, cannot be resumed; "
            "leave out `resume`, or name files",
            option="resume",
        )
    # Nobody knows when a stream begins, and the model can be loaded meanwhile.
    return rows if streams else begun(rows, WINDOW)


def columns_of(predictions: Predictions, probabilities: bool) -> dict[str, Sequence[object]]:
    """Predictions as columns of plain values; see :func:`column_names`."""
    columns = predictions.columns(probabilities=probabilities)
    return {name: values if isinstance(values, list) else _plain(values) for name, values in columns.items()}


def _plain(values: NDArray[Any]) -> list[object]:
    return (values.round(6) if np.issubdtype(values.dtype, np.floating) else values).tolist()


def check_columns(
    model: "Classifier | ModelFacts",
    columns: Columns,
    keep: Sequence[str],
    probabilities: bool,
    *,
    may_hand_over: bool = False,
) -> None:
    """Raises if a model cannot make of some columns what was asked for.

    Args:
        keep: what the columns that are kept are called in the output.
        may_hand_over: whether the rule may hand rows over, for which there are columns.

    Raises:
        DataError: it takes pairs of texts and one is named, or the other way round.
        OptionError: two columns of the output would have one name.
    """
    check_pairs(model, columns.text_pair, option="text_pair")
    own = column_names(model.labels, probabilities, may_hand_over)
    doubled = [name for name, number in Counter([*keep, *own]).items() if number > 1]
    if doubled:
        raise OptionError(
            f"cannot keep the column {doubled[0]!r}: predictions have a column of that name; give it another, as "
            f"`keep` {doubled[0]}=old_{doubled[0]}",
            option="keep",
            value=doubled[0],
        )


def _settings(
    classifier: "Classifier", source: str, output: str, columns: Columns, options: dict[str, Any]
) -> dict[str, Any] | None:
    """What has to be the same for a run to be resumed; None if it cannot be."""
    identity = source_identity(source)
    if identity is None or output == "-":
        return None
    return {
        "input": identity,
        "model": classifier.fingerprint,
        "offramp": version("offramp"),
        "text column": columns.text,
        "text pair column": columns.text_pair,
        "quoting": columns.quoting,
        **options,
        # Rows are sorted and batched within a window: other ones round differently in the last digit.
        "window": WINDOW,
        "token budget": classifier.token_budget,
    }


def _whole(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while window := list(islice(rows, WINDOW)):
        yield window


def windows_of(classifier: "Classifier", rows: Iterator[Row], *, streams: bool) -> Iterator[Window]:
    """Rows as they are classified together; of a stream, as many as have arrived."""
    for window in arriving(rows, WINDOW) if streams else _whole(rows):
        pairs = [row.text_pair or "" for row in window] if classifier.config.text_pair else None
        yield Window(window, [row.text for row in window], pairs)


def _score(
    classifier: "Classifier",
    rule: ExitRule,
    windows: Iterator[Window],
    *,
    in_advance: bool,
    on_rows: Callable[[int], None],
) -> Iterator[tuple[Window, Predictions]]:
    """Classifies in this process; with ``in_advance``, while one window is run the next is read and begun."""
    runner = classifier.runner
    begun = ((window, runner.prepare(window.texts, window.text_pairs, rule)) for window in windows)
    for window, passage in ahead(begun) if in_advance else begun:
        yield window, runner.complete(passage, on_rows=on_rows)


def _counts(rows: Sequence[Row], predictions: Predictions) -> Counter[str]:
    return Counter(
        blank=sum(row.blank for row in rows),
        truncated=int(predictions.truncated.sum()),
        handed_over=int(predictions.handed_over.sum()),
        **Counter(map(_exit, predictions.exits.tolist())),
    )


def _scored(progress: Progress, names: Sequence[str], point: str | None) -> ScoredFile:
    counts = Counter(progress.counts)
    return ScoredFile(
        progress.rows,
        counts["blank"],
        counts["truncated"],
        {name: counts[_exit(index)] for index, name in enumerate(names)},
        counts["handed_over"],
        point,
    )


def _exit(index: int) -> str:
    return f"exit {index}"
