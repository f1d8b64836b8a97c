"""What a regime comes to on a network: stretches of training, each a table of numbers.

The arithmetic itself is in ``model/losses.py`` and ``model/flow.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from offramp.errors import OptionError
from offramp.model.flow import GradientFlow
from offramp.model.losses import consistent_weights, exit_likelihoods, training_loss
from offramp.training.regimes import Regime

# At the end of training a row counts at hardly any exit but the one that it is likely to leave at.
SHARPNESS = 10.0


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of training.

    Attributes:
        weights: of the exits' losses, taken in turn from step to step, (turns, exits). 0 leaves an exit out.
        flow: how gradients flow back through the layers; None leaves the encoder as it is and trains the exits alone.
        share: of the epochs.
        labeled: weight of the labels.
        distill: weight of the distillation, from a teacher or the last exit.
        consistent: whether rows are weighted by where they are likely to leave.
    """

    weights: tuple[tuple[float, ...], ...]
    flow: GradientFlow | None
    share: float = 1.0
    labeled: float = 1.0
    distill: float = 0.0
    consistent: bool = False

    @property
    def trained(self) -> tuple[int, ...]:
        """Indices of the exits that have a loss in some step."""
        return tuple(index for index in range(len(self.weights[0])) if any(turn[index] for turn in self.weights))

    def turn(self, step: int) -> tuple[float, ...]:
        """Weights of the exits in a step, counted from 0."""
        return self.weights[step % len(self.weights)]


def phases_of(regime: Regime, layers: Sequence[int]) -> tuple[Phase, ...]:
    """What a regime comes to.

    Args:
        layers: number of layers run before each exit, (exits,).

    Raises:
        OptionError: there is one exit, and the regime is about several.
    """
    exits = len(layers)
    if exits == 1:
        _check_only_exit(regime, layers[0])
        return (Phase(((1.0,),), GradientFlow.full(1), distill=regime.distill),)
    every, last = (1.0,) * exits, (0.0,) * (exits - 1) + (1.0,)
    alone = Phase((last,), GradientFlow.full(exits))
    losses: dict[str, Any] = {"distill": regime.distill, "consistent": regime.consistent}
    if regime.name == "frozen":
        return (alone, exits_alone(exits, **losses))
    by_depth = tuple(depth * exits / sum(layers) for depth in layers)
    turns = {"weighted": (by_depth,), "alternating": (last, every)}.get(regime.name, (every,))
    flow = GradientFlow.balanced if regime.equilibrium else GradientFlow.full
    phase = Phase(turns, (GradientFlow.stopped if regime.name == "sweet" else flow)(exits), **losses)
    return (replace(alone, share=0.5), replace(phase, share=0.5)) if regime.name == "mixed" else (phase,)


def believing(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """The same phases where a teacher's beliefs are learnt in place of labels."""
    return tuple(replace(phase, labeled=0.0, distill=1.0) for phase in phases)


def _check_only_exit(regime: Regime, layers: int) -> None:
    idle = {
        f"regime {regime.name!r}": regime.name != "joint",
        "distill without a teacher": regime.distill > 0 and regime.teacher is None,
        "consistent": regime.consistent,
        "equilibrium": regime.equilibrium,
    }
    if any(idle.values()):
        named = ", ".join(name for name, given in idle.items() if given)
        raise OptionError(
            f"the only exit is after layer {layers}, and there {named} would do nothing; leave that out, or give more "
            "exits"
        )


def exits_alone(exits: int, **losses: Any) -> Phase:
    """All exits but the last, on an encoder that stays as it is."""
    return Phase(((1.0,) * (exits - 1) + (0.0,),), None, **losses)


def phase_loss(
    exit_logits: Tensor,
    labels: Tensor,
    problem_type: str,
    phase: Phase,
    *,
    step: int,
    progress: float,
    teacher: Tensor | None = None,
) -> Tensor:
    """What one step of a phase minimizes.

    Args:
        exit_logits: (rows, exits, labels).
        labels: class indices (rows,), or 0/1 (rows, labels); ``UNLABELLED`` where there is none.
        step: number of the step, from 0.
        progress: share of the phase that is over.
        teacher: what a teacher says of the rows, (rows, labels) of logits.
    """
    row_weights = None
    if phase.consistent:
        row_weights = consistent_weights(exit_likelihoods(exit_logits, problem_type), SHARPNESS * progress)
    return training_loss(
        exit_logits,
        labels,
        problem_type,
        weights=phase.turn(step),
        labeled=phase.labeled,
        distill=phase.distill,
        row_weights=row_weights,
        teacher=teacher,
    )
