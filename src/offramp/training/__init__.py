"""Fine-tuning: recipes, Trainer wiring and the ``train`` verb.

Recipes are at hand at once; what needs PyTorch is imported with its first use, so that the command line starts fast.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.training.recipe import DEFAULT, PAPER, RECIPES, Recipe, recipe_named

if TYPE_CHECKING:
    from offramp.training.run import TrainingSummary, train
    from offramp.training.trainer import Epoch, Listener

__all__ = [
    "DEFAULT",
    "PAPER",
    "RECIPES",
    "Epoch",
    "Listener",
    "Recipe",
    "TrainingSummary",
    "recipe_named",
    "train",
]

__getattr__ = lazy(__name__, {"Epoch": "trainer", "Listener": "trainer", "TrainingSummary": "run", "train": "run"})
