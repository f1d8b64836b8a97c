"""Work on calibration rows: checks for earlier use, new temperatures, and the time of each stage."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from offramp.calibration import Calibration
from offramp.data import LabeledTexts, Texts, check_unseen, is_point
from offramp.data.seen import FITTING
from offramp.errors import OptionError
from offramp.evaluation import Request, check_enough, measure_stages
from offramp.policy import ExitAnswers, StageCosts

if TYPE_CHECKING:
    from offramp.engine import Classifier

REPEATS = 5
_LEAST_TIMED = 32


def check_unused(rows: LabeledTexts | Texts, uses: Mapping[str, float], *, split: bool) -> None:
    """Makes sure that the model was neither trained nor calibrated on the rows.

    Args:
        rows: to choose thresholds on.
        uses: share of the rows that the model has seen, by use, from :func:`offramp.data.uses_of`.
        split: whether the temperatures will be refitted to a part of these rows, so that only training counts.

    Raises:
        DataError: it was trained or calibrated on them.
    """
    counting = {use: share for use, share in uses.items() if use == FITTING or not (split or is_point(use))}
    refit = ", or `split` to refit the temperatures on one half of these and choose on the other"
    trained = max(counting, key=lambda use: counting[use], default=FITTING) == FITTING
    harm = "a threshold chosen on them would look better than it is"
    check_unseen(rows, counting, harm, "use other rows" + ("" if trained else refit))


@dataclass(frozen=True, slots=True, eq=False)
class Refitted:
    """A classifier with new temperatures, the rows they were fitted to, and the other rows with their answers."""

    classifier: "Classifier"
    fitted: LabeledTexts | Texts
    rest: LabeledTexts | Texts
    answers: ExitAnswers


def refit(classifier: "Classifier", rows: LabeledTexts | Texts, answers: ExitAnswers, seed: int) -> Refitted:
    """Refits the temperatures on one random half of the rows, to labels or to the last exit as before.

    Raises:
        OptionError: the temperatures were fitted to labels, and the rows have none.
        DataError: there are too few rows.
    """
    if answers.targets is None and classifier.calibration.against == "labels":
        raise OptionError(f"split fits temperatures, which takes labels, and {rows.source} has none; leave it out")
    order = np.random.default_rng(seed).permutation(len(rows))
    fitting, judging = (np.sort(part) for part in np.array_split(order, 2))
    fitted = rows.subset(fitting)
    check_enough(fitted)
    calibration = answers.subset(fitting).calibration(fitted.fingerprint, miss_cost=classifier.calibration.miss_cost)
    rest = answers.subset(judging).under(calibration)
    return Refitted(_with_calibration(classifier, calibration), fitted, rows.subset(judging), rest)


def _with_calibration(classifier: "Classifier", calibration: Calibration) -> "Classifier":
    other = copy(classifier)
    other.recalibrate(calibration)
    return other


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs, and the number of rows they were measured on."""

    costs: StageCosts
    rows: int


def measure(classifier: "Classifier", rows: LabeledTexts | Texts, answers: ExitAnswers, seconds: float) -> Measured:
    """Measures the stages for about ``seconds``, on rows at even distances from the shortest to the longest."""
    tokens = answers.tokens
    everyone_to_the_end = np.full(len(tokens), len(answers.layers) - 1)
    size = seconds / (answers.seconds(everyone_to_the_end) * 2 * (REPEATS + 1))
    number = int(np.clip(size, min(_LEAST_TIMED, len(tokens)), len(tokens)))
    places = np.linspace(0, len(tokens) - 1, number).astype(np.int64)
    sample = np.sort(np.argsort(tokens, kind="stable")[places])
    request = Request(rows.texts, rows.text_pairs).subset(sample)
    return Measured(measure_stages(classifier, [request], REPEATS), number)
