"""Refitting a model's temperatures on other data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from offramp.backends import REFERENCE, Engine
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.calibration.chained import joined
from offramp.calibration.sets import Decide, decide_of
from offramp.data import (
    Columns,
    Data,
    LabeledTexts,
    Texts,
    check_untrained,
    distinct,
    read_labeled,
)
from offramp.engine import answers_of, check_model, check_rows, exports_of, save_calibration
from offramp.engine.choosing import path_of
from offramp.errors import DataError, ModelFolderError, OptionError
from offramp.exit_names import names_in_chain
from offramp.files import check_folder_writable
from offramp.folder import models_of
from offramp.model.folder import store_reading
from offramp.model.windows import LongTexts, LongTrial, ReadOn
from offramp.policy import ExitAnswers, OperatingPoint, read_operating_points
from offramp.progress import OnProgress, unheard

if TYPE_CHECKING:
    from offramp.engine import Classifier
    from offramp.engine.cascade import Cascade


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a new calibration changed.

    Attributes:
        before: the old calibration; neutral if there was none that could be read.
        after: the new calibration.
        void: the operating points that were tuned for the old temperatures and no longer hold.
        names: of the exits, before and after.
        read_on: how long texts are read window by window from now on; None where they are cut.
        long: whether that would help a model that cuts them; None where hardly any row is cut.
    """

    before: Calibration
    after: Calibration
    void: tuple[OperatingPoint, ...]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    read_on: ReadOn | None = None
    long: LongTrial | None = None


def calibrate(
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
    long: LongTexts | None = None,
    label_thresholds: Decide | str | None = None,
    on_progress: OnProgress = unheard,
) -> Recalibration:
    """Fits one temperature per exit to labeled texts and stores them with the model, for its exports too.

    Use texts that the model was not trained on; with fewer than a few hundred rows the temperatures are uncertain.

    Args:
        model: a model folder, whose ``calibration.json`` and ``seen_rows.json`` change, and the ``export.json`` of each
            export. Or a classifier in memory, which changes together with its folder if it has one. Operating points
            tuned for the old temperatures no longer hold: tune again.
        data: labeled texts, as a source or in memory; see :func:`offramp.data.read_rows`.
        columns: names of the columns.
        long: what becomes of texts that are longer than the model reads at once; by default what did so far. The rows
            choose how the windows of a text are combined. Not for a chain, which reads as its models do.
        label_thresholds: where a text has any number of labels, the probability from which each holds: ``f1`` for the
            best F1 of each, ``half`` for 0.5, or how many times what a wrong label costs a missed one does; by default
            fitted as those of the model were. A chain has those of its last model.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        DataError: the data cannot be read, has too few different texts or labels the model does not know, or the model
            was trained on it.
        ModelFolderError: the folder is damaged or not an offramp model.
        StorageError: the folder cannot be written.

    Example:
        >>> found = offramp.calibrate("model", "fresh.csv")
        >>> found.after.rows, found.after.temperatures
        (240, (..., ..., ..., ...))
        >>> found.before == found.after
        False
    """
    folder = path_of(model)
    known, long = check_model(folder or model), long or LongTexts()
    if folder is not None:
        check_folder_writable(folder)
    rows = read_labeled(data, columns or Columns())
    check_rows(known, rows)
    check_enough(rows)
    decide = None if label_thresholds is None else decide_of(label_thresholds, multi_label=rows.multi_label)
    classifier = None if isinstance(model, str | Path) else model
    if folder is None:
        assert classifier is not None
        return _in_memory(classifier, rows, long, decide, on_progress)
    check_untrained(folder, rows, "it is surer of them than of any others, so temperatures would come out too low")
    models, points = models_of(folder), read_operating_points(folder).points
    if long.long is not None and len(models) > 1:
        raise OptionError(
            f"{folder} is a chain, which reads long texts as its models do; set `long` for its last model, and chain "
            "them again",
            option="long",
            value=long.long,
        )
    last = _fit(models[-1], rows, long, decide, on_progress)
    each = [*(_fit(one, rows, long, last.thresholds, on_progress) for one in models[:-1]), last]
    for one, found in zip(models, each, strict=True):
        if long.long is not None:
            store_reading(one, found.answered.cascade.read_on)
        for engine, calibration in found.fitted.items():
            save_calibration(one, engine, calibration, rows)
    if classifier is not None:
        engines = classifier.engine.of_models(len(models))
        pairs = zip(each, engines, strict=True)
        calibration = joined([found.fitted[_keeper(engine)] for found, engine in pairs])
        classifier.recalibrate(calibration, _reading(classifier, long, each[-1].answered.cascade.read_on))
    return Recalibration(
        before=joined([found.before[REFERENCE] for found in each]),
        after=joined([found.fitted[REFERENCE] for found in each]),
        void=tuple(point for point in points if _changed(each, point.engine)),
        names=(names_in_chain([one.names[0] for one in each]), names_in_chain([one.names[1] for one in each])),
        read_on=each[-1].answered.cascade.read_on,
        long=each[-1].answered.trial,
    )


def _reading(classifier: "Classifier", long: LongTexts, read_on: ReadOn | None) -> "Cascade":
    """What texts pass in a classifier that is in memory, too, once its folder says how long ones are read."""
    from offramp.engine.long_texts import reading

    return (classifier if long.long is None else reading(classifier, read_on)).runner.cascade


