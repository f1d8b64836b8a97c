"""What every new model folder holds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offramp.backends import REFERENCE
from offramp.calibration import Calibration
from offramp.data import LabelledTexts, Texts, remember, temperatures_of
from offramp.data.seen import EPOCH, FITTING, SeenRows
from offramp.folder import CARD, TRAINING
from offramp.model import LoadedModel, save


def write_folder(
    new: Path,
    model: LoadedModel,
    calibration: Calibration,
    record: dict[str, Any],
    card: str,
    *,
    fitted: Sequence[LabelledTexts | Texts | SeenRows],
    dev: LabelledTexts | Texts,
) -> None:
    """Writes a model with all that belongs to it.

    Args:
        new: an empty folder.
        record: content of ``training.json``.
        card: content of ``README.md``.
        fitted: all that the model was fitted to, with labels or without, in earlier trainings, too.
        dev: what chose the epoch and the temperatures.
    """
    save(model, new)
    calibration.save(new)
    TRAINING.write(new, record)
    for rows in fitted:
        remember(new, rows, FITTING)
    remember(new, dev, EPOCH, temperatures_of(REFERENCE))
    (new / CARD).write_text(card, encoding="utf-8")
