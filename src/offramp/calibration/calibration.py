"""The temperatures of a model's exits, with what they were fitted on and what they improved."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

from offramp.calibration.metrics import ExitCalibration, measure_exit
from offramp.calibration.problem import Floats, Labels, Problem
from offramp.calibration.temperature import HIGHEST_TEMPERATURE, LOWEST_TEMPERATURE, fit_temperatures
from offramp.errors import DataError, ModelFolderError
from offramp.files import read_json, write_json

SCHEMA = 1
CALIBRATION = "calibration.json"
FEW_ROWS = 200
"""With fewer, a temperature depends much on which rows they were."""

LEAST_ROWS = 30
"""Rows of different texts that temperatures take at least. In nine of ten simulated samples of so many, the temperature
is within a factor of 2 of the best for all rows; of 12, within a factor of 13 (two labels)."""

Against = Literal["labels", "model"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """One temperature per exit, the rows they were fitted on and each exit's quality there.

    ``fitted_on`` is the fingerprint of the data; ``exits`` is empty if nothing was measured. What counts as right there
    is the ``labels``, or, where there were none, what the ``model`` says at its last exit.
    """

    temperatures: tuple[float, ...]
    fitted_on: str
    rows: int
    exits: tuple[ExitCalibration, ...]
    against: Against = "labels"

    @classmethod
    def neutral(cls, layers: Sequence[int]) -> Self:
        """Stands for a model that was not calibrated: temperature 1 for each exit, nothing measured."""
        return cls(temperatures=(1.0,) * len(layers), fitted_on="", rows=0, exits=())

    @classmethod
    def load(cls, folder: Path) -> "Calibration":
        """Reads the calibration of a model folder.

        Raises:
            ModelFolderError: the file is missing or damaged.
        """
        return cls.from_dict(read_json(folder / CALIBRATION))

    def save(self, folder: Path) -> None:
        """Writes the calibration into a model folder, replacing the one there at once or not at all."""
        write_json(folder / CALIBRATION, self.to_dict())

    @property
    def doubt(self) -> str | None:
        """Why the temperatures may be far off, in one sentence with what to do; None where nothing speaks for it."""
        ended = [str(one.layers) for one in self.exits if one.temperature in (LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE)]
        reasons = [f"they were fitted to {self.rows} rows"] if self.exits and self.rows < FEW_ROWS else []
        if ended:
            reasons.append(
                f"after layer {', '.join(ended)} the fit ended at a limit ({LOWEST_TEMPERATURE:g} or "
                f"{HIGHEST_TEMPERATURE:g})"
            )
        if not reasons:
            return None
        return (
            f"the temperatures are uncertain, and with them the confidences: {' and '.join(reasons)}; run  offramp "
            f"calibrate  with {FEW_ROWS} labelled texts or more that the model was not trained on"
        )

    def to_dict(self) -> dict[str, Any]:
        """Gives the content of ``calibration.json``: plain lists, dicts and finite numbers."""
        return {
            "schema": SCHEMA,
            "temperatures": list(self.temperatures),
            "fitted_on": self.fitted_on,
            "rows": self.rows,
            "against": self.against,
            "exits": [asdict(measured) for measured in self.exits],
        }

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Reads the content of ``calibration.json``, as :meth:`to_dict` wrote it.

        Raises:
            ModelFolderError: a key is missing, a value has the wrong type, a number is not finite, a temperature is
                not positive, or the numbers of temperatures and exits differ.
        """
        if not isinstance(content, Mapping):
            raise _damaged(f"it holds {type(content).__name__}, not an object")
        if _integer(content, "schema") != SCHEMA:
            raise _damaged(f"schema is {content['schema']}, this version of offramp reads {SCHEMA}")
        temperatures = tuple(_temperature(value) for value in _value(content, "temperatures", list))
        exits = tuple(_exit(value) for value in _value(content, "exits", list))
        if not temperatures or len(exits) not in {0, len(temperatures)}:
            raise _damaged(f"it has {len(temperatures)} temperatures and {len(exits)} exits")
        against = content.get("against", "labels")
        if against not in get_args(Against):
            raise _damaged(f"'against' is {against!r:.80}, not one of {', '.join(get_args(Against))}")
        return cls(
            temperatures=temperatures,
            fitted_on=str(_value(content, "fitted_on", str)),
            rows=_integer(content, "rows"),
            exits=exits,
            against=against,
        )


