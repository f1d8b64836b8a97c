"""The picture: accuracy against measured speed-up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offramp.data.wording import count
from offramp.evaluation import Evaluation
from offramp.report.pictures import BLUE, GREY, ORANGE, write_picture


@dataclass(frozen=True, slots=True)
class Curve:
    """What the picture shows; all tuples have one entry a threshold, fastest last.

    Speed-ups are factors, accuracies per cent; ``low`` and ``high`` are the quartiles of the measured speed-up.
    """

    thresholds: tuple[float, ...]
    accuracy: tuple[float, ...]
    measured: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    bound: tuple[float, ...]
    full_accuracy: float


def curve(evaluation: Evaluation) -> Curve:
    """Puts an evaluation's points in the order of their speed."""
    points = sorted(evaluation.points, key=lambda point: point.measured_speedup)
    return Curve(
        thresholds=tuple(point.threshold for point in points if point.threshold is not None),
        accuracy=tuple(100 * point.accuracy for point in points),
        measured=tuple(point.measured_speedup for point in points),
        low=tuple(point.measured_speedup_spread[0] for point in points),
        high=tuple(point.measured_speedup_spread[1] for point in points),
        bound=tuple(point.bound_speedup for point in points),
        full_accuracy=100 * evaluation.full.accuracy,
    )


def curve_picture(evaluation: Evaluation, path: Path) -> None:
    """Draws the curve into an SVG or PNG file.

    Raises:
        OptionError, MissingExtraError: see :func:`offramp.report.check_picture`.
        StorageError: the file cannot be written.
    """
    write_picture(path, lambda: _draw(curve(evaluation), evaluation))


def _draw(shown: Curve, evaluation: Evaluation) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(shown.full_accuracy, color=GREY, linestyle="--", linewidth=1)
    axes.plot(shown.bound, shown.accuracy, color=ORANGE, linestyle=":", marker=".", label="possible at most")
    errors = (
        [max(0.0, middle - low) for middle, low in zip(shown.measured, shown.low, strict=True)],
        [max(0.0, high - middle) for middle, high in zip(shown.measured, shown.high, strict=True)],
    )
    axes.errorbar(
        shown.measured, shown.accuracy, xerr=errors, color=BLUE, marker="o", markersize=4, capsize=2, label="measured"
    )
    lowest = min(*shown.accuracy, shown.full_accuracy)
    room = max(0.2, 0.12 * (max(*shown.accuracy, shown.full_accuracy) - lowest))
    axes.set_ylim(lowest - room, max(*shown.accuracy, shown.full_accuracy) + 1.6 * room)
    axes.annotate(
        f"full depth, {shown.full_accuracy:.2f} %",
        (1, shown.full_accuracy),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 4),
        textcoords="offset points",
        ha="right",
        color=GREY,
    )
    _label_thresholds(axes, shown)
    axes.set_xlabel("speed-up over full depth (times, wall-clock)")
    axes.set_ylabel("accuracy (%)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower left", frameon=False)
    data, environment = evaluation.data, evaluation.environment
    axes.set_title(
        f"accuracy on {count(data.rows, 'text')}; time on {data.timed_rows:,}, "
        f"{count(environment['threads'], 'thread')}, {environment['gpu'] or environment['cpu']}",
        fontsize=9,
        color=GREY,
    )
    return figure


def _label_thresholds(axes: Any, shown: Curve) -> None:
    """Names thresholds along the curve, as many as have room."""
    span = max(shown.measured) - min(shown.measured) or 1.0
    height = max(shown.accuracy) - min(shown.accuracy) or 1.0
    last: tuple[float, float] | None = None
    for threshold, speed, accuracy in zip(shown.thresholds, shown.measured, shown.accuracy, strict=True):
        place = (speed / span, accuracy / height)
        if last is not None and abs(place[0] - last[0]) < 0.07 and abs(place[1] - last[1]) < 0.12:
            continue
        last = place
        axes.annotate(f"{threshold:g}", (speed, accuracy), xytext=(4, 6), textcoords="offset points", fontsize=8)
