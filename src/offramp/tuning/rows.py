"""Calibration rows: whether the model has seen them before, one full-depth pass, and the time of each stage."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Calibration, fit_agreement, fit_calibration
from offramp.data import LabelledTexts, Texts, check_unseen, is_point
from offramp.data.seen import FITTING
from offramp.engine import Classifier
from offramp.errors import DataError, OptionError
from offramp.evaluation import Request, StageCosts, check_pairs, measure_stages, targets_of
from offramp.policy import CachedRows

REPEATS = 5
_LEAST_TIMED = 32


def check_unused(rows: LabelledTexts | Texts, uses: Mapping[str, float], *, split: bool) -> None:
    """Makes sure that the model was neither trained nor calibrated on the rows.

    Args:
        rows: to choose thresholds on.
        uses: share of the rows that the model has seen, by what for, as :func:`offramp.data.uses_of` gives it.
        split: whether the temperatures will be fitted anew to a part of these rows, so that only training counts.

    Raises:
        DataError: it was.
    """
    counting = {use: share for use, share in uses.items() if use == FITTING or not (split or is_point(use))}
    refit = ", or --split to fit the temperatures anew to one half of these and choose on the other"
    trained = max(counting, key=lambda one: counting[one], default=FITTING) == FITTING
    harm = "a threshold chosen on them would look better than it is"
    check_unseen(rows, counting, harm, "use other rows" + ("" if trained else refit))


@dataclass(frozen=True, slots=True, eq=False)
class Ran:
    """Rows that ran to full depth.

    Attributes:
        targets: as :func:`offramp.evaluation.targets_of` gives them; None without labels.
        logits: of every exit, (exits, rows, labels).
        tokens: length of each row, (rows,).
        truncated: whether the model reads only part of the row, (rows,).
        seconds_per_row: roughly.
    """

    rows: LabelledTexts | Texts
    targets: NDArray[Any] | None
    logits: NDArray[np.float32]
    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    seconds_per_row: float

    def subset(self, places: NDArray[np.int64]) -> "Ran":
        """The rows at some places, in that order."""
        return Ran(
            self.rows.subset(places),
            None if self.targets is None else self.targets[places],
            self.logits[:, places],
            self.tokens[places],
            self.truncated[places],
            self.seconds_per_row,
        )

    def cached(self, classifier: Classifier, costs: StageCosts) -> CachedRows:
        """The rows as the policy takes them."""
        temperatures = np.array(classifier.calibration.temperatures)[:, None, None]
        return CachedRows(
            problem=classifier.problem,
            probabilities=classifier.problem.probabilities(self.logits, temperatures),
            targets=self.targets,
            tokens=self.tokens,
            layers=classifier.exits,
            stage_costs=costs.stages,
            full_cost=costs.full,
        )


def run_rows(classifier: Classifier, rows: LabelledTexts | Texts) -> Ran:
    """Runs every row to full depth.

    Raises:
        DataError: the rows do not fit the model.
    """
    check_pairs(classifier, rows.text_pairs)
    targets = targets_of(classifier, rows) if isinstance(rows, LabelledTexts) else None
    started = time.perf_counter()
    read = classifier.run_exits(rows.texts, rows.text_pairs)
    seconds_per_row = (time.perf_counter() - started) / len(rows)
    return Ran(rows, targets, read.logits, read.tokens, read.truncated, seconds_per_row)


@dataclass(frozen=True, slots=True, eq=False)
class Refitted:
    """A classifier with new temperatures, the rows they were fitted to, and the other rows."""

    classifier: Classifier
    fitted: LabelledTexts | Texts
    rest: Ran


def refit(classifier: Classifier, ran: Ran, seed: int) -> Refitted:
    """Fits the temperatures anew to one random half of the rows, as they were fitted: to labels or to the last exit.

    Raises:
        OptionError: the rows have no labels, and the temperatures were fitted to some.
        DataError: there are fewer than two rows.
    """
    rows = ran.rows
    if ran.targets is None and classifier.calibration.against == "labels":
        raise OptionError(f"split fits temperatures, which takes labels, and {rows.source} has none; leave it out")
    if len(rows) < 2:
        raise DataError(f"{rows.source} holds {len(rows)} row, which cannot be split; give more")
    order = np.random.default_rng(seed).permutation(len(rows))
    here, there = (np.sort(part) for part in np.array_split(order, 2))
    fitted, rest = ran.subset(here), ran.subset(there)
    problem, layers, fingerprint = classifier.problem, classifier.exits, fitted.rows.fingerprint
    if fitted.targets is None:
        calibration = fit_agreement(fitted.logits, problem, layers, fingerprint)
    else:
        calibration = fit_calibration(fitted.logits, fitted.targets, problem, layers, fingerprint)
    return Refitted(_with_calibration(classifier, calibration), fitted.rows, rest)


def _with_calibration(classifier: Classifier, calibration: Calibration) -> Classifier:
    return Classifier(
        classifier.stages,
        classifier.config,
        classifier.tokenizer,
        calibration,
        token_budget=classifier.token_budget,
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs, and the number of rows that they were measured on."""

    costs: StageCosts
    rows: int


def measure(classifier: Classifier, ran: Ran, seconds: float) -> Measured:
    """Measures the stages on rows at even distances from the shortest to the longest, for about some seconds."""
    size = seconds / (ran.seconds_per_row * 2 * (REPEATS + 1))
    rows = int(np.clip(size, min(_LEAST_TIMED, len(ran.tokens)), len(ran.tokens)))
    places = np.linspace(0, len(ran.tokens) - 1, rows).astype(np.int64)
    sample = np.sort(np.argsort(ran.tokens, kind="stable")[places])
    request = Request(ran.rows.texts, ran.rows.text_pairs).subset(sample)
    return Measured(measure_stages(classifier, request, REPEATS), rows)