def fit_calibration(
    exit_logits: Floats,
    targets: Labels,
    problem: Problem,
    layers: Sequence[int],
    fingerprint: str,
    otherwise: Sequence[float] | None = None,
) -> Calibration:
    """Fits and measures the temperature of every exit.

    Args:
        exit_logits: (exits, rows, labels), from one full-depth pass over held-out labelled rows.
        targets: int (rows,) or 0/1 (rows, labels).
        problem: one label or a set of labels.
        layers: number of layers run before each exit, (exits,).
        fingerprint: identifies the rows.
        otherwise: temperatures of exits for which these rows have no best one, (exits,); by default the limit at which
            the search for it ended, see :func:`fit_temperature`.

    Raises:
        DataError: there are no rows, shapes do not match, a logit is not finite or a target is no label.

    Source: Schwartz et al., ACL 2020, §3.
    """
    _check_shape(exit_logits, layers)
    temperatures = _within(fit_temperatures(exit_logits, targets, problem).tolist(), otherwise)
    exits = _measured(exit_logits, targets, problem, layers, temperatures)
    return Calibration(temperatures=temperatures, fitted_on=fingerprint, rows=exit_logits.shape[1], exits=exits)


def fit_agreement(
    exit_logits: Floats,
    problem: Problem,
    layers: Sequence[int],
    fingerprint: str,
    otherwise: Sequence[float] | None = None,
) -> Calibration:
    """Fits temperatures without labels: an exit's confidence then says how likely the last exit is to agree.

    The last exit keeps temperature 1: it always agrees with itself.

    Args:
        exit_logits: (exits, rows, labels), from one full-depth pass over held-out rows.
        problem, layers, fingerprint, otherwise: as for :func:`fit_calibration`.

    Raises:
        DataError: there are no rows, shapes do not match or a logit is not finite.
    """
    _check_shape(exit_logits, layers)
    believed = problem.predicted(problem.probabilities(exit_logits[-1]))
    fitted = fit_temperatures(exit_logits[:-1], believed, problem).tolist()
    temperatures = (*_within(fitted, None if otherwise is None else otherwise[:-1]), 1.0)
    exits = _measured(exit_logits, believed, problem, layers, temperatures)
    return Calibration(temperatures, fingerprint, exit_logits.shape[1], exits, against="model")


def _within(temperatures: Sequence[float], otherwise: Sequence[float] | None) -> tuple[float, ...]:
    """The temperatures, and others in place of those that are limits."""
    chosen = zip(temperatures, temperatures if otherwise is None else otherwise, strict=True)
    return tuple(other if one in (LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE) else one for one, other in chosen)


def _check_shape(exit_logits: Floats, layers: Sequence[int]) -> None:
    if exit_logits.ndim != 3 or not layers or len(exit_logits) != len(layers):
        raise DataError(f"need logits of shape ({len(layers)} exits, rows, labels), got {exit_logits.shape}")


def _measured(
    exit_logits: Floats, targets: Labels, problem: Problem, layers: Sequence[int], temperatures: Sequence[float]
) -> tuple[ExitCalibration, ...]:
    return tuple(
        measure_exit(logits, targets, temperature, problem, exit=index, layers=depth)
        for index, (logits, temperature, depth) in enumerate(zip(exit_logits, temperatures, layers, strict=True))
    )


def _damaged(what: str) -> ModelFolderError:
    return ModelFolderError(f"calibration.json is damaged: {what}; restore it or run  offramp calibrate")


def _value(content: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in content:
        raise _damaged(f"{key!r} is missing")
    if not isinstance(content[key], kind):
        raise _damaged(f"{key!r} is {content[key]!r:.80}, not a {kind.__name__}")
    return content[key]


def _number(content: Mapping[str, Any], key: str) -> float:
    value = _value(content, key, object)
    # bool is an int to Python; the bound refuses NaN, infinities and integers that no float can hold, all at once.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise _damaged(f"{key!r} is {value!r:.80}, not a finite number")
    return float(value)


def _integer(content: Mapping[str, Any], key: str) -> int:
    value = _number(content, key)
    if value < 0 or not value.is_integer():
        raise _damaged(f"{key!r} is {value}, not a count")
    return int(value)


def _temperature(value: Any) -> float:
    temperature = _number({"temperatures": value}, "temperatures")
    if temperature <= 0:
        raise _damaged(f"a temperature is {temperature}, not above 0")
    return temperature


def _exit(content: Any) -> ExitCalibration:
    if not isinstance(content, Mapping):
        raise _damaged(f"an exit is {content!r:.80}, not an object")
    return ExitCalibration(
        exit=_integer(content, "exit"),
        layers=_integer(content, "layers"),
        temperature=_temperature(_value(content, "temperature", object)),
        rows=_integer(content, "rows"),
        accuracy=_number(content, "accuracy"),
        nll_before=_number(content, "nll_before"),
        nll_after=_number(content, "nll_after"),
        ece_before=_number(content, "ece_before"),
        ece_after=_number(content, "ece_after"),
        ece_equal_mass_before=_number(content, "ece_equal_mass_before"),
        ece_equal_mass_after=_number(content, "ece_equal_mass_after"),
        brier_before=_number(content, "brier_before"),
        brier_after=_number(content, "brier_after"),
        auroc=None if _value(content, "auroc", object) is None else _number(content, "auroc"),
    )
