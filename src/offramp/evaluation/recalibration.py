"""Refitting a model's temperatures on other data."""

from dataclasses import dataclass
from pathlib import Path

from offramp.backends import REFERENCE
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.data import (
    Columns,
    Data,
    LabelledTexts,
    Texts,
    check_untrained,
    distinct,
    read_labelled,
    remember,
    temperatures_of,
)
from offramp.engine import answers_of, check_model, check_rows, exports_of, save_calibration
from offramp.errors import DataError, ModelFolderError
from offramp.files import check_folder_writable
from offramp.policy import OperatingPoint, read_operating_points


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a new calibration changed.

    Attributes:
        before: the temperatures before; 1 where there were none that could be read.
        after: what was fitted and measured now.
        void: the operating points that were tuned for temperatures of before and no longer hold.
    """

    before: Calibration
    after: Calibration
    void: tuple[OperatingPoint, ...]


def calibrate(model: str | Path, data: Data, *, columns: Columns | None = None) -> Recalibration:
    """Fits one temperature per exit to labelled texts and writes them into the model folder, for its exports too.

    Use texts that the model was not trained on; with fewer than a few hundred rows the temperatures are uncertain.

    Args:
        model: a model folder; its ``calibration.json`` changes, the ``export.json`` of each export, and what
            ``seen_rows.json`` says of the rows. Operating points of other temperatures lose their meaning: tune again.
        data: labelled texts, as a source or in memory; see :func:`offramp.data.read_rows`.
        columns: names of their columns.

    Raises:
        DataError: the data cannot be read, has too few different texts or labels the model does not know, or the model
            was trained on it.
        ModelFolderError: the folder is not an offramp model, or damaged.
        StorageError: the folder cannot be written.
    """
    folder = Path(model)
    known = check_model(folder)
    check_folder_writable(folder)
    rows = read_labelled(data, columns or Columns())
    check_rows(known, rows)
    check_enough(rows)
    check_untrained(folder, rows, "it is surer of them than of any others, so temperatures would come out too low")
    from offramp.engine import open_export, torch_classifier
    from offramp.model import load

    loaded = load(folder)
    classifier = torch_classifier(loaded, _there(folder, loaded.network.config.exits))
    before = {REFERENCE: classifier.calibration}
    fitted = {REFERENCE: answers_of(classifier, rows).calibration(rows.fingerprint)}
    for export in exports_of(folder):
        before[export.engine] = export.calibration
        answers = answers_of(open_export(folder, export), rows)
        fitted[export.engine] = answers.calibration(rows.fingerprint)
    points = read_operating_points(folder).points
    for engine, calibration in fitted.items():
        save_calibration(folder, engine, calibration)
    remember(folder, rows, *map(temperatures_of, fitted))
    # PyTorch's precisions share their temperatures.
    changed = {temperatures_of(one) for one in fitted if fitted[one].temperatures != before[one].temperatures}
    void = tuple(point for point in points if temperatures_of(point.engine) in changed)
    return Recalibration(classifier.calibration, fitted[REFERENCE], void)


def check_enough(rows: LabelledTexts | Texts) -> None:
    """Makes sure that temperatures can be fitted to rows.

    Raises:
        DataError: fewer than :data:`offramp.calibration.LEAST_ROWS` of their texts are different.
    """
    if (different := len(distinct(rows))) < LEAST_ROWS:
        raise DataError(
            f"temperatures take at least {LEAST_ROWS} different texts, or some hundreds to be sure, and {rows.source} "
            f"has {different} to fit them to; give more"
        )


def _there(folder: Path, exits: list[int]) -> Calibration:
    """The calibration in the folder; one that is missing or damaged is about to be replaced and does not matter."""
    try:
        there = Calibration.load(folder)
    except ModelFolderError:
        return Calibration.neutral(exits)
    return there if len(there.temperatures) == len(exits) else Calibration.neutral(exits)
