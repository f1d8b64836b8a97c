"""The rows on which early exit and full depth differ, the most telling first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem

WORST = 20
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """Labels (one, or a set that may be empty) and the calibrated probability that they are right."""

    labels: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row that early exit answers differently than full depth.

    Attributes:
        row: number of the row in the data, from 1.
        exit_name: the exit it took early.
        layers: run before it left.
        early, full: the two answers.
        truth: the row's labels.
        text, text_pair: the row's texts, cut at 300 characters; None unless texts were asked for.
    """

    row: int
    exit_name: str
    layers: int
    early: Answer
    full: Answer
    truth: tuple[str, ...]
    text: str | None
    text_pair: str | None


@dataclass(frozen=True, slots=True, eq=False)
class BothAnswers:
    """Both answers to each row.

    Attributes:
        early, full: calibrated probabilities, (rows, labels).
        exits: index of the exit that each row took early, (rows,).
        exit_names: names of the exits, (exits,).
        layers: run before each exit, (exits,).
        targets: int (rows,) or 0/1 (rows, labels).
        labels: names of the labels.
    """

    early: NDArray[np.float64]
    full: NDArray[np.float64]
    exits: NDArray[np.int64]
    handed_over: NDArray[np.bool_]
    exit_names: Sequence[str]
    layers: Sequence[int]
    targets: NDArray[Any]
    labels: Sequence[str]
    problem: Problem


def worst_disagreements(
    answers: BothAnswers,
    texts: Sequence[str] | None = None,
    text_pairs: Sequence[str] | None = None,
    number: int = WORST,
) -> tuple[Disagreement, ...]:
    """Picks the rows on which the two differ and full depth is surest of its own answer.

    Args:
        answers: both answers to all rows.
        texts, text_pairs: the texts of all rows, if they may be shown.
        number: the most rows to pick.
    """
    problem = answers.problem
    differ = np.flatnonzero(~problem.agree(answers.early, answers.full) & ~answers.handed_over)
    last = len(answers.exit_names) - 1
    surest_first = np.argsort(-problem.confidence(answers.full[differ], last), kind="stable")
    truth = answers.targets[:, None] == np.arange(len(answers.labels)) if answers.targets.ndim == 1 else answers.targets
    return tuple(
        Disagreement(
            row=row + 1,
            exit_name=answers.exit_names[answers.exits[row]],
            layers=answers.layers[answers.exits[row]],
            early=_answer(answers.early[row], answers, int(answers.exits[row])),
            full=_answer(answers.full[row], answers, last),
            truth=_names(truth[row].astype(np.bool_), answers.labels),
            text=None if texts is None else _cut(texts[row]),
            text_pair=None if text_pairs is None else _cut(text_pairs[row]),
        )
        for row in differ[surest_first[:number]].tolist()
    )


def _answer(probabilities: NDArray[np.float64], answers: BothAnswers, exit_index: int) -> Answer:
    predicted = answers.problem.predicted(probabilities)
    chosen = predicted if predicted.ndim else np.arange(len(answers.labels)) == predicted
    return Answer(_names(chosen, answers.labels), float(answers.problem.confidence(probabilities, exit_index)))


def _names(chosen: NDArray[np.bool_], labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(labels[index] for index in np.flatnonzero(chosen).tolist())


def _cut(text: str) -> str:
    readable = text.encode("utf-8", "replace").decode("utf-8")  # no file can hold a lone surrogate
    return readable if len(readable) <= _LONGEST else readable[: _LONGEST - 1] + "…"
