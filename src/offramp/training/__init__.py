"""Fine-tuning: recipes, regimes, Trainer wiring and the verbs ``train`` and ``attach``.

Recipes are at hand at once; what needs PyTorch is imported with its first use, so that the command line starts fast.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.training.architecture import Architecture
from offramp.training.recipe import DEFAULT, PAPER, RECIPES, ExitFit, Recipe, recipe_named
from offramp.training.regimes import Regime

if TYPE_CHECKING:
    from offramp.training.attaching import attach
    from offramp.training.listening import Epoch, Listener
    from offramp.training.run import train
    from offramp.training.summaries import AttachSummary, TrainingSummary

__all__ = [
    "DEFAULT",
    "PAPER",
    "RECIPES",
    "Architecture",
    "AttachSummary",
    "Epoch",
    "ExitFit",
    "Listener",
    "Recipe",
    "Regime",
    "TrainingSummary",
    "attach",
    "recipe_named",
    "train",
]

_HOMES = {
    "AttachSummary": "summaries",
    "Epoch": "listening",
    "Listener": "listening",
    "TrainingSummary": "summaries",
    "attach": "attaching",
    "train": "run",
}
__getattr__ = lazy(__name__, _HOMES)
