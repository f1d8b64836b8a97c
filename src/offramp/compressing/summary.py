"""What ``compress`` gives back; most of it stands in the folder's ``training.json``, too."""

from dataclasses import dataclass
from pathlib import Path

from offramp.calibration import Calibration
from offramp.evaluation.timing import Ratio


@dataclass(frozen=True, slots=True)
class BesideOriginal:
    """A narrowed model beside the original at full depth, on held-out texts.

    Attributes:
        rows: texts.
        disagreement: share of them that the two answer differently.
        bound: that the share among all such texts is at most, with 95 % confidence.
        accuracy, accuracy_before: of the narrowed model and of the original; None without labels.
    """

    rows: int
    disagreement: float
    bound: float
    accuracy: float | None
    accuracy_before: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """What was made of a model.

    Attributes:
        folder: of the new model.
        widths: neurons of the feed-forward block of each layer, (layers,); of one expert, where there are some.
        widths_before: of the original.
        experts: of how many blocks in each layer a token runs through one; None where there is one block.
        reached: share of the texts that reach each layer at the original's operating point, (layers,).
        flops: share of the multiply-adds of the encoder's layers that is left, for texts of the mean length.
        compared: with the original at full depth.
        speedup: at full depth over the original in PyTorch on this machine, in turn on the same held-out texts.
        calibration: temperatures and figures of each exit on the held-out texts.
        rows: texts that it was fitted to.
        seconds: that the work took.
    """

    folder: Path
    widths: tuple[int, ...]
    widths_before: tuple[int, ...]
    experts: int | None
    reached: tuple[float, ...]
    flops: float
    compared: BesideOriginal
    speedup: Ratio
    calibration: Calibration
    rows: int
    seconds: float
