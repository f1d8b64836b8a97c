"""What every new model folder holds."""

from pathlib import Path
from typing import Any

from offramp.calibration import Calibration
from offramp.data import LabelledTexts, Texts, remember, temperatures_of
from offramp.data.seen import EPOCH, FITTING
from offramp.files import write_json
from offramp.model import LoadedModel, save
from offramp.training.checks import TRAINING


def write_folder(
    new: Path,
    model: LoadedModel,
    calibration: Calibration,
    record: dict[str, Any],
    card: str,
    *,
    train: LabelledTexts | Texts,
    dev: LabelledTexts | Texts,
) -> None:
    """Writes a model with all that belongs to it.

    Args:
        new: an empty folder.
        record: content of ``training.json``.
        card: content of ``README.md``.
        train: what the exits were fitted to.
        dev: what chose the epoch and the temperatures.
    """
    save(model, new)
    calibration.save(new)
    write_json(new / TRAINING, record)
    remember(new, train, FITTING)
    remember(new, dev, EPOCH, temperatures_of("torch", "fp32"))
    (new / "README.md").write_text(card, encoding="utf-8")
