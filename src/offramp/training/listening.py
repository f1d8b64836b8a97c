"""What is heard of a training while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from offramp.progress import OnProgress, unheard


@dataclass(frozen=True, slots=True)
class Epoch:
    """Dev accuracy of every exit after an epoch. ``number`` counts from 1 and may be fractional at the end.

    ``training_loss`` is the mean over the epoch, or over its rest where it was broken off and resumed; ``seconds`` is
    the time of the pass over the dev rows.
    """

    number: float
    exits: tuple[int, ...]
    """Layers run before each exit."""
    accuracies: tuple[float, ...]
    training_loss: float | None
    seconds: float

    @property
    def mean_accuracy(self) -> float:
        """What the best epoch is chosen by: early exits make the speed, late ones the accuracy."""
        return sum(self.accuracies) / len(self.accuracies)


TRAINING = "training"
"""What is being done while steps are taken."""


@dataclass(frozen=True, slots=True)
class Listener:
    """What a caller wants to hear while a model trains.

    Attributes:
        on_labels: how many rows each label has, once.
        on_progress: what is being done, as of all verbs; of :data:`TRAINING` the parts are steps.
        on_trial: number of a trial that begins, how many there are, its learning rate.
        on_epoch: dev accuracies after each epoch.
        report_to: experiment trackers that hear of it, too, as ``TrainingArguments.report_to`` names them.
    """

    on_labels: Callable[[dict[str, int]], None] = lambda rows_of_each: None
    on_progress: OnProgress = unheard
    on_trial: Callable[[int, int, float], None] = lambda number, trials, learning_rate: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    report_to: str = "none"
