"""What lies where in a model folder, and what to do about a file of it that cannot be used.

A model is made in a new folder, which takes the place of the one that is there when it is whole. What verbs add to it
later they write file by file, each of them replaced at once.
"""

from pathlib import Path

from offramp.backends import Engine
from offramp.files import RESTORE
from offramp.records import RecordFile

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WORDS = "words.safetensors"
TOKENIZER = "tokenizer_config.json"
CARD = "README.md"
CURVE = "curve.svg"

TRAINING = RecordFile("training.json", 2, RESTORE)
"""How the model was made: settings, environment, and figures of its epochs."""

CALIBRATION = RecordFile("calibration.json", 2, "restore it or run  offramp calibrate")
"""The temperatures in PyTorch; each export has its own."""

POINTS = RecordFile("operating_points.json", 2, "delete it, and run 'offramp tune' to choose the points again")
"""The operating points of all engines."""

SEEN = RecordFile("seen_rows.json", 1, "restore it, or delete it to forget which rows were used")
"""The rows that the model has seen, and for what."""

TUNING = RecordFile("tuning.json", 2, "delete it, and run 'offramp bench --autotune' to tune again")
"""The fastest token budgets, by processor."""

EXPORT = RecordFile("export.json", 4, "export it again with 'offramp export'")
"""What was exported, beside its graphs."""


def export_folder(model: Path, engine: Engine) -> Path:
    """Where the graphs for an engine lie in a model folder."""
    return model / engine.backend / engine.precision
