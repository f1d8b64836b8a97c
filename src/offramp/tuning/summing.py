"""What the rows that judged operating points looked like, for whoever watches other texts at these points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.data import LabeledTexts, Texts
from offramp.drift import CalibrationSummary, Vocabulary, words_of_half
from offramp.policy import Chosen, OperatingPoint, at_exits

if TYPE_CHECKING:
    from offramp.engine import Classifier
    from offramp.policy.selecting import Selected


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """Summaries of new points, and the words of their rows."""

    summaries: tuple[CalibrationSummary, ...]
    vocabulary: Vocabulary


def sum_up(
    points: Sequence[OperatingPoint],
    selections: Sequence["Selected"],
    rows: LabeledTexts | Texts,
    classifier: "Classifier",
) -> Summed:
    """Sums up what the rows that judged each point looked like at it.

    Args:
        points: that were chosen.
        selections: how each of them was.
        rows: all calibration rows.
        classifier: whose points they are.
    """
    from offramp.engine.watching import view_of

    vocabulary, others = words_of_half(rows.texts, rows.text_pairs)
    summaries = []
    for point, selected in zip(points, selections, strict=True):
        judging = rows.subset(selected.places)
        assert isinstance(selected.choice, Chosen)
        exits, view = selected.choice.exits, view_of(classifier.runner.cascade, point.rule, vocabulary)
        observed = view.observed(
            judging.texts,
            judging.text_pairs,
            exits,
            at_exits(selected.choice.answers, exits[None, :, None])[0],
            view.disagreement_by_exit(exits, partial(_passed, selected.rows.probabilities)),
            selected.rows.tokens_read(exits),
        )
        observed = replace(observed, unknown=np.where(others[selected.places], observed.unknown, np.nan))
        summaries.append(
            CalibrationSummary.of(
                observed,
                len(classifier.exits),
                point=point.name,
                engine=point.engine,
                model=point.model,
                data=rows.fingerprint,
            )
        )
    return Summed(tuple(summaries), vocabulary)


def _passed(probabilities: NDArray[np.float64], taken: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """What the exits up to the one taken said of some rows."""
    return probabilities[: taken + 1, rows]
