"""How a model is trained: the numbers, and two named sets of them."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from offramp import environment
from offramp.errors import OptionError

Precision = Literal["auto", "fp32", "bf16"]
Schedule = Literal["linear", "cosine", "constant"]
Targets = Literal["labels", "model", "both"]
"""What exits on a classifier learn."""


def _at_least(name: str, value: float, least: float) -> None:
    if not isinstance(value, int | float) or not least <= value < math.inf:
        raise OptionError(f"{name} is {value!r}; it must be a number of at least {least:g}", option=name, value=value)


def _check_rate(rate: float) -> None:
    if not isinstance(rate, int | float) or not 0 < rate < 1:
        raise OptionError(f"a learning rate of {rate} cannot work; use one between 0 and 1, such as 5e-5", value=rate)


def _one_of(name: str, value: str, valid: Any) -> None:
    if value not in get_args(valid):
        raise OptionError(
            f"{name} {value!r} is not known; valid: {', '.join(get_args(valid))}", option=name, value=value
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Optimization settings. ``None`` as ``head_learning_rate`` or ``dropout`` is the encoder's own.

    Raises:
        OptionError: a value is out of range.
    """

    epochs: Annotated[float, "passes over the training data"] = 4.0
    batch_size: Annotated[int, "rows per step and process"] = 32
    learning_rates: Annotated[tuple[float, ...], "the encoder's learning rate; of several, each trial draws one"] = (
        6e-5,
    )
    trials: Annotated[int, "runs with other seeds and learning rates; the best is kept"] = 1
    head_learning_rate: Annotated[float | None, "learning rate of the exits; recipe paper: the encoder's"] = 1e-3
    warmup: Annotated[float, "share of the steps over which the learning rate rises"] = 0.1
    schedule: Annotated[Schedule, "how the learning rate falls after that"] = "linear"
    weight_decay: Annotated[float, "AdamW's weight decay; 0 makes it Adam"] = 0.01
    max_grad_norm: Annotated[float, "longer gradients are cut to this norm; 0 = none are"] = 1.0
    dropout: Annotated[float | None, "dropout inside the encoder; left out: the encoder's own"] = None
    patience: Annotated[int, "stop after this many epochs without a better dev accuracy"] = 2
    precision: Annotated[Precision, "auto = bf16 where the hardware is fast at it"] = "auto"

    def __post_init__(self) -> None:
        _at_least("epochs", self.epochs, 0.001)
        _at_least("batch_size", self.batch_size, 1)
        _at_least("patience", self.patience, 1)
        _at_least("trials", self.trials, 1)
        _at_least("weight_decay", self.weight_decay, 0)
        _at_least("max_grad_norm", self.max_grad_norm, 0)
        if not isinstance(self.learning_rates, tuple | list):
            raise OptionError(
                f"learning_rates is {self.learning_rates!r}; give a sequence of numbers, such as (5e-5,)",
                option="learning_rates",
                value=self.learning_rates,
            )
        if not self.learning_rates:
            raise OptionError("there is no learning rate; give at least one, such as 5e-5", option="learning_rates")
        for rate in (*self.learning_rates, *([] if self.head_learning_rate is None else [self.head_learning_rate])):
            _check_rate(rate)
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise OptionError(
                f"dropout is {self.dropout}; it is a probability, at least 0 and below 1",
                option="dropout",
                value=self.dropout,
            )
        if not 0 <= self.warmup < 1:
            raise OptionError(
                f"warmup is {self.warmup}; it is a share of the steps, at least 0 and below 1",
                option="warmup",
                value=self.warmup,
            )
        _one_of("schedule", self.schedule, Schedule)
        _one_of("precision", self.precision, Precision)

    @property
    def bf16(self) -> bool:
        """Whether this machine is to compute in bfloat16."""
        return self.precision == "bf16" or (self.precision == "auto" and environment.fast_bf16())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFit:
    """How exits are fitted on an encoder that stays as it is. It is not run again, so many epochs cost little.

    Raises:
        OptionError: a value is out of range.
    """

    epochs: Annotated[int, "passes over what the encoder made of the texts"] = 20
    batch_size: Annotated[int, "rows per step"] = 64
    learning_rate: Annotated[float, "learning rate, falling to 0"] = 3e-3
    weight_decay: Annotated[float, "AdamW's weight decay; 0 makes it Adam"] = 0.01

    def __post_init__(self) -> None:
        _at_least("epochs", self.epochs, 1)
        _at_least("batch_size", self.batch_size, 1)
        _at_least("weight_decay", self.weight_decay, 0)
        _check_rate(self.learning_rate)


DEFAULT = Recipe()

# Schwartz et al. 2020, §4 and appendix: Adam without a schedule, batches of 72, two epochs, one learning rate for all,
# drawn by random search, best run by dev accuracy.
PAPER = Recipe(
    epochs=2,
    batch_size=72,
    learning_rates=(2e-5, 3e-5, 5e-5),
    head_learning_rate=None,
    warmup=0,
    schedule="constant",
    weight_decay=0,
)

RECIPES = {"default": DEFAULT, "paper": PAPER}


def recipe_named(name: str, **changes: Any) -> Recipe:
    """A named recipe with some of its values changed.

    Raises:
        OptionError: there is no such recipe, or a value is out of range.
    """
    if name not in RECIPES:
        raise OptionError(f"there is no recipe {name!r}; valid: {', '.join(RECIPES)}")
    return replace(RECIPES[name], **changes)
