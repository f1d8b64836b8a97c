"""Operating points: named rules in a model folder, with their promises and how they did on calibration rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from offramp.backends import Engine
from offramp.errors import OptionError
from offramp.folder import POINTS
from offramp.policy.limits import Limit
from offramp.policy.risk import Method
from offramp.policy.rules import Threshold


@dataclass(frozen=True, slots=True)
class Promise:
    """A limit that a point keeps.

    Attributes:
        limit: what is bounded, on rows drawn like the calibration rows.
        method: how it was certified; see :class:`offramp.policy.Method`.
        confidence: probability that all promises of the point hold, over calibration rows; None for methods that have
            none.
        seen: the risk on the calibration rows.
        bound: the method's own upper bound of the risk.
        rows: number of calibration rows that counted.
    """

    limit: Limit
    method: Method
    confidence: float | None
    seen: float
    bound: float
    rows: int

    def __str__(self) -> str:
        limit = self.limit
        sure = "" if self.confidence is None else f" ({100 * self.confidence:g} % confidence)"
        most = "at least" if limit.at_least else "at most"
        return f"{limit.what} {most} {100 * limit.stated(limit.target):g} %{sure}"


@dataclass(frozen=True, slots=True)
class Seen:
    """How a point did on the calibration rows.

    Attributes:
        data: fingerprint of the data.
        rows: number of rows that judged the point.
        disagreement: share of predictions that differ from full depth.
        accuracy, full_accuracy: of the point and at full depth; None without labels.
        mean_layers: layers run, mean over tokens.
        speedup: over full depth in one go, as expected from the measured time of each stage.
        exits: share of rows that left at each exit.
        processor, threads: where the stages were measured.
        handed_over: share of rows that were handed over; disagreement and accuracy are about the others.
    """

    data: str
    rows: int
    disagreement: float
    accuracy: float | None
    full_accuracy: float | None
    mean_layers: float
    speedup: float
    exits: tuple[float, ...]
    processor: str
    threads: int
    handed_over: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class OperatingPoint:
    """A named rule for one model in one engine.

    Attributes:
        name: such as ``safe``.
        engine: the engine it was tuned for; in others, confidences differ.
        model: fingerprint of the model, including its temperatures; the point holds for no other.
        rule: when a row leaves.
        promises: what it keeps, all of them at once; none if it was chosen by a threshold or a speed.
        seen: how it did on the calibration rows.
    """

    name: str
    engine: Engine
    model: str
    rule: Threshold
    promises: tuple[Promise, ...]
    seen: Seen

    def __repr__(self) -> str:
        promises = ", ".join(map(str, self.promises)) or "no promise"
        return f"<OperatingPoint {self.name!r}: {promises}, {self.seen.speedup:.1f}x expected; {self.engine}>"


@dataclass(frozen=True, slots=True, repr=False)
class OperatingPoints:
    """All points of a model folder.

    Attributes:
        points: no two with the same name and engine.
        default: name of the point that is used by default; None for the default threshold.
    """

    points: tuple[OperatingPoint, ...] = ()
    default: str | None = None

    def __repr__(self) -> str:
        names = [f"{name} (default)" if name == self.default else name for name in self._names]
        return f"<OperatingPoints: {', '.join(names) or 'none'}>"

    @property
    def _names(self) -> dict[str, None]:
        """The names of all points, each once, in the order they were made."""
        return dict.fromkeys(point.name for point in self.points)

    def named(self, name: str) -> tuple[OperatingPoint, ...]:
        """The points of this name, one for each engine."""
        return tuple(point for point in self.points if point.name == name)

    def of(self, engine: Engine) -> dict[str, OperatingPoint]:
        """The points for an engine by name, in the order they were made."""
        return {point.name: point for point in self.points if point.engine == engine}

    def at(self, name: str, engine: Engine) -> OperatingPoint:
        """The point of this name for an engine.

        Raises:
            OptionError: there is none.
        """
        points = self.of(engine)
        if isinstance(name, str) and name in points:
            return points[name]
        if elsewhere := self.named(name):
            tuned = ", ".join(str(point.engine) for point in elsewhere)
            raise OptionError(
                f"the operating point {name!r} was tuned for {tuned}, and the model runs in {engine}, whose "
                "confidences differ; tune it for this backend and precision, or load the model in the other",
                option="at",
                value=name,
            )
        raise OptionError(
            f"there is no operating point {name!r} for {engine}; the model has {', '.join(points) or 'none'}. Name one "
            "of them, or choose it with  offramp tune",
            option="at",
            value=name,
        )

    def names_without(self, engine: Engine, model: str) -> list[str]:
        """The names that have no point for an engine and the model's fingerprint there."""
        points = self.of(engine)
        return [name for name in self._names if name not in points or points[name].model != model]

    def with_points(self, new: Sequence[OperatingPoint]) -> "OperatingPoints":
        """Adds points; a new one replaces the old one of the same name and engine."""
        points = {(point.name, point.engine): point for point in (*self.points, *new)}
        return OperatingPoints(tuple(points.values()), self.default)

    def used(self, at: str | None, threshold: float | None = None) -> str | None:
        """The point by which texts leave: the one asked for, or the default; None where a threshold decides."""
        return self.default if at is None and threshold is None else at

    def with_default(self, name: str) -> "OperatingPoints":
        """The same points, with another default.

        Raises:
            OptionError: there is no point of this name.
        """
        self._check_name(name, "default")
        return replace(self, default=name)

    def without(self, name: str) -> "OperatingPoints":
        """The points but those of a name, in all engines; if it was the default, there is none.

        Raises:
            OptionError: there is no point of this name.
        """
        self._check_name(name, "delete")
        left = tuple(point for point in self.points if point.name != name)
        return OperatingPoints(left, None if self.default == name else self.default)

    def _check_name(self, name: str, option: str) -> None:
        if not self.named(name):
            names = ", ".join(self._names)
            raise OptionError(
                f"there is no operating point {name!r}; " + (f"use one of {names}" if names else "the model has none"),
                option=option,
                value=name,
            )


def read_operating_points(folder: Path) -> OperatingPoints:
    """Reads the points of a model folder; none if it was never tuned.

    Raises:
        ModelFolderError: ``operating_points.json`` is damaged.
    """
    return POINTS.read_if_there(folder, OperatingPoints())


def save_operating_points(folder: Path, points: OperatingPoints) -> None:
    """Writes the points of a model folder, atomically.

    Raises:
        OptionError: a rule cannot be stored.
        StorageError: the folder cannot be written.
    """
    POINTS.write(folder, points)
