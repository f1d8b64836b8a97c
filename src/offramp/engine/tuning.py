"""What ``offramp bench --autotune`` leaves in a model folder: the token budgets that were fastest here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from offramp.backends import Engine
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET
from offramp.folder import TUNING


@dataclass(frozen=True, slots=True)
class Tuning:
    """The fastest token budget of early exit in an engine, on a processor with some threads."""

    processor: str
    engine: Engine
    threads: int
    token_budget: int

    def __post_init__(self) -> None:
        if self.token_budget < 1:
            raise ValueError(f"token_budget is {self.token_budget}, not a number from 1 on")


@dataclass(frozen=True, slots=True)
class _Tunings:
    tunings: tuple[Tuning, ...] = ()


def tuned_budget(folder: Path, processor: str, engine: Engine, threads: int | None) -> int:
    """The token budget that was found for exactly this, or the one that suits most.

    Args:
        folder: the model folder.
        threads: processor threads; None for PyTorch's choice.

    Raises:
        ModelFolderError: ``tuning.json`` is damaged.
    """
    import torch

    wanted = (processor, engine, threads or torch.get_num_threads())
    budgets = {_key(tuning): tuning.token_budget for tuning in read_tunings(folder)}
    return budgets.get(wanted, DEFAULT_TOKEN_BUDGET)


def read_tunings(folder: Path) -> tuple[Tuning, ...]:
    """Everything that was found for a model folder, on this processor and others; nothing where it was never tuned.

    Raises:
        ModelFolderError: ``tuning.json`` is damaged.
    """
    return TUNING.read_if_there(folder, _Tunings()).tunings


def save_tunings(folder: Path, new: Iterable[Tuning]) -> None:
    """Adds to what was found before, and replaces what was found for the same case.

    Raises:
        ModelFolderError: the ``tuning.json`` that is there is damaged.
        StorageError: the folder cannot be written.
    """
    tunings = {_key(tuning): tuning for tuning in [*read_tunings(folder), *new]}
    TUNING.write(folder, _Tunings(tuple(tunings.values())))


def _key(tuning: Tuning) -> tuple[str, Engine, int]:
    return tuning.processor, tuning.engine, tuning.threads
