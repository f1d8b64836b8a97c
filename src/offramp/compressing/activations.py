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
def energies(
    stack: LayerStack, batches: Sequence[Batch], on_batch: Callable[[int, int], None] = lambda done, total: None
) -> list[NDArray[np.float64]]:
    """The mean square of every neuron's activation over all tokens: for each layer (neurons,).

    Args:
        on_batch: is told how many batches are done, and how many there are.
    """
    blocks = feed_forwards(stack)
    device = blocks[0].down.weight.device
    sums, tokens = [torch.zeros(block.width, dtype=torch.float64, device=device) for block in blocks], 0
    for number, batch in enumerate(batches, 1):
        state = stack.embed(batch.inputs(device))
        for index, block in enumerate(blocks):
            with input_of(block.down) as seen:
                state = stack.layer(state, index)
            sums[index] += real_tokens(seen[0], state).double().square().sum(0)
        tokens += int(batch.lengths.sum())
        on_batch(number, len(batches))
    return [(total / max(1, tokens)).cpu().numpy() for total in sums]


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
    """Those of (rows, length, width) that stand for a token and not for padding: (tokens, width)."""
    return states.flatten(0, 1) if state.mask is None else states[state.mask.bool()]
