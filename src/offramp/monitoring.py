"""A file of texts through the detectors of the server: the ``monitor`` verb."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from offramp import environment
from offramp.backends import AUTOMATIC, Runtime
from offramp.data import Columns, Data, Row, peeked, read_rows, source_identity
from offramp.drift import (
    PROMISE_AT_RISK,
    TEXTS_HAVE_CHANGED,
    Audits,
    Figures,
    expected_disagreement,
    read_summaries,
    standing,
)
from offramp.engine.answering import check_pairs
from offramp.engine.choosing import check_model, check_unloaded, open_model, path_of, points_of
from offramp.engine.hub import folder_of
from offramp.errors import CheckFailed, ModelFolderError, OptionError
from offramp.policy import OperatingPoint
from offramp.progress import OnProgress, unheard
from offramp.records import to_json

if TYPE_CHECKING:
    from offramp.engine import Classifier, Predictions
    from offramp.engine.predict_file import Window
    from offramp.engine.steps import Leaving
    from offramp.engine.watching import Watched

SCHEMA = 1
AUDIT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class WatchedAlarm:
    """An alarm, raised or not.

    Attributes:
        name: ``promise at risk`` or ``texts have changed``.
        row: that raised it, counted from 1; None if none has.
        looked: texts that it looked at.
        cause: what was found then, in words; None if nothing was.
        figures: of its detectors, at the end.
    """

    name: str
    row: int | None
    looked: int
    cause: str | None
    figures: tuple[Figures, ...]


@dataclass(frozen=True, slots=True)
class Monitored:
    """Everything ``offramp monitor --json`` writes.

    Attributes:
        point: the operating point at which the texts were classified.
        rows, blank, truncated: how many there were, without a text, and longer than the model reads.
        exits: rows that took each exit, by its name.
        alarms: both, raised or not.
        standing: what the point's promise is worth on these texts, in words.
    """

    schema: int
    environment: dict[str, Any]
    model: dict[str, Any]
    source: str
    point: str
    rows: int
    blank: int
    truncated: int
    exits: dict[str, int]
    alarms: tuple[WatchedAlarm, ...]
    standing: str

    @property
    def raised(self) -> tuple[WatchedAlarm, ...]:
        """The alarms that were raised."""
        return tuple(alarm for alarm in self.alarms if alarm.row is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return dict(to_json(self))


def monitor(
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
    at: str | None = None,
    audit_share: float = AUDIT_SHARE,
    runtime: Runtime = AUTOMATIC,
    seed: int = 0,
    on_progress: OnProgress = unheard,
) -> Monitored:
    """Classifies texts at an operating point and tells whether its promise is at risk, and whether texts have changed.

    The detectors are those of :func:`offramp.serve`, and so is the bound: each of the two alarms is ever raised falsely
    with a chance of at most 1 %, on texts drawn like the calibration texts, however many there are. Rows are taken in
    their order, in constant memory.

    Args:
        model: a model folder that was tuned, or a classifier in memory.
        data: texts, as a source or in memory, see :func:`offramp.data.read_rows`; no labels are needed.
        columns: names of the columns.
        at: the operating point; by default the model's default one.
        audit_share: share of rows, drawn at random, that are run to full depth as well.
        runtime: what runs a model folder; see :func:`offramp.load`. A classifier in memory takes none.
        seed: decides which rows are drawn.
        on_progress: is told what is being done, and how many rows are done.

    Raises:
        DataError: the data cannot be read, or do not fit the model.
        ModelFolderError: the folder is damaged or not an offramp model, the operating point is out of date, or nothing
            is known of its calibration texts.
        OptionError: an option is out of range, or there is no such operating point.

    Example:
        >>> tuned = offramp.tune("model", "fresh.csv", threshold=0.8, name="mine")
        >>> monitored = offramp.monitor("model", "test.csv", at="mine")
        >>> [(alarm.name, alarm.row) for alarm in monitored.alarms]
        [('promise at risk', None), ('texts have changed', None)]
    """
    if not 0 <= audit_share <= 1:
        raise OptionError(
            f"audit_share is {audit_share}; use a share from 0 to 1", option="audit_share", value=audit_share
        )
    check_unloaded(model, threads=runtime.threads)
    known = check_model(model, runtime, at=at)
    model = folder_of(model) if isinstance(model, str | Path) else model
    name = _check_point(model, at, runtime)
    first, rows = peeked(read_rows(data, columns or Columns(), labeled=False))
    check_pairs(known, first.text_pair, option="text_pair")
    classifier = open_model(model, runtime, on_progress)
    point = classifier.operating_point(name)
    streams = isinstance(data, str | Path) and source_identity(str(data)) is None
    watch = _Watch(classifier, point, audit_share, seed)
    watch.run(rows, streams, on_progress)
    return Monitored(
        schema=SCHEMA,
        environment={**environment.describe(), "seed": seed},
        model={
            "folder": None if classifier.folder is None else str(classifier.folder),
            "fingerprint": classifier.fingerprint,
            **asdict(classifier.engine),
        },
        source=str(data) if isinstance(data, str | Path) else "texts in memory",
        point=name,
        rows=watch.rows,
        blank=watch.blank,
        truncated=watch.truncated,
        exits=dict(zip(classifier.exit_names, watch.exits.tolist(), strict=True)),
        alarms=watch.alarms(),
        standing=standing(point, watch.audits, watch.watched.monitor.alarm),
    )


def check(monitored: Monitored) -> None:
    """Makes sure that no alarm was raised.

    Raises:
        CheckFailed: one was.
    """
    if monitored.raised:
        raise CheckFailed("; ".join(f"{alarm.name}, at row {alarm.row}: {alarm.cause}" for alarm in monitored.raised))


class _Watch:
    """Rows on their way through a classifier at an operating point, watched; and what was found of them."""

    def __init__(self, classifier: "Classifier", point: OperatingPoint, audit_share: float, seed: int) -> None:
        from offramp.engine.watching import watched

        found = watched(classifier, point)
        if found is None:
            raise _unknown(point.name, path_of(classifier))
        self.watched: Watched = found
        self.audits = Audits(expected_disagreement(point))
        self.rows = self.blank = self.truncated = 0
        self.exits = np.zeros(len(classifier.exits), np.int64)
        self._classifier = classifier
        self._rule = point.rule
        self._share = audit_share
        self._random = np.random.default_rng(seed)
        self._differed: int | None = None
        self._audited: str | None = None

    def run(self, rows: Iterator[Row], streams: bool, on_progress: OnProgress) -> None:
        """Classifies all rows."""
        from offramp.engine.predict_file import windows_of

        for window in windows_of(self._classifier, rows, streams=streams):
            predictions = self._classify(window)
            self._audit(window, predictions)
            self.blank += sum(row.blank for row in window.rows)
            self.truncated += int(predictions.truncated.sum())
            self.exits += np.bincount(predictions.exits, minlength=len(self.exits))
            self.rows += len(window.rows)
            on_progress("classifying", self.rows, None)

    def alarms(self) -> tuple[WatchedAlarm, ...]:
        """Both alarms, as far as they are."""
        audits, changed = self.audits, self.watched.monitor.alarm
        differing = Figures(
            "early answers that differ from full depth",
            audits.recent().value if audits.looked else None,
            audits.expected,
            audits.log_evidence,
            audits.log_needed,
        )
        cause = None if changed.cause is None else str(changed.cause)
        return (
            WatchedAlarm(PROMISE_AT_RISK, self._differed, audits.looked, self._audited, (differing,)),
            WatchedAlarm(TEXTS_HAVE_CHANGED, changed.raised, changed.looked, cause, tuple(changed.figures())),
        )

    def _classify(self, window: "Window") -> "Predictions":
        view, runner = self.watched.view, self._classifier.runner
        disagreement = np.full(len(window.texts), np.nan)

        def see(leaving: "Leaving") -> None:
            disagreement[leaving.ids] = view.disagreement(leaving.passed)

        passage = runner.prepare(window.texts, window.text_pairs, self._rule, see)
        predictions = runner.complete(passage)
        found = (predictions.exits, predictions.probabilities, disagreement, predictions.tokens)
        self.watched.monitor.add(view.observed(window.texts, window.text_pairs, *found))
        return predictions

    def _audit(self, window: "Window", predictions: "Predictions") -> None:
        """Runs some rows to full depth."""
        drawn = np.flatnonzero((self._random.random(len(window.texts)) < self._share) & ~predictions.handed_over)
        differs = self._differ(window, predictions, drawn)
        for place, seen in zip(drawn.tolist(), differs.tolist(), strict=True):
            if self.audits.add(seen):
                self._differed, self._audited = self.rows + place + 1, str(self.audits)

    def _differ(self, window: "Window", predictions: "Predictions", drawn: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the answers to rows at some places differ from those of full depth."""
        differs = np.zeros(len(drawn), np.bool_)
        early = np.flatnonzero(predictions.exits[drawn] < len(self.exits) - 1)
        if len(early):
            places = drawn[early].tolist()
            pairs = None if window.text_pairs is None else [window.text_pairs[place] for place in places]
            full = self._classifier.predict_full([window.texts[place] for place in places], pairs)
            agree = self._classifier.problem.agree(predictions.probabilities[places], full.probabilities)
            differs[early] = ~agree
        return differs


def _check_point(model: "Path | Classifier", at: str | None, runtime: Runtime) -> str:
    """The name of the operating point that is meant, once it is certain that its calibration texts are known."""
    points, engine = points_of(model, runtime)
    known = read_summaries(model) if isinstance(model, Path) else model.summaries
    name = points.used(at)
    if name is None:
        names = ", ".join(points.of(engine))
        cure = f"name one of {names}" if names else "run  offramp tune"
        raise OptionError(f"at is not given, and the model has no default operating point; {cure}", option="at")
    points.at(name, engine)
    if not any((summary.point, summary.engine) == (name, engine) for summary in known.summaries):
        raise _unknown(name, path_of(model))
    return name


def _unknown(name: str, folder: Path | None) -> ModelFolderError:
    return ModelFolderError(
        f"nothing is known of the calibration texts of the operating point {name!r}, which others are held against; "
        "run  offramp tune  again",
        option="at",
        value=name,
        path=folder,
    )
