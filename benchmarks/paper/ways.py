"""What models of a data set there are, and ways of answering its texts with one or several of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from benchmarks.paper.curves import (
    CONFIDENCE,
    at_thresholds,
    choice_between,
    criterion_named,
    early_exit,
    in_turn,
    mean_over_seeds,
    one_exit,
    per_exit,
    read_answers,
)
from benchmarks.paper.measuring import read_times
from benchmarks.paper.place import Place
from benchmarks.paper.plan import CLASSIFIER, OURS, PER_EXIT, SHARED, STANDARD, Run
from benchmarks.paper.times import Array, Lot, Times
from offramp.policy import Criterion, ExitAnswers, Outcomes


@dataclass(frozen=True)
class Models:
    """Those of one data set with one encoder, as far as they were trained, and the times of their parts."""

    place: Place
    data: str
    encoder: str

    @classmethod
    def of(cls, place: Place, runs: Sequence[Run]) -> "list[Models]":
        """Of the data sets and encoders of some runs."""
        pairs = dict.fromkeys((run.data, run.encoder) for run in runs)
        return [cls(place, data, encoder) for data, encoder in pairs]

    @property
    def name(self) -> str:
        """Of the data set and the encoder."""
        return f"{self.data}-{self.encoder}"

    @property
    def are_enough(self) -> bool:
        """Whether there is enough to compare."""
        timed = self.place.is_prepared(self.data) and self.place.times(self.data, self.encoder).is_file()
        return timed and bool(self.seeds(STANDARD)) and self.several is not None

    @property
    def several(self) -> str | None:
        """A method of ours that was run."""
        ours = (one.method for one in OURS.values())
        return next((method for method in ours if self.seeds(method)), None)

    @cached_property
    def times(self) -> Times:
        """Of the network's parts."""
        return read_times(self.place.times(self.data, self.encoder))

    @cached_property
    def planned(self) -> list[str]:
        """Methods in the plan's order."""
        runs = (run for run in self.place.plan.runs() if (run.data, run.encoder) == (self.data, self.encoder))
        return list(dict.fromkeys(run.method for run in runs if run.method != CLASSIFIER))

    @cached_property
    def cuts(self) -> list[str]:
        """The efficient baselines that were run, the shallowest first."""
        return [method for method in self.planned if method.startswith("cut") and self.seeds(method)]

    def recipe(self, *, early: bool) -> dict[str, Any] | None:
        """Of the encoders that were trained with an exit before their full depth, or of those without; None of none."""
        runs = (self.run(method, seeds[0]) for method in self.planned if (seeds := self.seeds(method)))
        found = next((run for run in runs if run.early == early and run.targets is None), None)
        return None if found is None else self.place.record_of(found)["settings"]["recipe"]

    def run(self, method: str, seed: int) -> Run:
        """One run."""
        return Run(self.data, self.encoder, method, seed)

    def seeds(self, method: str) -> tuple[int, ...]:
        """Those that a method was run with."""
        every = sorted({run.seed for run in self.place.plan.runs()})
        return tuple(seed for seed in every if self.place.is_done(self.run(method, seed)))

    def answers(self, method: str, seed: int, part: str = "test", *, calibrated: bool = True) -> ExitAnswers:
        """What a model says."""
        return _answers(self.logits(method, seed), part, calibrated)

    def logits(self, method: str, seed: int) -> Path:
        """The file that this is read from."""
        return self.place.logits(self.run(method, seed))

    def lot(self, kind: str) -> Lot:
        """Times of a way of handing texts in."""
        found: Lot = getattr(self.times, kind)
        return found

    def own_costs(self, method: str, seed: int, kind: str, part: str) -> Array:
        """What rows cost in a model with one exit, as a share of the mean row of the standard one, (rows,)."""
        exits = self.place.plan.encoders[self.encoder].exits
        answers = self.answers(method, seed, part)
        return self.lot(kind).cut_shares(exits.index(answers.layers[-1]), answers.tokens)

    def alone(self, method: str, rule: str = SHARED) -> "Way":
        """A method's model with exits by their confidence, or with one exit."""
        return Way("", method, ((self, method),), rule)


# One model for each seed: where it belongs, and its method.
Model = tuple[Models, str]


def shared_seeds(models: Sequence[Model]) -> tuple[int, ...]:
    """Those that all models were trained with."""
    every = [one.seeds(method) for one, method in models]
    return tuple(seed for seed in every[0] if all(seed in seeds for seeds in every))


@dataclass(frozen=True)
class Way:
    """A way of answering.

    Attributes:
        group, name: what it is called.
        models: those that are asked: one; or several in turn, until one of them is sure; or one of several, for each
            speed another.
        rule: one threshold for all exits, or models in turn, or one for each, fitted to dev rows.
        criterion: what is compared with it.
        calibrated: without, all temperatures are 1.
        choice: whether one of the models is chosen.
    """

    group: str
    name: str
    models: tuple[Model, ...]
    rule: str = SHARED
    criterion: str = "confidence"
    calibrated: bool = True
    choice: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that all its models were trained with."""
        return shared_seeds(self.models)

    def outcomes(self, kind: str, seeds: Sequence[int], part: str = "test") -> Outcomes:
        """What it gets right at every setting, and at what cost: the mean over seeds.

        Args:
            kind: the way of handing texts in.
            part: of the data set.
        """
        return mean_over_seeds([self._with_seed(seed, kind, part) for seed in seeds])

    def _with_seed(self, seed: int, kind: str, part: str) -> Outcomes:
        if self.choice:
            each = [models.alone(method) for models, method in self.models]
            return choice_between([way._with_seed(seed, kind, part) for way in each])
        if len(self.models) > 1:
            return self._in_turn(seed, kind, part)
        ((models, method),) = self.models
        answers, lot = models.answers(method, seed, part, calibrated=self.calibrated), models.lot(kind)
        if len(answers.layers) == 1:
            return one_exit(answers, models.own_costs(method, seed, kind, part))
        if self.rule == PER_EXIT:
            return early_exit(answers, lot, _fitted(models.logits(method, seed), lot, self.criterion))
        return early_exit(answers, lot, criterion_named(self.criterion, answers.layers))

    def _in_turn(self, seed: int, kind: str, part: str) -> Outcomes:
        """Costs are sums: what it takes to sort out rows between models was not measured, and is not in them."""
        by = per_exit(*self._members(seed, kind, "dev")) if self.rule == PER_EXIT else CONFIDENCE
        return at_thresholds(*self._members(seed, kind, part), by)

    def _members(self, seed: int, kind: str, part: str) -> tuple[ExitAnswers, Array]:
        """Of all its models; costs are shares of the last one's network at full depth."""

        def full(models: Models, method: str) -> float:
            return float(models.lot(kind).full.of(models.answers(method, seed, part).tokens).mean())

        whole = full(*self.models[-1])
        return in_turn(
            [
                (
                    models.answers(method, seed, part),
                    models.own_costs(method, seed, kind, part) * full(models, method) / whole,
                )
                for models, method in self.models
            ]
        )


@cache
def _answers(file: Path, part: str, calibrated: bool) -> ExitAnswers:
    return read_answers(file, part, calibrated=calibrated)


@cache
def _fitted(file: Path, lot: Lot, criterion: str) -> Criterion:
    """Thresholds that a model's dev rows ask for."""
    answers = _answers(file, "dev", True)
    return per_exit(answers, lot.shares(answers.tokens), criterion_named(criterion, answers.layers))
