"""Refitting a model's temperatures on other data."""

from dataclasses import dataclass
from pathlib import Path

from offramp.calibration import Calibration, fit_calibration
from offramp.data import Columns, read_labelled
from offramp.engine import Classifier
from offramp.errors import ModelFolderError
from offramp.evaluation.evaluation import targets_of
from offramp.model import load


@dataclass(frozen=True, slots=True)
class Recalibration:
    """The temperatures before (1 where there were none that could be read), and what was fitted and measured now."""

    before: Calibration
    after: Calibration


def calibrate(model: str | Path, data: str, *, columns: Columns | None = None) -> Recalibration:
    """Fits one temperature per exit to labelled texts and writes them into the model folder.

    Use texts that the model was not trained on; with fewer than a few hundred rows the temperatures are uncertain.

    Args:
        model: a model folder; only its ``calibration.json`` changes.
        data: labelled texts, as a source.

    Raises:
        DataError: the data cannot be read, or has labels the model does not know.
        ModelFolderError: the folder is not an offramp model, or damaged.
        StorageError: the folder cannot be written.
    """
    folder = Path(model)
    loaded = load(folder)
    classifier = Classifier(loaded, _there(folder, loaded.network.config.exits))
    rows = read_labelled(data, columns or Columns())
    targets = targets_of(classifier, rows)
    logits = classifier.exit_logits(rows.texts, rows.text_pairs)
    after = fit_calibration(logits, targets, classifier.problem, classifier.exits, rows.fingerprint)
    after.save(folder)
    return Recalibration(classifier.calibration, after)


def _there(folder: Path, exits: list[int]) -> Calibration:
    """The calibration in the folder; one that is missing or damaged is about to be replaced and does not matter."""
    try:
        there = Calibration.load(folder)
    except ModelFolderError:
        return Calibration.neutral(exits)
    return there if len(there.temperatures) == len(exits) else Calibration.neutral(exits)