def _in_memory(
    classifier: "Classifier", rows: LabeledTexts, long: LongTexts, decide: Decide | None, on_progress: OnProgress
) -> Recalibration:
    on_progress("running all exits", 0, 1)
    before, names, engine = classifier.calibration, classifier.exit_names, classifier.engine
    answered = _answered(classifier, rows, long)
    decided = before.decides if decide is None else decide
    classifier.recalibrate(answered.answers.calibration(rows.fingerprint, decide=decided), answered.cascade)
    points = classifier.points.of(engine).values()
    void = tuple(point for point in points if point.model != classifier.fingerprint)
    after, names_now = classifier.calibration, classifier.exit_names
    return Recalibration(before, after, void, (names, names_now), answered.cascade.read_on, answered.trial)


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a model answers to the rows, reading long texts as it is to, and whether another way would help."""

    cascade: "Cascade"
    answers: ExitAnswers
    trial: LongTrial | None


def _answered(classifier: "Classifier", rows: LabeledTexts, long: LongTexts) -> _Answered:
    from offramp.engine.long_texts import chosen, reading, tried

    cascade = classifier.runner.cascade
    if long.long is None:
        answers = answers_of(classifier, rows)
        return _Answered(cascade, answers, tried(classifier, rows, answers))
    wanted = reading(classifier, long.reading(classifier.tokenizer, cascade.read_on))
    if wanted.runner.cascade.read_on is None:
        return _Answered(wanted.runner.cascade, answers_of(wanted, rows), None)
    read_on, answers = chosen(wanted, rows)
    return _Answered(reading(wanted, read_on).runner.cascade, answers, None)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Temperatures of one model, by the engines that its folder has some for: those before, and those fitted now.

    ``names`` are those of its exits, before and now.
    """

    before: dict[Engine, Calibration]
    fitted: dict[Engine, Calibration]
    names: tuple[tuple[str, ...], tuple[str, ...]]
    answered: _Answered
    labels: tuple[str, ...]

    @property
    def thresholds(self) -> dict[str, float]:
        """From which probability labels hold, by their names; empty for 0.5."""
        return dict(zip(self.labels, self.fitted[REFERENCE].thresholds, strict=False))


def _fit(
    folder: Path,
    rows: LabeledTexts,
    long: LongTexts,
    decide: Decide | dict[str, float] | None,
    on_progress: OnProgress,
) -> _Fitted:
    """Fits the temperatures of one model in each of its engines; nothing is written.

    Args:
        decide: how thresholds of labels are chosen, by default as the model's were; or the thresholds themselves.
    """
    on_progress("loading the model", 0, None)
    from offramp.engine import open_export, torch_classifier
    from offramp.engine.loading import words_of
    from offramp.engine.long_texts import reading
    from offramp.model import load

    loaded = load(folder)
    words = words_of(folder, loaded.network.config)
    labels = tuple(loaded.network.config.labels)
    neutral = Calibration.neutral(loaded.network.config.all_exits, words=words is not None)
    classifier = torch_classifier(loaded, _stored(folder, neutral), words=words)

    def fit(answers: ExitAnswers, before: Calibration) -> Calibration:
        if isinstance(decide, dict):
            thresholds = tuple(decide[label] for label in labels) if decide else ()
            answers = replace(answers, problem=answers.problem.fitted(thresholds, ()))
        how = "keep" if isinstance(decide, dict) else before.decides if decide is None else decide
        return answers.calibration(rows.fingerprint, decide=how)

    before, exports = {REFERENCE: classifier.calibration}, exports_of(folder)
    on_progress("running all exits", 0, 1 + len(exports))
    answered = _answered(classifier, rows, long)
    fitted = {REFERENCE: fit(answered.answers, classifier.calibration)}
    for number, export in enumerate(exports, start=1):
        on_progress("running all exits", number, 1 + len(exports))
        before[export.engine] = export.calibration
        exported = open_export(folder, replace(export, calibration=_fitting(export.calibration, neutral)))
        if long.long is not None:
            exported = reading(exported, answered.cascade.read_on)
        fitted[export.engine] = fit(answers_of(exported, rows), export.calibration)
    return _Fitted(before, fitted, (classifier.exit_names, answered.cascade.names), answered, labels)


def _keeper(engine: Engine) -> Engine:
    """The engine under which temperatures are kept: PyTorch's precisions share theirs."""
    return engine if engine.exported else REFERENCE


def _changed(models: Sequence[_Fitted], engine: Engine) -> bool:
    """Whether any model has other temperatures now in what an operating point runs in."""
    keepers = map(_keeper, engine.of_models(len(models)))
    return any(
        keeper in one.fitted and not one.fitted[keeper].answers_like(one.before[keeper])
        for one, keeper in zip(models, keepers, strict=True)
    )


def check_enough(rows: LabeledTexts | Texts) -> None:
    """Makes sure that temperatures can be fitted to rows.

    Raises:
        DataError: fewer than :data:`offramp.calibration.LEAST_ROWS` of their texts are different.
    """
    if (different := len(distinct(rows))) < LEAST_ROWS:
        raise DataError(
            f"fitting temperatures takes at least {LEAST_ROWS} different texts, better hundreds, and {rows.source} "
            f"has {different}; give more"
        )


def _stored(folder: Path, neutral: Calibration) -> Calibration:
    """The calibration in the folder; neutral if it is missing or damaged, as it is about to be replaced anyway."""
    try:
        return _fitting(Calibration.load(folder), neutral)
    except ModelFolderError:
        return neutral


def _fitting(calibration: Calibration, neutral: Calibration) -> Calibration:
    """The same if it has as many temperatures as the neutral one, which takes its place otherwise."""
    return calibration if len(calibration.temperatures) == len(neutral.temperatures) else neutral
