"""The temperatures of a model's exits, the data they were fitted on, and their effect: a record of a model folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from offramp.calibration.metrics import ExitCalibration
from offramp.calibration.problem import Problem
from offramp.calibration.sets import Curve, Decide
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE
from offramp.exit_names import in_column
from offramp.folder import CALIBRATION

FEW_ROWS = 200
"""With fewer rows, a temperature depends strongly on which rows they are."""

LEAST_SAVED = 0.1
"""The share of layers that early exit has to save before it is expected to be worth its decisions and small batches."""

Against = Literal["labels", "model"]


@dataclass(frozen=True, slots=True)
class DefaultThreshold:
    """The threshold of confidence that a model uses where nobody chose one, and what it does.

    Attributes:
        threshold: texts leave at the first exit that is at least so sure.
        exits: share of the dev rows that leave at each exit, (exits,); empty if that is not known.
        layers: layers run, mean over dev rows, as a share of all; None if that is not known.
    """

    threshold: float
    exits: tuple[float, ...] = ()
    layers: float | None = None

    def doubt(self, model: str) -> str | None:
        """Why early exit is not expected to be faster than full depth, and what to do; None if nothing suggests so.

        Args:
            model: its folder.
        """
        if self.layers is None or len(self.exits) < 2 or self.layers <= 1 - LEAST_SAVED:
            return None
        return (
            f"no operating point was tuned, and at the default, a confidence of {self.threshold:g}, early exit is not "
            f"expected to be faster than full depth: dev texts ran {self.layers:.0%} of the layers; choose a point "
            f"with  offramp tune {model} --data UNSEEN-TEXTS"
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """One temperature per exit, the rows they were fitted on and each exit's quality there.

    ``fitted_on`` is the fingerprint of the data; ``exits`` is empty if nothing was measured. An exit is right if it
    agrees with the ``labels`` or, without labels, with the ``model``'s last exit.

    ``evidence`` holds a weight for each exit by which it adds what the model of words before its encoder said, see
    :func:`offramp.calibration.evidence.combined`; it is empty if none does.

    Of models that give any number of labels, ``thresholds`` holds the probability above which each label holds,
    (labels,) or empty for 0.5 everywhere, and ``miss_cost`` what they are fitted for: how many times what a wrong label
    costs a missed one does, or None for the best F1 of each. ``curves`` tells how likely a set is right, for each exit.
    See :mod:`offramp.calibration.sets`.

    ``default`` is the threshold of confidence by which texts leave where nobody chose one; None if it was not fitted.
    """

    temperatures: tuple[float, ...]
    fitted_on: str
    rows: int
    exits: tuple[ExitCalibration, ...]
    against: Against = "labels"
    evidence: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    miss_cost: float | None = None
    curves: tuple[Curve, ...] = ()
    default: DefaultThreshold | None = None

    def __post_init__(self) -> None:
        if not self.temperatures or len(self.exits) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.exits)} exits")
        if not min(self.temperatures) > 0:
            raise ValueError(f"a temperature is {min(self.temperatures)}, not above 0")
        if self.rows < 0:
            raise ValueError(f"rows is {self.rows}, not a count")
        if len(self.evidence) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.evidence)} weights")
        if not all(0 <= weight < np.inf for weight in self.evidence):
            raise ValueError(f"a weight is {min(self.evidence)}, not 0 or more")
        if len(self.curves) not in {0, len(self.temperatures)}:
            raise ValueError(f"it has {len(self.temperatures)} temperatures and {len(self.curves)} curves")
        if not any(self.evidence):
            object.__setattr__(self, "evidence", ())

    @classmethod
    def neutral(cls, layers: Sequence[int], *, words: bool = False) -> Self:
        """The calibration of a model that was not calibrated: temperature 1 for each exit, nothing measured.

        Args:
            layers: the layers that exits sit after.
            words: whether a model of words comes before them.
        """
        return cls(temperatures=(1.0,) * (len(layers) + words), fitted_on="", rows=0, exits=())

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Reads the calibration of a model folder.

        Raises:
            ModelFolderError: the file is missing or damaged.
        """
        return CALIBRATION.read(folder, Calibration)

    def save(self, folder: Path) -> None:
        """Writes the calibration into a model folder, atomically."""
        CALIBRATION.write(folder, self)

    def answers_like(self, other: "Calibration") -> bool:
        """Whether exits answer the same under another calibration."""
        return self.answering == other.answering

    @property
    def answering(self) -> tuple[object, ...]:
        """All that the exits' answers depend on."""
        temperatures = tuple(map(float, self.temperatures))  # 1 is 1.0, whoever wrote the file
        return temperatures, self.evidence, self.thresholds, self.curves

    def problem(self, kind: Problem) -> Problem:
        """A kind of problem with what was fitted to decide and to judge sets of labels."""
        return kind.fitted(self.thresholds, self.curves)

    @property
    def decides(self) -> Decide:
        """How thresholds of labels are to be fitted again."""
        if not self.thresholds:
            return "keep"
        return "f1" if self.miss_cost is None else self.miss_cost

    def judges(self, exit_: ExitCalibration) -> bool:
        """Whether an exit's figures are meaningful; those of the last exit compared with itself are not."""
        return self.against == "labels" or exit_ is not self.exits[-1]

    @property
    def doubt(self) -> str | None:
        """Why confidences may be far off, and what to do, in one sentence; None if nothing suggests so."""
        if not self.exits:
            return None
        lowest, highest = self._ended(LOWEST_TEMPERATURE), self._ended(HIGHEST_TEMPERATURE)
        if self.rows < FEW_ROWS:
            ended = [
                f"{place} the fit ended at a limit ({temperature:g})"
                for place, temperature in ((lowest, LOWEST_TEMPERATURE), (highest, HIGHEST_TEMPERATURE))
                if place
            ]
            return (
                "the temperatures are uncertain, and with them the confidences: "
                f"{' and '.join([f'they were fitted to {self.rows} rows', *ended])}; run  offramp calibrate  with "
                f"{FEW_ROWS} labeled texts or more that the model was not trained on"
            )
        # On so many rows a limit is no matter of chance, and more rows of the kind end there, too.
        limits = []
        if lowest:
            limits.append(
                f"{lowest} no confidence is too high for these {self.rows} texts (the temperature ended at its limit, "
                f"{LOWEST_TEMPERATURE:g}), so how sure it is there means little; texts that it gets wrong would tell"
            )
        if highest:
            limits.append(
                f"{highest} answers fit these {self.rows} texts no better than chance (the temperature ended at its "
                f"limit, {HIGHEST_TEMPERATURE:g}), so hardly a text will leave there; more texts would not change that"
            )
        return "; ".join(limits) or None

    def _ended(self, limit: float) -> str:
        """Where the fit of a temperature ended at a limit; nothing if nowhere.

        An exit that adds what words said is left out: there a limit tells that its own answer counts for little.
        """
        weights = self.evidence or (0.0,) * len(self.exits)
        exits = zip(self.exits, weights, strict=True)
        names = [exit_.name for exit_, weight in exits if exit_.temperature == limit and not weight]
        after, shown = in_column(names)
        return f"{after} {', '.join(shown)}" if names else ""
