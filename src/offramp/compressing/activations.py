"""What the neurons of feed-forward blocks do on texts: one pass, no labels, no gradients."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from offramp.model.encoding import Encoded
from offramp.model.padding import Batch, padded_batches
from offramp.model.stack import LayersState, LayerStack
from offramp.model.widths import feed_forwards


def some_batches(encoded: Encoded, padding_id: int, tokens: int, seed: int) -> list[Batch]:
    """Batches of random rows with about so many tokens together, all rows where they have fewer."""
    order = np.random.default_rng(seed).permutation(len(encoded))
    rows = order[: 1 + int(np.searchsorted(np.cumsum(encoded.lengths[order]), tokens))]
    return list(padded_batches(encoded.subset(rows), padding_id))


@torch.no_grad()
def activity(
    stack: LayerStack, batches: Sequence[Batch], on_layer: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[tuple[Tensor, Tensor]]:
    """What goes into each layer's block and what its neurons make of it: (tokens, width) and (tokens, neurons).

    Args:
        on_layer: is told how many layers are done, and how many there are.
    """
    device = stack.backbone.get_input_embeddings().weight.device
    states = [stack.embed(batch.inputs(device)) for batch in batches]
    for index, block in enumerate(feed_forwards(stack)):
        given, neurons = [], []
        for place, state in enumerate(states):
            with input_of(block.up) as before, input_of(block.down) as between:
                states[place] = stack.layer(state, index)
            given.append(real_tokens(before[0], state))
            neurons.append(real_tokens(between[0], state))
        yield torch.cat(given), torch.cat(neurons)
        on_layer(index + 1, stack.depth)


def energy(neurons: Tensor) -> NDArray[np.float64]:
    """The mean square of each neuron's activation over tokens: of (tokens, neurons) gives (neurons,)."""
    return (neurons.double().square().sum(0) / max(1, len(neurons))).cpu().numpy()


@contextmanager
def output_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Lists what a module gives, (rows, length, width), each time that it is called."""
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _, inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def input_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Lists what a module is given, (rows, length, width), each time that it is called."""
    seen: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


def real_tokens(states: Tensor, state: LayersState) -> Tensor:
    """Those of (rows, length, ...) that stand for a token and not for padding: (tokens, ...)."""
    return states.flatten(0, 1) if state.mask is None else states[state.mask.bool()]
