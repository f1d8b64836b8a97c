"""What ``offramp bench --autotune`` leaves in a model folder: the token budgets that were fastest here."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offramp.backends import Engine
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET
from offramp.errors import ModelFolderError
from offramp.files import read_json, write_json

TUNING = "tuning.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Tuning:
    """The fastest token budget of early exit in an engine, on a processor with some threads."""

    processor: str
    engine: Engine
    threads: int
    token_budget: int


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


def read_tunings(folder: Path) -> list[Tuning]:
    """Everything that was found for a model folder, on this processor and others; nothing where it was never tuned.

    Raises:
        ModelFolderError: ``tuning.json`` is damaged.
    """
    file = folder / TUNING
    if not file.is_file():
        return []
    content = read_json(file)
    try:
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}")
        tunings = [_from_dict(tuning) for tuning in content["tunings"]]
        if not all(isinstance(tuning.token_budget, int) and tuning.token_budget >= 1 for tuning in tunings):
            raise ValueError("a token_budget is not a number from 1 on")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFolderError(
            f"{file} is damaged ({error!r:.80}); delete it, and run 'offramp bench --autotune' to tune again"
        ) from None
    return tunings


def save_tunings(folder: Path, found: Iterable[Tuning]) -> None:
    """Adds to what was found before, and replaces what was found for the same case.

    Raises:
        ModelFolderError: the ``tuning.json`` that is there is damaged.
        StorageError: the folder cannot be written.
    """
    tunings = {_key(tuning): tuning for tuning in [*read_tunings(folder), *found]}
    write_json(folder / TUNING, {"schema": SCHEMA, "tunings": [_to_dict(tuning) for tuning in tunings.values()]})


def _key(tuning: Tuning) -> tuple[str, Engine, int]:
    return tuning.processor, tuning.engine, tuning.threads


def _to_dict(tuning: Tuning) -> dict[str, Any]:
    content = {**asdict(tuning.engine), **asdict(tuning)}
    del content["engine"]
    return content


def _from_dict(content: Mapping[str, Any]) -> Tuning:
    return Tuning(
        processor=content["processor"],
        engine=Engine(content["backend"], content["precision"]),
        threads=content["threads"],
        token_budget=content["token_budget"],
    )
