"""Stages that are not layers of one network: words before its exits, or a small network before it, under one gate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.curves import mean_over_seeds, one_exit, read_answers
from benchmarks.paper.measuring import read_times
from benchmarks.paper.results import EXITS, WORDS
from benchmarks.paper.times import Array, Cost, Lot
from benchmarks.paper.ways import Model, Models, shared_seeds
from offramp.data.wording import count
from offramp.policy import (
    AtMost,
    ExitAnswers,
    Missed,
    Outcomes,
    StageCosts,
    Swept,
    at_exits,
    replay,
    select,
    sweep,
    sweep_gate,
)


@dataclass(frozen=True)
class Cascade:
    """A text passes all of this until an exit is likely enough to say what the last one would say.

    How likely that is says the gate of ``offramp tune``, fitted to the dev rows.

    Attributes:
        networks: with exits, the small one first.
        words: whether a model of words comes first.
        added: whether exits of the first network add what the words said to their own answer. Temperatures and weights
            are then fitted to the dev rows, as ``offramp calibrate`` does; the last exit of a network that exits were
            attached to stays as it is.
    """

    networks: tuple[Model, ...]
    words: bool = False
    added: bool = False

    @property
    def name(self) -> str:
        """Its stages."""
        first, *others = (
            count(models.place.plan.encoders[models.encoder].layers, "layer") if len(self.networks) > 1 else EXITS
            for models, _ in self.networks
        )
        return ", ".join([WORDS] * self.words + [first + " that add them" * self.added, *others])

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that all its networks were trained with."""
        return shared_seeds(self.networks)

    def outcomes(self, kind: str, seeds: Sequence[int], part: str = "test") -> Outcomes:
        """What it gets right at every threshold, and at what cost: the mean over seeds.

        Args:
            kind: the way of handing texts in.
            part: of the data set.
        """
        return mean_over_seeds([self._with_seed(seed, kind, part) for seed in seeds])

    def selected(self, kind: str, seeds: Sequence[int], goal: AtMost) -> Outcomes | None:
        """The same on test rows, for the one setting that ``offramp tune`` selects on the dev rows; None if none does.

        Args:
            goal: against full depth of the cascade itself.
        """
        found = [self._selected(seed, kind, goal) for seed in seeds]
        known = [one for one in found if one is not None]
        return mean_over_seeds(known) if len(known) == len(found) else None

    def _with_seed(self, seed: int, kind: str, part: str) -> Outcomes:
        rows = self._rows(seed)
        swept = _swept(rows)
        taken = swept.exits if part == "dev" else sweep(rows.joined("test"), swept.criterion).exits
        return self._outcomes(rows, part, taken, self._lots(kind))

    def _selected(self, seed: int, kind: str, goal: AtMost) -> Outcomes | None:
        rows, lots = self._rows(seed), self._lots(kind)
        read = [one.tokens for one in rows.members("dev")]
        stages = tuple(
            float(stage.of(tokens).mean()) for lot, tokens in zip(lots, read, strict=True) for stage in lot.stages
        )
        costs = StageCosts(stages, float(lots[-1].full.of(read[-1]).mean()))
        choice = select(goal, "gate", replace(rows.joined("dev"), costs=costs)).choice
        if isinstance(choice, Missed):
            return None
        first = 0
        for number, lot in enumerate(lots[:-1]):
            exits = range(first, first := first + len(lot.stages))
            if not any(map(choice.rule.asks, exits)):  # so that it is skipped
                lots[number] = Lot(0, Cost(0.0, 0.0), (Cost(0.0, 0.0),) * len(lot.stages), (), ())
        return self._outcomes(rows, "test", replay(rows.joined("test").probabilities, choice.rule).exits[None], lots)

    def _rows(self, seed: int) -> "_Rows":
        last, method = self.networks[-1]
        words = (last.place.words(last.data),) if self.words else ()
        files = (*words, *(models.logits(one, seed) for models, one in self.networks))
        return _Rows(files, self.added, last.run(method, seed).targets is None)

    def _lots(self, kind: str) -> list[Lot]:
        words = [words_lot(self.networks[-1][0], kind)] if self.words else []
        return [*words, *(models.lot(kind) for models, _ in self.networks)]

    def _outcomes(self, rows: "_Rows", part: str, taken: NDArray[np.int64], lots: Sequence[Lot]) -> Outcomes:
        """Costs are shares of the last network at full depth in one go."""
        answers, members = rows.joined(part), rows.members(part)
        right = answers.right(answers.probabilities).astype(np.float64)
        seconds = spent(lots, [one.tokens for one in members], [len(one.layers) for one in members], taken)
        return Outcomes(at_exits(right, taken), seconds / lots[-1].full.of(members[-1].tokens).mean())


