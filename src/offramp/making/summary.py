"""What was made, in three lines: what is gained, what may be lost, and how to use it."""

from pathlib import Path

from offramp.backends import Engine
from offramp.engine.exports import read_export
from offramp.evaluation import Evaluation, Point
from offramp.policy import OperatingPoint
from offramp.report import words


def summary_of(
    folder: Path, engine: Engine, point: OperatingPoint | None, evaluation: Evaluation | None
) -> tuple[str, str, str]:
    """The three lines.

    Args:
        folder: of the model.
        engine: that it runs in on this machine.
        point: its default operating point, if there is one.
        evaluation: on test rows, if there were any with labels.
    """
    return _gain(folder, engine, point, evaluation), _loss(point, evaluation), _use(folder)


def _gain(folder: Path, engine: Engine, point: OperatingPoint | None, evaluation: Evaluation | None) -> str:
    backend = ""
    if engine.exported and (speeds := read_export(folder, engine).speeds):
        faster = max(speed.texts_per_second / speed.torch_texts_per_second for speed in speeds)
        backend = f"; full depth itself is {words.times(faster, 1)} as fast in {engine} as in PyTorch"
    if point is None:
        return f"You gain: nothing by leaving early, so every text runs to the end{backend}."
    timed = None if evaluation is None else _timed(evaluation, point.name)
    if timed is None:
        expected = words.times(point.seen.speedup, 1)
        return f"You gain: {expected} the speed of full depth, as expected from its stages{backend}."
    rate = f"{words.rate(timed.texts_per_second)} texts a second"
    return f"You gain: {words.times(timed.speedup, 1)} the speed of full depth, {rate} here{backend}."


def _loss(point: OperatingPoint | None, evaluation: Evaluation | None) -> str:
    promised = "; ".join(map(words.promise, () if point is None else point.promises)) or "nothing"
    timed = None if evaluation is None or point is None else _timed(evaluation, point.name)
    if evaluation is None:
        return f"You may lose: {promised}."
    full, rows = words.percent(evaluation.full.accuracy), f"{evaluation.data.rows:,} test texts"
    if timed is None:
        return f"You may lose: {promised}; full depth is right on {full} of {rows}."
    return (
        f"You may lose: {promised}; of {rows} it is right on {words.percent(timed.accuracy)}, full depth on {full}, "
        f"and {words.percent(1 - timed.agreement)} are answered differently."
    )


def _use(folder: Path) -> str:
    return f"Use it: offramp predict {folder} --input texts.csv --output answers.csv"


def _timed(evaluation: Evaluation, name: str) -> Point | None:
    return next((one.point for one in evaluation.operating_points if one.point.name == name), None)
