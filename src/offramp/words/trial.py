"""What dev rows said of a model of words when a model was made: why it is there, or why not."""

from dataclasses import dataclass
from pathlib import Path

from offramp.calibration.calibration import Against
from offramp.errors import ModelFolderError, StorageError
from offramp.folder import TRAINING


@dataclass(frozen=True, slots=True)
class WordsTrial:
    """What dev rows say of a model of words before the encoder.

    The exits alone leave at the default threshold. With words, thresholds are those that are fastest at the same
    accuracy or a higher one. Without labels, being right is agreeing with full depth.

    Attributes:
        kept: whether the model has it.
        against: what being right means.
        seconds: time of fitting it.
        alone: share of dev rows that words alone get right.
        full_right: share of dev rows that full depth gets right.
        exits_right, exits_speedup: share of dev rows that exits alone get right, and how many times faster they are
            than full depth.
        words_right, words_speedup: the same with words before them.
    """

    kept: bool
    against: Against
    seconds: float
    alone: float
    full_right: float
    exits_right: float
    exits_speedup: float
    words_right: float
    words_speedup: float


@dataclass(frozen=True, slots=True)
class _WordsRecord:
    words: WordsTrial | None


def words_trial(folder: Path) -> WordsTrial | None:
    """What dev rows said of a model of words when the model in a folder was made; None where that is not known."""
    try:
        return TRAINING.read(folder, _WordsRecord, whole=False).words
    except (ModelFolderError, StorageError):
        return None