def words_lot(models: Models, kind: str) -> Lot:
    """Times of the model of words of a data set."""
    found: Lot = getattr(read_times(models.place.words_times(models.data)), kind)
    return found


def words_alone(models: Models, kind: str, part: str, full: Array) -> Outcomes:
    """Every row is answered by words.

    Args:
        full: what rows take in the network at full depth, (rows,).
    """
    answers = read_answers(models.place.words(models.data), part)
    return one_exit(answers, words_lot(models, kind).full.of(answers.tokens) / full.mean())


def spent(
    lots: Sequence[Lot], tokens: Sequence[NDArray[np.int64]], sizes: Sequence[int], taken: NDArray[np.int64]
) -> Array:
    """Seconds that rows take in the members of a cascade that they reach, (settings, rows).

    Args:
        lots: times of each member.
        tokens: of rows, as each member reads them, (rows,) each.
        sizes: how many exits each member has.
        taken: the exit of all members that each row takes, (settings, rows).
    """
    total, first = np.zeros(taken.shape), 0
    for lot, read, size in zip(lots, tokens, sizes, strict=True):
        total += lot.seconds(read, np.clip(taken - first, 0, size - 1), taken >= first)
        first += size
    return total


def joined(members: Sequence[ExitAnswers], *, added: bool) -> ExitAnswers:
    """The exits of several members of a cascade on the same rows, not calibrated together.

    Args:
        added: whether the exits of the second may add what the first, of words, said.
    """
    last, sizes = members[-1], [len(one.layers) for one in members]
    if not all(np.array_equal(one.truth, last.truth) for one in members):
        raise ValueError("members of a cascade answered other rows")
    sources = np.repeat([-1, 0, *[-1] * (len(sizes) - 2)], sizes).tolist() if added else ()
    return replace(
        last,
        logits=np.concatenate([one.logits for one in members]),
        temperatures=tuple(temperature for one in members for temperature in one.temperatures),
        layers=tuple(layers for one in members for layers in one.layers),
        names=tuple(f"{name} of {number}" for number, one in enumerate(members, 1) for name in one.names),
        sources=tuple(sources),
    )


@dataclass(frozen=True)
class _Rows:
    """The answers of a cascade's members, which lie in files.

    Attributes:
        added: whether exits of the second member add what the first said.
        last_may_add: whether the last exit of all may, too.
    """

    files: tuple[Path, ...]
    added: bool
    last_may_add: bool

    def members(self, part: str) -> list[ExitAnswers]:
        """Each on its own."""
        return [_answers(file, part) for file in self.files]

    def joined(self, part: str) -> ExitAnswers:
        """All exits, with the temperatures and weights that the dev rows ask for, where words are added."""
        return _joined(self, part)


_answers = cache(read_answers)


@cache
def _joined(rows: _Rows, part: str) -> ExitAnswers:
    answers = joined(rows.members(part), added=rows.added)
    if not rows.added:
        return answers
    if part != "dev":
        dev = _joined(rows, "dev")
        return replace(answers, temperatures=dev.temperatures, evidence=dev.evidence)
    # A weight of the last exit that is not 0 says that it may have one.
    weights = (0.0,) * (len(answers.layers) - 1) + (float(rows.last_may_add),)
    fitted = replace(answers, evidence=weights).calibration("")
    return replace(answers, temperatures=fitted.temperatures, evidence=fitted.evidence)


@cache
def _swept(rows: _Rows) -> Swept:
    return sweep_gate(rows.joined("dev"))
