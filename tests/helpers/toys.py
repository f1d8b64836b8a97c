"""Toy problems that a tiny encoder learns in seconds, and model folders that need no training."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from conftest import tiny_model
from offramp.backends import Runtime
from offramp.benchmark import Contenders
from offramp.calibration import Calibration
from offramp.exit_names import layer_name
from offramp.model import save
from offramp.progress import OnProgress
from offramp.training import Architecture, Recipe, Regime
from offramp.training.listening import TRAINING
from offramp.tuning import Selection

LABELS = ("a", "b", "c")
EXITS = (1, 2, 4)
EXIT_NAMES = tuple(map(layer_name, EXITS))

# Enough for the toy problems: about a second.
QUICK = Recipe(
    epochs=4, batch_size=16, learning_rates=(1e-2,), head_learning_rate=5e-2, dropout=0, patience=9, precision="fp32"
)


def grouped(**options: Any) -> dict[str, Any]:
    """Arguments of ``train`` and ``attach`` from single options, each put into the dataclass that has it."""
    return _grouped({"architecture": Architecture(), "regime": Regime(), "recipe": QUICK}, options)


def quick(**options: Any) -> dict[str, Any]:
    """Arguments of ``tune`` from single options, each put into the dataclass that has it; it times next to nothing."""
    return _grouped({"selection": Selection(), "runtime": Runtime()}, {"seconds": 0.01, "threads": 1, **options})


def at_steps(tell: Callable[[int, int], None]) -> OnProgress:
    """What hears of steps of training alone: of those done, and of all."""
    return lambda what, done, total: tell(done, total or 0) if what == TRAINING else None


def quick_bench(**options: Any) -> dict[str, Any]:
    """Arguments of ``bench`` from single options, each put into the dataclass that has it; it times next to nothing."""
    return _grouped({"contenders": Contenders()}, {"threads": (1,), "token_budgets": (64,), "seconds": 0.01, **options})


def _grouped(groups: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    names = {field.name: name for name, group in groups.items() for field in fields(group)}
    found = {name: value for name, value in options.items() if value is not None and name not in names}
    for name, group in groups.items():
        changes = {option: options[option] for option, its in names.items() if its == name and option in options}
        if changes:
            found[name] = replace(found.get(name, group), **changes)
    return found


def word_of(label: str, randomly: random.Random) -> str:
    """One of the three words that stand for a label; they never occur as fillers."""
    return f"w{3 * LABELS.index(label) + randomly.randrange(3)}"


def single(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows whose label is decided by one or two of their words."""
    randomly = random.Random(seed)
    rows = []
    for _ in range(number):
        label = randomly.choice(LABELS)
        words = [word_of(label, randomly) for _ in range(randomly.randint(1, 2))] + _fillers(randomly)
        randomly.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def multi(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows with every label whose word occurs, often none."""
    randomly = random.Random(seed)
    rows = []
    for _ in range(number):
        labels = [label for label in LABELS if randomly.random() < 0.4]
        words = [word_of(label, randomly) for label in labels] + _fillers(randomly)
        randomly.shuffle(words)
        rows.append({"text": " ".join(words), "label": labels})
    return rows


def pairs(number: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows whose label is decided by a word in the second text alone."""
    randomly = random.Random(seed)
    return [{"first": " ".join(_fillers(randomly)), **_as_second(row)} for row in single(number, seed)]


def _as_second(row: dict[str, Any]) -> dict[str, Any]:
    return {"second": row["text"], "label": row["label"]}


def _fillers(randomly: random.Random) -> list[str]:
    return [f"w{randomly.randrange(30, 60)}" for _ in range(randomly.randint(1, 6))]


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_model(folder: Path, **config: Any) -> Path:
    """A whole model folder around a random network; its temperatures are 1."""
    model = tiny_model(**config)
    folder.mkdir()
    save(model, folder)
    Calibration.neutral(model.network.config.exits).save(folder)
    return folder


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden things too."""
    return sorted(path.name for path in folder.iterdir())
