"""What the verbs that make a model give back: the folder, and what stands in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from offramp.calibration import Calibration
from offramp.folder import TRAINING
from offramp.model.windows import LongTrial
from offramp.training.listening import Epoch
from offramp.training.recipe import Targets
from offramp.words import WordsTrial


@dataclass(frozen=True, slots=True)
class TrainedRecord:
    """What ``training.json`` says of a training, see :class:`TrainingSummary`."""

    epochs: tuple[Epoch, ...]
    best: Epoch
    seconds: float


@dataclass(frozen=True, slots=True)
class _Rows:
    train: int
    dev: int


@dataclass(frozen=True, slots=True)
class _Seconds:
    encoder: float
    exits: float


@dataclass(frozen=True, slots=True)
class _AttachedRecord:
    """What it says of exits that were put on a classifier, see :class:`AttachSummary`."""

    targets: Targets
    rows: _Rows
    seconds: _Seconds


@dataclass(frozen=True, slots=True)
class _Parameters:
    total: int
    exits: int


@dataclass(frozen=True, slots=True)
class _ModelRecord:
    """What it says of every model."""

    exits: tuple[int, ...]
    parameters: _Parameters
    truncated: int
    blank: int
    words: WordsTrial | None
    long_trial: LongTrial | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSummary:
    """What a training run produced; the same stands in the folder's ``training.json``.

    Attributes:
        folder: the model folder.
        exits: layers run before each exit.
        epochs: dev accuracies after each epoch of the best trial.
        best: the epoch whose weights were kept.
        calibration: temperatures and dev metrics of each exit.
        words: what dev rows say of a model of words before the encoder; None where none was wanted.
        long: what they say of reading on where long texts are cut; None where hardly any is.
        seconds: time in the training loop of the best trial, dev passes included; of a phase that was resumed, the time
            since then.
        exit_parameters: parameters of all exits.
        total_parameters: parameters of the whole network.
        truncated: training texts that were longer than the model takes.
        blank: training texts that were empty.
    """

    folder: Path
    exits: tuple[int, ...]
    epochs: tuple[Epoch, ...]
    best: Epoch
    calibration: Calibration
    words: WordsTrial | None
    long: LongTrial | None
    seconds: float
    exit_parameters: int
    total_parameters: int
    truncated: int
    blank: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of a model that ``train`` wrote.

        Raises:
            ModelFolderError: ``training.json`` or ``calibration.json`` is missing or damaged.
        """
        record = TRAINING.read(folder, TrainedRecord, whole=False)
        return cls(**_of_both(folder), epochs=record.epochs, best=record.best, seconds=record.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachSummary:
    """What was made of a classifier; the same stands in the folder's ``training.json``.

    Attributes:
        exits: layers run before each exit; the last is the classifier's own head.
        targets: what the exits were fitted to.
        calibration: temperatures and dev metrics of each exit; against the model itself where there were no labels.
        rows, dev_rows: texts that the exits were fitted to, and those that they were chosen and calibrated on.
        encoder_seconds: time of the one pass through the whole classifier.
        exit_seconds: time of fitting the exits.
        exit_parameters: parameters of the new exits.

    The others are those of :class:`TrainingSummary`.
    """

    folder: Path
    exits: tuple[int, ...]
    targets: Targets
    calibration: Calibration
    words: WordsTrial | None
    long: LongTrial | None
    rows: int
    dev_rows: int
    encoder_seconds: float
    exit_seconds: float
    exit_parameters: int
    total_parameters: int
    truncated: int
    blank: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of a model that ``attach`` wrote.

        Raises:
            ModelFolderError: ``training.json`` or ``calibration.json`` is missing or damaged.
        """
        record = TRAINING.read(folder, _AttachedRecord, whole=False)
        return cls(
            **_of_both(folder),
            targets=record.targets,
            rows=record.rows.train,
            dev_rows=record.rows.dev,
            encoder_seconds=record.seconds.encoder,
            exit_seconds=record.seconds.exits,
        )


def _of_both(folder: Path) -> dict[str, Any]:
    record = TRAINING.read(folder, _ModelRecord, whole=False)
    return {
        "folder": folder,
        "exits": record.exits,
        "calibration": Calibration.load(folder),
        "words": record.words,
        "long": record.long_trial,
        "exit_parameters": record.parameters.exits,
        "total_parameters": record.parameters.total,
        "truncated": record.truncated,
        "blank": record.blank,
    }
