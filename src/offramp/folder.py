"""What lies where in a model folder, and what to do about a file of it that cannot be used.

A model is made in a new folder, which takes the place of the one that is there when it is whole. What verbs add to it
later they write file by file, each of them replaced at once.
"""

from dataclasses import dataclass
from pathlib import Path

from offramp.backends import Engine
from offramp.files import RESTORE, is_there
from offramp.records import RecordFile

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WORDS = "words.safetensors"
TOKENIZER = "tokenizer_config.json"
CARD = "README.md"
CURVE = "curve.svg"

CHAIN = RecordFile("chain.json", 1, "restore it, or put the models in a row again with 'offramp chain'")
"""The models of a chain; each is a whole model folder in a subfolder, and keeps its own temperatures and exports."""

TRAINING = RecordFile("training.json", 2, RESTORE)
"""How the model was made: settings, environment, and figures of its epochs."""

CALIBRATION = RecordFile("calibration.json", 4, "restore it or run  offramp calibrate")
"""The temperatures in PyTorch, and what decides and judges sets of labels; each export has its own."""

POINTS = RecordFile("operating_points.json", 6, "delete it, and run 'offramp tune' to choose the points again")
"""The operating points of all engines."""

SUMMARIES = RecordFile("monitoring.json", 1, "delete it, and run 'offramp tune' to look at calibration texts again")
"""What the calibration texts of operating points looked like, for the drift monitor."""

SEEN = RecordFile("seen_rows.json", 1, "restore it, or delete it to forget which rows were used")
"""The rows that the model has seen, and for what."""

TUNING = RecordFile("tuning.json", 2, "delete it, and run 'offramp bench --autotune' to tune again")
"""The fastest token budgets, by processor."""

EXPORT = RecordFile("export.json", 6, "export it again with 'offramp export'")
"""What was exported, beside its graphs."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What :data:`CHAIN` holds.

    Attributes:
        models: names of the subfolders, in the order in which texts pass the models.
    """

    models: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.models) < 2 or len(set(self.models)) < len(self.models):
            raise ValueError(f"it names the models {', '.join(self.models) or 'none'}, not two or more different ones")
        for name in self.models:
            if name != Path(name).name or name in ("", ".", ".."):
                raise ValueError(f"the model {name!r} is not the name of a subfolder")


def models_of(folder: Path) -> tuple[Path, ...]:
    """The folders of a chain's models, in the order in which texts pass them; of any other model its own alone.

    Raises:
        ModelFolderError: ``chain.json`` is damaged.
    """
    if not is_there(folder / CHAIN.name):
        return (folder,)
    return tuple(folder / name for name in CHAIN.read(folder, Chain).models)


def export_folder(model: Path, engine: Engine) -> Path:
    """Where the graphs for an engine lie in a model folder."""
    return model / engine.backend / engine.precision
