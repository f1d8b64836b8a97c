"""What the network returns as a whole, with all of its exits."""

from dataclasses import dataclass

from torch import Tensor
from transformers.utils import ModelOutput


@dataclass
class EarlyExitOutput(ModelOutput):
    """What ``forward`` returns.

    Attributes:
        loss: sum of the exits' losses, where labels were given.
        logits: the last exit's, (rows, labels): what a plain classifier would return.
        exit_logits: every exit's, (rows, exits, labels).
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    exit_logits: Tensor | None = None
