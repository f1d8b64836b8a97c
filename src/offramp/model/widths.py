"""The feed-forward block of each layer, found by its modules, and made narrower.

In all families here the block is two linear layers, the last two of its layer: up to many neurons and down again.
Between them every neuron is on its own, so that one is taken out with a row of the first and a column of the second.
In place of a block there can be several, the experts, of which each token runs through one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from offramp.errors import BackboneError, OptionError
from offramp.model.experts import Down, Router, Up
from offramp.model.finding import SUPPORTED
from offramp.model.stack import LayerStack

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The feed-forward block of one layer, or its experts; its modules stay those of the layer.

    Attributes:
        up: to the neurons; in gated blocks to twice as many values, those that are let through and those that say how
            much of them.
        down: from the neurons back to the width of the encoder.
        post_norm: whether the layer ends in a normalization of what comes out of the block plus what went in; otherwise
            in a sum with what goes past the block.
    """

    up: nn.Linear | Up
    down: nn.Linear | Down
    post_norm: bool

    @property
    def width(self) -> int:
        """Number of neurons that a token runs through."""
        return self.down.in_features

    @property
    def parts(self) -> int:
        """Values that each neuron is made of: 2 in gated blocks, else 1."""
        return self.up.out_features // self.down.in_features

    @property
    def router(self) -> Router | None:
        """What sends tokens to experts; None where all run through one block."""
        return self.up.router if isinstance(self.up, Up) else None

    def rows(self, neurons: Tensor) -> Tensor:
        """The rows of ``up`` that neurons, (neurons,), are made of."""
        return torch.cat([neurons + part * self.width for part in range(self.parts)])

    @torch.no_grad()
    def keep(self, neurons: Tensor) -> None:
        """Takes out all neurons but those at some indices, (kept,), which come in that order; not of experts."""
        rows = self.rows(neurons)
        self.up.weight = nn.Parameter(self.up.weight[rows])
        if self.up.bias is not None:
            self.up.bias = nn.Parameter(self.up.bias[rows])
        self.down.weight = nn.Parameter(self.down.weight[:, neurons])
        self.up.out_features, self.down.in_features = len(rows), len(neurons)


def feed_forwards(stack: LayerStack) -> tuple[FeedForward, ...]:
    """The block of each layer.

    Raises:
        BackboneError: layers share their parameters, or a layer does not end in two linear layers that go up and down.
    """
    kind = stack.backbone.config.model_type
    if stack.tied:
        raise BackboneError(
            f"the layers of {kind} share their parameters, so none can have a width of its own; compress a model whose "
            "layers are its own, or train one with fewer layers (`layers`)"
        )
    blocks = []
    for number, layer in enumerate(stack.layers, 1):
        modules = list(layer.modules())
        match [module for module in modules if isinstance(module, nn.Linear | Up | Down)][-2:]:
            case [nn.Linear() | Up() as up, nn.Linear() | Down() as down] if _go_up_and_down(up, down, stack.width):
                pass
            case _:
                raise BackboneError(
                    f"no feed-forward block is found in layer {number} of {kind}: it does not end in two linear layers "
                    f"that go up to many neurons and down again; supported are {SUPPORTED}"
                )
        post_norm = any(isinstance(module, nn.LayerNorm) for module in modules[modules.index(down) :])
        blocks.append(FeedForward(up, down, post_norm))
    return tuple(blocks)


def _go_up_and_down(up: nn.Linear | Up, down: nn.Linear | Down, width: int) -> bool:
    fits = up.in_features == down.out_features == width
    return fits and up.out_features in (down.in_features, 2 * down.in_features)


def narrow(stack: LayerStack, widths: Sequence[int] | None, experts: int | None) -> None:
    """Gives each layer's block the width that a configuration tells, for weights that are yet to be read.

    Args:
        widths: neurons of each layer, (layers,); None leaves all as they are.
        experts: of how many blocks each token runs one; None for one block.

    Raises:
        BackboneError: the blocks are not found.
        OptionError: a layer has fewer neurons.
    """
    if widths is None:
        return
    for number, (block, width) in enumerate(zip(feed_forwards(stack), widths, strict=True), 1):
        if width > block.width:
            raise OptionError(
                f"feed_forward_widths has {width} for layer {number}, which has {block.width} neurons at most",
                option="feed_forward_widths",
                value=width,
            )
        block.keep(torch.arange(width))
    if experts is not None:
        split(stack, experts)


def split(stack: LayerStack, experts: int) -> None:
    """Puts several blocks, as wide as the one and of zeros, in the place of each layer's block.

    Raises:
        BackboneError: the blocks are not found.
    """
    for layer, block in zip(stack.layers, feed_forwards(stack), strict=True):
        assert isinstance(block.up, nn.Linear)  # what is split is one block
        assert isinstance(block.down, nn.Linear)
        _exchange(layer, block.up, Up(experts, block.up))
        _exchange(layer, block.down, Down(experts, block.down))


def _exchange(layer: nn.Module, module: nn.Module, other: nn.Module) -> None:
    """Puts another module in the place of one of a layer's."""
    for holder in layer.modules():
        for name, child in holder.named_children():
            if child is module:
                setattr(holder, name, other)
                return


@torch.no_grad()
def check_removed(original: LayerStack, narrowed: LayerStack, kept: Sequence[Tensor]) -> None:
    """Makes sure, on a tiny batch, that neurons taken out are the same as neurons that count for nothing.

    Args:
        original: the encoder with all neurons.
        narrowed: a copy that has only some.
        kept: their indices in each layer.

    Raises:
        BackboneError: it is not; the block does something between its two layers that needs all neurons.
    """
    hooks = [
        block.down.register_forward_pre_hook(_only(neurons, block.width))
        for block, neurons in zip(feed_forwards(original), kept, strict=True)
    ]
    try:
        expected, found = (_run(stack) for stack in (original, narrowed))
    finally:
        for hook in hooks:
            hook.remove()
    if not float((found - expected).abs().max()) <= _TOLERANCE * float(expected.abs().max().clamp(min=1)):
        kind = original.backbone.config.model_type
        raise BackboneError(
            f"neurons cannot be taken out of {kind}: its feed-forward blocks need all of them between their two "
            f"layers; supported are {SUPPORTED}"
        )


def _only(neurons: Tensor, width: int) -> Callable[..., tuple[Tensor]]:
    """A hook after which all neurons but some are 0."""
    counts = torch.zeros(width, device=neurons.device)
    counts[neurons] = 1
    return lambda _, inputs: (inputs[0] * counts.to(inputs[0].dtype),)


def _run(stack: LayerStack) -> Tensor:
    state = stack.embed(stack.probe(3, 7))
    for index in range(stack.depth):
        state = stack.layer(state, index)
    return state.hidden
