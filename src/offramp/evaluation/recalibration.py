"""Refitting a model's temperatures on other data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp.backends import REFERENCE, Engine
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.calibration.chained import joined
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
from offramp.errors import DataError, ModelFolderError
from offramp.files import check_folder_writable
from offramp.folder import models_of
from offramp.policy import OperatingPoint, read_operating_points
from offramp.progress import OnProgress, unheard

if TYPE_CHECKING:
    from offramp.engine import Classifier


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a new calibration changed.

    Attributes:
        before: the old calibration; neutral if there was none that could be read.
        after: the new calibration.
        void: the operating points that were tuned for the old temperatures and no longer hold.
    """

    before: Calibration
    after: Calibration
    void: tuple[OperatingPoint, ...]


def calibrate(
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
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
    known = check_model(folder or model)
    if folder is not None:
        check_folder_writable(folder)
    rows = read_labeled(data, columns or Columns())
    check_rows(known, rows)
    check_enough(rows)
    classifier = None if isinstance(model, str | Path) else model
    if folder is None:
        assert classifier is not None
        return _in_memory(classifier, rows, on_progress)
    check_untrained(folder, rows, "it is surer of them than of any others, so temperatures would come out too low")
    models, points = models_of(folder), read_operating_points(folder).points
    each = [_fit(one, rows, on_progress) for one in models]
    for one, found in zip(models, each, strict=True):
        for engine, calibration in found.fitted.items():
            save_calibration(one, engine, calibration, rows)
    if classifier is not None:
        engines = classifier.engine.of_models(len(models))
        pairs = zip(each, engines, strict=True)
        classifier.recalibrate(joined([found.fitted[_keeper(engine)] for found, engine in pairs]))
    return Recalibration(
        before=joined([found.before[REFERENCE] for found in each]),
        after=joined([found.fitted[REFERENCE] for found in each]),
        void=tuple(point for point in points if _changed(each, point.engine)),
    )


def _in_memory(classifier: "Classifier", rows: LabeledTexts, on_progress: OnProgress) -> Recalibration:
    on_progress("running all exits", 0, 1)
    before, engine = classifier.calibration, classifier.engine
    classifier.recalibrate(answers_of(classifier, rows).calibration(rows.fingerprint))
    points = classifier.points.of(engine).values()
    void = tuple(point for point in points if point.model != classifier.fingerprint)
    return Recalibration(before, classifier.calibration, void)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """Temperatures of one model, by the engines that its folder has some for: those before, and those fitted now."""

    before: dict[Engine, Calibration]
    fitted: dict[Engine, Calibration]


def _fit(folder: Path, rows: LabeledTexts, on_progress: OnProgress) -> _Fitted:
    """Fits the temperatures of one model in each of its engines; nothing is written."""
    on_progress("loading the model", 0, None)
    from offramp.engine import open_export, torch_classifier
    from offramp.engine.loading import words_of
    from offramp.model import load

    loaded = load(folder)
    words = words_of(folder, loaded.network.config)
    stored = _stored(folder, loaded.network.config.exits, words=words is not None)
    classifier = torch_classifier(loaded, stored, words=words)
    before, exports = {REFERENCE: classifier.calibration}, exports_of(folder)
    on_progress("running all exits", 0, 1 + len(exports))
    fitted = {REFERENCE: answers_of(classifier, rows).calibration(rows.fingerprint)}
    for number, export in enumerate(exports, start=1):
        on_progress("running all exits", number, 1 + len(exports))
        before[export.engine] = export.calibration
        answers = answers_of(open_export(folder, export), rows)
        fitted[export.engine] = answers.calibration(rows.fingerprint)
    return _Fitted(before, fitted)


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


def _stored(folder: Path, layers: list[int], *, words: bool) -> Calibration:
    """The calibration in the folder; neutral if it is missing or damaged, as it is about to be replaced anyway."""
    neutral = Calibration.neutral(layers, words=words)
    try:
        calibration = Calibration.load(folder)
    except ModelFolderError:
        return neutral
    return calibration if len(calibration.temperatures) == len(neutral.temperatures) else neutral
