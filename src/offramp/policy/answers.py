"""The answers of every exit to some rows, from one full-depth pass; everything else is arithmetic on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Calibration, DefaultThreshold, Problem, fit_agreement, fit_calibration
from offramp.calibration.evidence import combined_exits
from offramp.calibration.sets import Decide
from offramp.errors import DataError
from offramp.exit_names import window_of
from offramp.policy.criteria import Array, Confidence, Criterion
from offramp.policy.default import DEFAULT_THRESHOLD, tidy
from offramp.policy.limits import Limit, Risk
from offramp.policy.replay import Replay, exit_shares, replay
from offramp.policy.rules import ExitRule, Threshold
from offramp.policy.sweep import (
    ExitScores,
    accuracy_drop,
    at_exits,
    disagreement,
    labels_changed,
    repeated,
    row_costs,
    score_exits,
)


@dataclass(frozen=True, slots=True)
class StageCosts:
    """Measured times, in seconds per text.

    Attributes:
        stages: time of each stage with its exit and decision, if all rows run it, (exits,). An encoder's first stage
            includes tokenization, building batches and embedding.
        full: time of full depth in one go, the baseline of early exit.
    """

    stages: tuple[float, ...]
    full: float


@dataclass(frozen=True, eq=False)
class ExitAnswers:
    """The answers of every exit to some rows.

    Attributes:
        logits: not calibrated, (exits, rows, labels).
        temperatures: (exits,).
        problem: one label or a set of labels, with what was fitted to decide and to judge sets.
        targets: the rows' labels, int (rows,) or 0/1 (rows, labels); None if they have none.
        tokens: length of each row, (rows,).
        truncated: whether the row was longer than the model reads, (rows,).
        reads: tokens of each row that each stage reads, (exits, rows), where long texts are read window by window; 0
            at stages that a row does not come to, since it has been read to its end before. At their exits it has the
            logits of the exit where it ended. None where all stages read all of a row.
        layers: number of layers run before each exit, (exits,); may be 0, and the same for several exits.
        names: names of the exits, (exits,).
        evidence: weights by which exits add what another said, (exits,); empty if none does.
        sources: index of the exit whose answer each exit may add, (exits,); -1 for none; empty if no exit may.
        labels: names of the labels, (labels,); empty where nothing asks for a label by its name.
        reference: predictions other than full depth's to compare with, in the form of targets; None if there are none.
        costs: of the stages: a rough guess from the pass itself until they are measured; None if unknown.
    """

    logits: NDArray[np.floating[Any]]
    temperatures: tuple[float, ...]
    problem: Problem
    targets: NDArray[Any] | None
    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    layers: tuple[int, ...]
    names: tuple[str, ...]
    evidence: tuple[float, ...] = ()
    sources: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    reference: NDArray[Any] | None = None
    costs: StageCosts | None = None
    reads: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def probabilities(self) -> Array:
        """Calibrated, (exits, rows, labels)."""
        found = combined_exits(self.problem, self.logits, self.temperatures, self.evidence, self.sources)
        return found if self.ends is None else repeated(found, self.ends)

    @cached_property
    def ends(self) -> NDArray[np.int64] | None:
        """The exit at which each row has been read to its end, (rows,); None where that is the last for all."""
        return None if self.reads is None else len(self.reads) - 1 - np.argmax(self.reads[::-1] > 0, axis=0)

    def tokens_read(self, exits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens of each row that have been read where it leaves, (rows,), given the exits that rows take."""
        if self.reads is None:
            return self.tokens
        begins = [place for place, window in enumerate(map(window_of, self.names)) if window is not None]
        begun = np.zeros(self.reads.shape, np.int64)
        for place in begins:
            if place == begins[0] or window_of(self.names[place]) != window_of(self.names[place - 1]):
                begun[place:] += self.reads[place]
        return np.asarray(begun[np.maximum(exits, begins[0]), np.arange(len(exits))])

    def replay(self, rule: ExitRule) -> Replay:
        """What the engine would do by a rule, see :func:`offramp.policy.replay`."""
        return replay(self.probabilities, rule, self.ends)

    def scores(self, criterion: Criterion, *, last: bool = False) -> ExitScores:
        """What a criterion scores at every exit, see :func:`offramp.policy.score_exits`."""
        return score_exits(self.probabilities, criterion, last=last, ends=self.ends)

    @property
    def full(self) -> Array:
        """Calibrated probabilities at full depth, (rows, labels)."""
        return np.asarray(self.probabilities[-1])

    @property
    def row_costs(self) -> Array:
        """Cost of each row up to each exit, (exits, rows); 1 is the mean cost of a row at full depth in one go.

        Raises:
            DataError: the stages were not measured.
        """
        tokens = self.tokens if self.reads is None else self.reads
        return row_costs(self._measured.stages, tokens, self._measured.full)

    @property
    def reaching(self) -> tuple[float, ...]:
        """Seconds that a text takes up to each exit, (exits,).

        Raises:
            DataError: the stages were not measured.
        """
        return tuple(accumulate(self._measured.stages))

    @property
    def _measured(self) -> StageCosts:
        if self.costs is None:
            raise DataError("the costs of the stages were not measured; measure them first")
        return self.costs

    def cost(self, exits: NDArray[np.int64]) -> float:
        """Mean cost of rows that leave at the given exits (rows,); 1 is the mean cost at full depth in one go.

        This is what early exit would cost if leaving were free and small batches were as efficient as large ones.

        Raises:
            DataError: the stages were not measured.
        """
        return float(at_exits(self.row_costs, exits[None]).mean())

    def seconds(self, exits: NDArray[np.int64]) -> float:
        """Seconds that a text takes on average if rows leave at the given exits (rows,); see :meth:`cost`."""
        return self.cost(exits) * self._measured.full

    @property
    def best_risk(self) -> Risk:
        """The more informative risk on these rows: that of accuracy if they have labels."""
        return Risk.DISAGREEMENT if self.targets is None else Risk.ACCURACY_DROP

    @property
    def truth(self) -> NDArray[Any]:
        """The targets of rows with labels.

        Raises:
            DataError: the rows have no labels.
        """
        if self.targets is None:
            raise DataError("accuracy takes rows with labels, and these have none; bound the disagreement instead")
        return self.targets

    @property
    def compared(self) -> NDArray[Any]:
        """The predictions of the reference.

        Raises:
            DataError: there is none but full depth.
        """
        if self.reference is None:
            raise DataError(
                "there is no reference but full depth; name the column that holds its predictions, or a model"
            )
        return self.reference

    def agree(self, answers: Array) -> NDArray[np.bool_]:
        """Which rows are answered as at full depth, bool (..., rows), for answers (..., rows, labels)."""
        return self.problem.agree(answers, self.full)

    def right(self, answers: Array) -> NDArray[np.bool_]:
        """Which rows are answered as their label says, bool (..., rows), for answers (..., rows, labels).

        Raises:
            DataError: the rows have no labels.
        """
        return self.problem.right(answers, self.truth)

    def good(self, answers: Array, risk: Risk) -> NDArray[np.bool_]:
        """:meth:`right` if the risk needs labels, otherwise :meth:`agree`.

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        return self.right(answers) if risk.needs_labels else self.agree(answers)

    def losses(self, answers: Array, risk: Risk, reference: NDArray[Any] | None = None) -> Array:
        """The loss of each row that leaves at each exit with the given answers (exits, rows, labels): (exits, rows).

        Args:
            answers: of each exit; the last are those of full depth.
            risk: what can be lost.
            reference: predictions to compare with instead of full depth's, in the form of targets.

        Raises:
            DataError: the risk needs labels, and there are none.
        """
        if risk is Risk.DISAGREEMENT:
            return disagreement(answers, self.problem, reference)
        if risk is Risk.LABELS_CHANGED:
            return labels_changed(answers, self.problem, reference)
        if risk is Risk.ACCURACY_DROP:
            return accuracy_drop(answers, self.truth, self.problem, reference)
        return (~self.right(answers)).astype(np.float64)

    def limited(self, answers: Array, limit: Limit) -> Array:
        """Like :meth:`losses`, for a limit: NaN where a row does not count, whatever its exit.

        Raises:
            DataError: the limit needs labels or a reference, and there are none.
        """
        if limit.label is not None:
            predicted, true = (
                self.problem.has_label(found, self.labels.index(limit.label))
                for found in (self.problem.predicted(answers), self.truth)
            )
            counts, missing = (predicted, ~true) if limit.risk is Risk.PRECISION else (true, ~predicted)
            return np.where(counts, missing, np.nan)
        return self.losses(answers, limit.risk, None if limit.reference is None else self.compared)

    def accuracy(self, answers: Array) -> float | None:
        """Share of rows that answers (rows, labels) get right; None without labels."""
        return None if self.targets is None else float(self.right(answers).mean())

    @property
    def accuracies(self) -> list[float]:
        """Share of rows that each exit gets right, (exits,).

        Raises:
            DataError: the rows have no labels.
        """
        return [float(right.mean()) for right in self.right(self.probabilities)]

    def macro_f1(self, answers: Array) -> float:
        """Mean over labels of the F1 of answers (rows, labels).

        Raises:
            DataError: the rows have no labels.
        """
        from sklearn.metrics import f1_score

        return float(f1_score(self.truth, self.problem.predicted(answers), average="macro", zero_division=0.0))

    def calibration(
        self,
        fingerprint: str,
        otherwise: Sequence[float] | None = None,
        decide: Decide = "keep",
        miss_cost: float | None = None,
    ) -> Calibration:
        """Refits the temperatures, to the rows' labels or, if they have none, to the predictions of the last exit.

        With them are fitted, for sets of labels, what decides and judges them; and the default threshold.

        Args:
            fingerprint: identifies the rows.
            otherwise: temperatures for exits that have no best one on these rows, see
                :func:`offramp.calibration.fit_calibration`.
            decide: how the thresholds of labels are chosen; without labels they stay as they are.
            miss_cost: what those were fitted for that stay as they are, see :class:`offramp.calibration.Calibration`.

        Raises:
            DataError: there are no rows, or a logit is not finite.
        """
        came = None if self.reads is None else self.reads > 0
        rest = self.layers, fingerprint, otherwise, self.names, self.evidence, self.sources, came
        if self.targets is None:
            fitted = fit_agreement(self.logits, self.problem, *rest)
        else:
            fitted = fit_calibration(self.logits, self.targets, self.problem, *rest, decide=decide)
        if decide == "keep":
            fitted = replace(fitted, miss_cost=miss_cost)
        return replace(fitted, default=self.under(fitted).default_threshold())

    def default_threshold(self) -> DefaultThreshold:
        """The threshold that suits the model: 0.9, or less if full depth is seldom as sure.

        Then texts leave where an exit is as sure as full depth is of the middle row. Where labels are many, or a text
        has a set of them, full depth may never be as sure as that, and no text would leave.
        """
        ends = np.full(len(self), len(self.layers) - 1) if self.ends is None else self.ends
        middle = float(np.median(self.problem.confidence(self.full, ends)))
        threshold = tidy(min(DEFAULT_THRESHOLD, middle))
        exits = self.replay(Threshold(threshold, Confidence(self.problem))).exits
        layers = np.asarray(self.layers)
        share = float(layers[exits].mean() / max(1.0, layers[ends].mean()))
        return DefaultThreshold(threshold, tuple(exit_shares(exits, len(layers)).tolist()), share)

    def under(self, calibration: Calibration) -> "ExitAnswers":
        """The answers to the same rows under another calibration."""
        return replace(
            self,
            problem=calibration.problem(self.problem),
            temperatures=calibration.temperatures,
            evidence=calibration.evidence,
        )

    def subset(self, rows: NDArray[np.int64]) -> "ExitAnswers":
        """The answers to the given rows, in that order."""
        return replace(
            self,
            logits=self.logits[:, rows],
            targets=None if self.targets is None else self.targets[rows],
            tokens=self.tokens[rows],
            truncated=self.truncated[rows],
            reference=None if self.reference is None else self.reference[rows],
            reads=None if self.reads is None else self.reads[:, rows],
        )

    def passing_over(self, exits: Collection[int]) -> "ExitAnswers":
        """The same, where the stages of some exits are skipped and take no time.

        Raises:
            DataError: the stages were not measured.
        """
        stages = tuple(0.0 if index in exits else cost for index, cost in enumerate(self._measured.stages))
        return replace(self, costs=replace(self._measured, stages=stages))

    def split(self, share: float, seed: int) -> tuple["ExitAnswers", "ExitAnswers"]:
        """Splits off a random share of the rows, at least one, and gives it and the rest; depends only on the seed.

        Raises:
            DataError: there are fewer than two rows.
        """
        first, rest = self.split_places(share, seed)
        return self.subset(first), self.subset(rest)

    def split_places(self, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The positions of the rows that :meth:`split` splits off, and of the rest, both rising.

        Raises:
            DataError: there are fewer than two rows.
        """
        if len(self) < 2:
            raise DataError(f"{len(self)} row cannot be split into one part for fitting and one for judging; give more")
        order = np.random.default_rng(seed).permutation(len(self))
        first, rest = np.split(order, [max(1, int(share * len(self)))])
        return np.sort(first), np.sort(rest)
