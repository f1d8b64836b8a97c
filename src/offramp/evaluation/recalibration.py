"""Refitting a model's temperatures on other data."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp.backends import REFERENCE, Engine
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.data import (
    Columns,
    Data,
    LabeledTexts,
    Texts,
    check_untrained,
    distinct,
    read_labeled,
    remember,
    temperatures_of,
)
from offramp.engine import answers_of, check_model, check_rows, exports_of, save_calibration
from offramp.engine.choosing import path_of
from offramp.errors import DataError, ModelFolderError
from offramp.files import check_folder_writable
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
    result, fitted = _in_folder(folder, rows, on_progress)
    if classifier is not None:
        engine = classifier.stages.engine
        classifier.recalibrate(fitted[engine if engine.exported else REFERENCE])
    return result


def _in_memory(classifier: "Classifier", rows: LabeledTexts, on_progress: OnProgress) -> Recalibration:
    on_progress("running all exits", 0, 1)
    before, engine = classifier.calibration, classifier.stages.engine
    classifier.recalibrate(answers_of(classifier, rows).calibration(rows.fingerprint))
    points = classifier.points.of(engine).values()
    void = tuple(point for point in points if point.model != classifier.fingerprint)
    return Recalibration(before, classifier.calibration, void)


def _in_folder(
    folder: Path, rows: LabeledTexts, on_progress: OnProgress
) -> tuple[Recalibration, dict[Engine, Calibration]]:
    """What changed, and the new calibration of each engine that the folder has one for."""
    on_progress("loading the model", 0, None)
    from offramp.engine import open_export, torch_classifier
    from offramp.model import load

    loaded = load(folder)
    classifier = torch_classifier(loaded, _stored(folder, loaded.network.config.exits))
    before, exports = {REFERENCE: classifier.calibration}, exports_of(folder)
    on_progress("running all exits", 0, 1 + len(exports))
    fitted = {REFERENCE: answers_of(classifier, rows).calibration(rows.fingerprint)}
    for number, export in enumerate(exports, start=1):
        on_progress("running all exits", number, 1 + len(exports))
        before[export.engine] = export.calibration
        answers = answers_of(open_export(folder, export), rows)
        fitted[export.engine] = answers.calibration(rows.fingerprint)
    points = read_operating_points(folder).points
    for engine, calibration in fitted.items():
        save_calibration(folder, engine, calibration)
    remember(folder, rows, *map(temperatures_of, fitted))
    # PyTorch's precisions share their temperatures.
    refitted = [engine for engine in fitted if fitted[engine].temperatures != before[engine].temperatures]
    changed = set(map(temperatures_of, refitted))
    void = tuple(point for point in points if temperatures_of(point.engine) in changed)
    return Recalibration(classifier.calibration, fitted[REFERENCE], void), fitted


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


def _stored(folder: Path, exits: list[int]) -> Calibration:
    """The calibration in the folder; neutral if it is missing or damaged, as it is about to be replaced anyway."""
    try:
        calibration = Calibration.load(folder)
    except ModelFolderError:
        return Calibration.neutral(exits)
    return calibration if len(calibration.temperatures) == len(exits) else Calibration.neutral(exits)
