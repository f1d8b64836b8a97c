"""How gradients flow back through a multi-exit network: which exits shape which layers, and how strongly."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor

from offramp.model.stack import LayersState

if TYPE_CHECKING:
    from offramp.model.network import EarlyExitForSequenceClassification


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """Factors on gradients where an exit branches off; nothing changes on the way forward.

    Attributes:
        to_exit: on what comes back from each exit into the layers before it, (exits,).
        onward: on what comes back there from everything after that exit, (exits,).
    """

    to_exit: tuple[float, ...]
    onward: tuple[float, ...]

    @classmethod
    def full(cls, exits: int) -> Self:
        """Every exit shapes all layers before it (Schwartz et al. 2020, §3)."""
        return cls((1.0,) * exits, (1.0,) * exits)

    @classmethod
    def stopped(cls, exits: int) -> Self:
        """Later exits do not reach the layers of earlier stages (SWEET: Rotem et al., ACL 2023, §4).

        What all exits share beside the layers (the encoder's pooler, where one is used) is shaped by all.
        """
        return cls((1.0,) * exits, (0.0,) * exits)

    @classmethod
    def balanced(cls, exits: int) -> Self:
        """Each exit's share in a layer's gradient is one over the number of exits after it.

        So the sum does not grow with the number of exits: gradient equilibrium (Li et al., "Improved Techniques for
        Training Adaptive Deep Networks", ICCV 2019, §3.1).
        """
        left = range(exits, 0, -1)  # exits from here on
        return cls(tuple(1 / n for n in left), tuple((n - 1) / n for n in left))


def logits_of_all_exits(
    network: "EarlyExitForSequenceClassification", state: LayersState, flow: GradientFlow
) -> list[Tensor]:
    """Runs all layers and every exit, for training; gives the logits of each exit, (rows, labels).

    Args:
        state: embedded tokens.
        flow: how gradients come back.
    """
    history, logits = None, []
    for exit_index, layers in enumerate(network.stages):
        state, history = network.run_layers(state, history, layers)
        logits.append(network.exit_logits(*_scaled(state, history, flow.to_exit[exit_index]), exit_index))
        state, history = _scaled(state, history, flow.onward[exit_index])
    return logits


def _scaled(state: LayersState, history: Tensor, factor: float) -> tuple[LayersState, Tensor]:
    """The same values, through which gradients come back times ``factor``."""
    return replace(state, hidden=scale_gradient(state.hidden, factor)), scale_gradient(history, factor)


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """Passes a tensor on as it is, and its gradient back times ``factor``; 0 stops it."""
    if factor == 1:
        return tensor
    return tensor.detach() if factor == 0 else _Scale.apply(tensor, factor)  # type: ignore[no-untyped-call]


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None
