"""Closed-form repair of a narrowed encoder: layer by layer, second matrices make up for the neurons that are gone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from offramp.compressing.activations import input_of, output_of, real_tokens
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
    encoder really has there, after the layers before were refitted, so a layer makes up for what those left, too. Of
    experts each is fitted to its own tokens.

    Args:
        batches: texts, some tokens for each neuron.
        on_layer: is told how many layers are done, and how many there are.
    """
    device = narrowed.backbone.get_input_embeddings().weight.device
    whole = [original.embed(batch.inputs(device)) for batch in batches]
    part = list(whole)
    for index, (wide, slim) in enumerate(zip(feed_forwards(original), feed_forwards(narrowed), strict=True)):
        moments = [_Moments.none(slim, device) for _ in _matrices_of(slim)]
        for place, (expected, found) in enumerate(zip(whole, part, strict=True)):
            whole[place], wanted = _through(original, expected, index, wide)
            _, given = _through(narrowed, found, index, slim)
            missing = wanted.sums - given.sums
            for group, mine in enumerate(moments):
                mine.add(given.neurons[given.groups == group], missing[given.groups == group])
        for (weight, bias), mine in zip(_matrices_of(slim), moments, strict=True):
            _change(weight, bias, refit(mine.gram, mine.cross))
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


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What a layer's block made of some tokens.

    Attributes:
        sums: that the block ends in, with what goes past it, (tokens, width).
        neurons: (tokens, neurons).
        groups: the expert that each token went to, (tokens,); 0 where there are none.
    """

    sums: Tensor
    neurons: Tensor
    groups: Tensor


def _through(stack: LayerStack, state: LayersState, index: int, block: FeedForward) -> tuple[LayersState, _Seen]:
    """Runs a layer; gives the state after it, and what its block made of the tokens."""
    with input_of(block.up) as before, input_of(block.down) as between, output_of(block.down) as made:
        after = stack.layer(state, index)
    hidden, neurons = before[0], between[0]
    if block.router is None:
        groups = torch.zeros(hidden.shape[:-1], dtype=torch.long, device=hidden.device)
    else:
        groups = block.router(hidden)
        neurons = block.router.sort(hidden.flatten(0, 1)).restored(neurons.flatten(0, 1)).view_as(neurons)
    sums = made[0] + hidden if block.post_norm else after.hidden
    return after, _Seen(*(real_tokens(each, state) for each in (sums, neurons, groups)))


def _matrices_of(block: FeedForward) -> list[tuple[Tensor, Tensor | None]]:
    """The second matrix and bias of each expert, or of the one block."""
    weight, bias = block.down.weight, block.down.bias
    if block.router is None:
        return [(weight, bias)]
    return list(zip(weight, [None] * len(weight) if bias is None else bias, strict=True))


def _change(weight: Tensor, bias: Tensor | None, change: Tensor) -> None:
    change = change.to(weight.dtype)
    weight.add_(change[: weight.shape[1]].T)
    if bias is not None:
        bias.add_(change[-1])
