"""Closed-form repair of a narrowed encoder: layer by layer, second matrices make up for the neurons that are gone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from offramp.compressing.activations import input_of, real_tokens
from offramp.model.padding import Batch
from offramp.model.stack import LayersState, LayerStack
from offramp.model.widths import FeedForward, feed_forwards

RIDGE = 1e-3
"""Penalty on changes of the matrix, as a share of the mean square of a neuron's activation."""


def refit(gram: Tensor, cross: Tensor, ridge: float = RIDGE) -> Tensor:
    """The change of a matrix that brings its outputs closest to what is wanted: ridge regression of what is missing.

    It minimizes the squared error plus a penalty on the change, which 0 would not have: on the rows themselves the
    error is never larger than before.

    Args:
        gram: second moments of the inputs, (inputs, inputs).
        cross: of the inputs with what is missing of the outputs, (inputs, outputs).
        ridge: the penalty, as a share of the mean of the inputs' second moments.

    Returns:
        (inputs, outputs), to be added to the matrix.
    """
    gram, cross = gram.double(), cross.double()
    penalty = ridge * gram.diagonal().mean().clamp(min=1e-12)
    change: Tensor = torch.linalg.solve(gram + penalty * torch.eye(len(gram), device=gram.device), cross)
    return change


@torch.no_grad()
def repair(
    original: LayerStack,
    narrowed: LayerStack,
    batches: Sequence[Batch],
    on_layer: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Refits the second matrix of each layer's block of a narrowed encoder, the first layer first.

    What it is fitted to is what the original has after the block, on the way through all its own layers: the sum of
    what comes out of the block and what goes past it, before it is normalized. The inputs are those that the narrowed
    encoder really has there, after the layers before were refitted, so a layer makes up for what those left, too.

    Args:
        batches: texts, some tokens for each neuron.
        on_layer: is told how many layers are done, and how many there are.
    """
    device = narrowed.backbone.get_input_embeddings().weight.device
    whole = [original.embed(batch.inputs(device)) for batch in batches]
    part = list(whole)
    for index, (wide, slim) in enumerate(zip(feed_forwards(original), feed_forwards(narrowed), strict=True)):
        moments = _Moments.none(slim, device)
        for place, (expected, found) in enumerate(zip(whole, part, strict=True)):
            whole[place], wanted, _ = _through(original, expected, index, wide)
            _, given, neurons = _through(narrowed, found, index, slim)
            moments.add(neurons, wanted - given)
        _change(slim, refit(moments.gram, moments.cross))
        part = [narrowed.layer(found, index) for found in part]
        on_layer(index + 1, original.depth)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Second moments of neurons, and of them with what is missing; with a bias, one neuron more is always 1."""

    gram: Tensor
    cross: Tensor
    bias: bool

    @classmethod
    def none(cls, block: FeedForward, device: torch.device) -> Self:
        bias = block.down.bias is not None
        size = block.width + bias
        gram, cross = (torch.zeros(size, other, device=device).double() for other in (size, block.down.out_features))
        return cls(gram, cross, bias)

    def add(self, neurons: Tensor, missing: Tensor) -> None:
        """Takes in some tokens: (tokens, neurons) and (tokens, width)."""
        inputs = torch.cat([neurons, torch.ones_like(neurons[:, :1])], 1) if self.bias else neurons
        self.gram.add_(inputs.T @ inputs)
        self.cross.add_(inputs.T @ missing)


def _through(
    stack: LayerStack, state: LayersState, index: int, block: FeedForward
) -> tuple[LayersState, Tensor, Tensor]:
    """Runs a layer; gives the state after it, and of each token the sum that its block ends in and its neurons."""
    with input_of(block.up) as before, input_of(block.down) as between:
        after = stack.layer(state, index)
    neurons = real_tokens(between[0], state)
    if block.post_norm:
        return after, block.down(neurons) + real_tokens(before[0], state), neurons
    return after, real_tokens(after.hidden, state), neurons


def _change(block: FeedForward, change: Tensor) -> None:
    change = change.to(block.down.weight.dtype)
    block.down.weight.add_(change[: block.width].T)
    if block.down.bias is not None:
        block.down.bias.add_(change[-1])
