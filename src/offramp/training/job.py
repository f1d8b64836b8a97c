"""A training as one value: on which texts, to which network, how, and what a resumed run has to have in common."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from offramp.calibration import Problem
from offramp.calibration.sets import Decide
from offramp.data import Data, LabeledTexts, Texts, check_disjoint
from offramp.data.seen import SeenRows
from offramp.data.unlabeled import AnyTexts, split_off
from offramp.model.windows import LongTexts
from offramp.training.architecture import Architecture
from offramp.training.checks import fitted_before
from offramp.training.listening import Listener
from offramp.training.recipe import Recipe
from offramp.training.regimes import Regime

AnyTexts_co = TypeVar("AnyTexts_co", bound=LabeledTexts | Texts, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData(Generic[AnyTexts_co]):
    """The texts of a training.

    Attributes:
        train: what the network is fitted to.
        dev: what chooses the epoch and the temperatures.
        unlabeled: what it is fitted to beside ``train``.
        before: what the models that it starts from or learns from were fitted to.
    """

    train: AnyTexts_co
    dev: AnyTexts_co
    unlabeled: Texts | None = None
    before: tuple[SeenRows, ...] = ()

    @property
    def fitted(self) -> list[LabeledTexts | Texts]:
        """All that the network is fitted to: the rows of ``train``, and then those without labels."""
        return [self.train, *([] if self.unlabeled is None else [self.unlabeled])]

    @property
    def parts(self) -> dict[str, LabeledTexts | Texts]:
        """All there are, by name."""
        named = {"train": self.train, "unlabeled": self.unlabeled, "dev": self.dev}
        return {name: rows for name, rows in named.items() if rows is not None}

    @property
    def text_pair(self) -> bool:
        """Whether they are pairs."""
        return self.train.text_pairs is not None

    @property
    def fingerprints(self) -> dict[str, str]:
        """What the texts are, wherever they lie."""
        return {name: rows.fingerprint for name, rows in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of training, with its own seed and learning rate."""

    number: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """All that ``train`` was asked for.

    Attributes:
        model: where the encoder comes from: a folder or a hub id.
        decide: from which probability a label holds, where a text has any number of them.
        labels: names of the labels; also of a rare one whose only rows are among the dev rows.
        teacher_column: where the labels that are learnt stand, if another system gave them.
        resume: whether to go on with an unfinished run of the same job.
    """

    model: str
    data: TrainingData[LabeledTexts]
    labels: tuple[str, ...]
    architecture: Architecture
    long: LongTexts = field(default_factory=LongTexts)
    regime: Regime
    recipe: Recipe
    seed: int
    teacher_column: str | None = None
    decide: Decide = "auto"
    resume: bool = False
    listener: Listener = field(default_factory=Listener)

    @property
    def problem(self) -> Problem:
        """Whether a text has one label or several."""
        return Problem.MULTI_LABEL if self.data.train.multi_label else Problem.SINGLE_LABEL

    @property
    def trials(self) -> list[Trial]:
        """Random search as in the paper: each trial has its own seed and draws its learning rate."""
        draws = np.random.default_rng(self.seed).choice(self.recipe.learning_rates, size=self.recipe.trials)
        return [Trial(number, float(rate), self.seed + number) for number, rate in enumerate(draws)]

    def to_dict(self) -> dict[str, Any]:
        """What decides the model: only a run with the same may be resumed, and the folder's record tells of it."""
        regime = asdict(replace(self.regime, unlabeled=None))
        del regime["unlabeled"]  # the fingerprint says what texts they are
        return {
            "backbone": self.model,
            **asdict(self.architecture),
            "regime": regime,
            "recipe": asdict(self.recipe),
            "seed": self.seed,
            **self.long.to_dict(),
            "teacher_column": self.teacher_column,
            "label_thresholds": self.decide,
            "data": self.data.fingerprints,
        }


def gathered(
    rows: AnyTexts,
    dev: Data | float,
    read: Callable[[Data], AnyTexts],
    seed: int,
    *,
    models: Sequence[str],
    unlabeled: Texts | None = None,
    judging: AnyTexts | None = None,
    same_split: bool,
) -> TrainingData[AnyTexts]:
    """The texts of a training, with dev rows that nothing else is or was fitted to.

    Args:
        dev: the dev rows, or the share of ``rows`` that is split off.
        read: reads such rows.
        models: those that training starts from or learns from.
        judging: ``rows`` with the labels that dev rows are judged by, where they are to learn others.
        same_split: whether the seed and share of their training would give the same dev rows again.

    Raises:
        DataError: they cannot be read, or the dev rows are among those of a training.
    """
    train, held_out = split_off(rows, dev, seed, judging) if isinstance(dev, float | int) else (rows, read(dev))
    before = [seen for name in models for seen in fitted_before(name, train, held_out, same_split=same_split)]
    # Rows that were split off may repeat what is left: that is how such texts come.
    apart = [] if isinstance(dev, float | int) else [train]
    check_disjoint(held_out, [*apart, *([] if unlabeled is None else [unlabeled])])
    return TrainingData(train=train, dev=held_out, unlabeled=unlabeled, before=tuple(before))
