"""Whether a model is any better than giving every text the same answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offramp.policy import ExitAnswers


@dataclass(frozen=True, slots=True)
class ConstantAnswer:
    """The most frequent label, or set of labels, given as the answer to every text.

    Attributes:
        labels: their names; empty if most texts have no label.
        accuracy: share of texts that this gets right.
    """

    labels: tuple[str, ...]
    accuracy: float


def constant_answer(answers: ExitAnswers, labels: Sequence[str]) -> ConstantAnswer:
    """The constant answer that is right most often; on a tie, the first in the order of ``labels``.

    Raises:
        DataError: the rows have no labels.
    """
    distinct, counts = np.unique(answers.truth, axis=0, return_counts=True)
    best = distinct[counts.argmax()]
    places = np.flatnonzero(best) if answers.problem.multi_label else [best]
    return ConstantAnswer(tuple(labels[int(place)] for place in places), float(counts.max() / len(answers)))


def learned_nothing(accuracies: Sequence[float], constant: ConstantAnswer) -> str | None:
    """Says that no exit is right more often than a constant answer, and what to do; None if one is.

    Args:
        accuracies: of the exits, as shares, (exits,).
        constant: the best constant answer on the same texts.
    """
    if max(accuracies) > constant.accuracy:
        return None
    named = " + ".join(map(repr, constant.labels)) or "no label"
    if constant.accuracy == 1:
        return (
            f"All of these texts have the same answer ({named}), so they cannot show what the model has learned: use "
            "texts with different labels."
        )
    return (
        f"The model has learned nothing that shows on these texts: its best exit is right on {max(accuracies):.2%} of "
        f"them, and giving every text the most frequent answer ({named}) is right on {constant.accuracy:.2%}. No "
        "setting can help: train it again, or make sure that these texts and labels are of the kind it was trained on."
    )


def answers_alike(answers: ExitAnswers) -> str | None:
    """Says that a model gives every text the same answer at full depth, and what to do; None if it does not."""
    predicted = answers.problem.predicted(answers.full)
    if len(answers) < 2 or not (predicted == predicted[0]).all():
        return None
    return (
        f"The model gives the same answer to all {len(answers)} texts, so agreeing with it means nothing: train it "
        "again, or make sure that these texts are of the kind it was trained on."
    )
