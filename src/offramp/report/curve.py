"""The picture: accuracy against measured speed-up."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offramp.errors import MissingExtraError, OptionError
from offramp.evaluation import Evaluation
from offramp.files import replacing

FORMATS = (".svg", ".png")

# Blue and orange of a palette that colour-blind people tell apart (Wong, Nature Methods 2011).
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#666666"


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
        thresholds=tuple(point.threshold for point in points),
        accuracy=tuple(100 * point.accuracy for point in points),
        measured=tuple(point.measured_speedup for point in points),
        low=tuple(point.measured_speedup_spread[0] for point in points),
        high=tuple(point.measured_speedup_spread[1] for point in points),
        bound=tuple(point.bound_speedup for point in points),
        full_accuracy=100 * evaluation.full.accuracy,
    )


def check_picture(path: Path) -> None:
    """Makes sure, before anything is computed, that the picture can be drawn.

    Raises:
        OptionError: no picture format belongs to the name.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"the picture {path} ends in none of {', '.join(FORMATS)}; choose one of them")
    _pyplot_free_matplotlib()


def curve_picture(evaluation: Evaluation, path: Path) -> None:
    """Draws the curve into an SVG or PNG file.

    Raises:
        OptionError, MissingExtraError: see :func:`check_picture`.
        StorageError: the file cannot be written.
    """
    check_picture(path)
    matplotlib = _pyplot_free_matplotlib()
    shown = curve(evaluation)
    # A fixed salt and no date: the same figures give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "offramp", "font.size": 10}), replacing(path) as new:
        figure = _draw(shown, evaluation)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(new, format=path.suffix.lower()[1:], dpi=160, metadata=metadata)


def _draw(shown: Curve, evaluation: Evaluation) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.axhline(shown.full_accuracy, color=_GREY, linestyle="--", linewidth=1)
    axes.plot(shown.bound, shown.accuracy, color=_ORANGE, linestyle=":", marker=".", label="possible at most")
    errors = (
        [max(0.0, middle - low) for middle, low in zip(shown.measured, shown.low, strict=True)],
        [max(0.0, high - middle) for middle, high in zip(shown.measured, shown.high, strict=True)],
    )
    axes.errorbar(
        shown.measured, shown.accuracy, xerr=errors, color=_BLUE, marker="o", markersize=4, capsize=2, label="measured"
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
        color=_GREY,
    )
    _label_thresholds(axes, shown)
    axes.set_xlabel("speed-up over full depth (times, wall-clock)")
    axes.set_ylabel("accuracy (%)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower left", frameon=False)
    data, environment = evaluation.data, evaluation.environment
    axes.set_title(
        f"accuracy on {data['rows']:,} texts; time on {data['timed_rows']:,}, "
        f"{environment['threads']} threads, {environment['gpu'] or environment['cpu']}",
        fontsize=9,
        color=_GREY,
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


def _pyplot_free_matplotlib() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise MissingExtraError("a picture", "report") from None
    return matplotlib
