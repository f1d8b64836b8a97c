"""The picture: accuracy against measured speed-up."""

from pathlib import Path

from offramp.data.wording import count
from offramp.evaluation import Evaluation
from offramp.report import accuracy_chart, words
from offramp.report.pictures import Key, Panel, Picture, write_picture
from offramp.report.svg import CIRCLE, DIAMOND, FOCUS, SQUARE

_KEYS = (
    (CIRCLE, "early exit, by threshold"),
    (FOCUS, "in focus"),
    (DIAMOND, "operating point"),
    (SQUARE, "model that ends after an exit"),
)


def curve_picture(evaluation: Evaluation, path: Path) -> None:
    """Draws the curve into an SVG file.

    Raises:
        OptionError: see :func:`offramp.report.check_picture`.
        StorageError: the file cannot be written.
    """
    data, machine = evaluation.data, evaluation.environment
    measured_on = (
        f"Accuracy on {count(data.rows, 'text')}, time on {data.timed_rows:,}; "
        f"{count(machine['threads'], 'thread')}, {words.processor(evaluation)}"
    )
    write_picture(path, draw_curve(accuracy_chart.speed_chart(evaluation), measured_on))


def draw_curve(chart: accuracy_chart.SpeedChart, measured_on: str) -> Picture:
    """Puts a chart of speed and accuracy into a picture, with a legend and where it was measured."""
    shapes = {spot.shape for spot in chart.seen}
    below = accuracy_chart.named(chart.unseen)
    return Picture(
        title="Accuracy against measured speed-up",
        description=chart.description,
        rows=[[Panel(accuracy_chart.WIDTH, accuracy_chart.HEIGHT, accuracy_chart.field(chart, "curve"))]],
        keys=[
            Key.line("full", f"full depth: {chart.full_accuracy:.2f} %"),
            *(Key.shape(shape, meaning) for shape, meaning in _KEYS if shape in shapes),
            *([Key.shape(CIRCLE.hollow, "hollow: computed")] if any(spot.computed for spot in chart.seen) else []),
            *([Key.shape(CIRCLE.faint, "faint: beaten")] if any(spot.beaten for spot in chart.seen) else []),
        ],
        heading=measured_on,
        note=f"Below the chart: {below}." if below else "",
    )
