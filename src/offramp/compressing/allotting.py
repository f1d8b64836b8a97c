"""How many neurons each layer keeps: arithmetic on what neurons matter and what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.errors import OptionError

BLOCK = 32
"""Neurons are kept in blocks of so many, in which kernels for matrices compute anyway."""

LEAST_REACHED = 0.1
"""A layer that fewer rows reach is taken for one that so many do: full depth is to stay what it was, too."""

SHARED = 0.25
"""The share of an expert's neurons that all experts of its layer have."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Work:
    """Multiply-adds for one token, where a text has the typical length.

    Attributes:
        fixed: of each layer without its neurons: attention, (layers,).
        neuron: of one neuron of each layer, (layers,).
        widths: neurons that each layer has, (layers,).
        router: of what sends tokens to experts in each narrowed layer; 0 where there are none.
    """

    fixed: tuple[float, ...]
    neuron: tuple[float, ...]
    widths: tuple[int, ...]
    router: float = 0

    def share(self, widths: Sequence[int]) -> float:
        """The share of the work that is left with so many neurons for each token, (layers,)."""
        return (self._of(widths) + self.router * len(widths)) / self._of(self.widths)

    @property
    def least(self) -> float:
        """The share that is left where each layer keeps one block of neurons."""
        return self.share([min(BLOCK, width) for width in self.widths])

    def _of(self, widths: Sequence[int]) -> float:
        each = zip(self.fixed, self.neuron, widths, strict=True)
        return sum(fixed + neuron * width for fixed, neuron, width in each)


def importance(energies: Floats, norms: Floats, reached: float) -> Floats:
    """What an encoder loses with each neuron, if nothing makes up for it: the mean square of its part in the output.

    Args:
        energies: mean squares of the activations, (neurons,).
        norms: squared norms of the columns by which the output takes them in, (neurons,).
        reached: share of the rows that reach the layer.

    Returns:
        (neurons,), comparable between layers.
    """
    return energies * norms * max(reached, LEAST_REACHED)


def allot(importances: Sequence[Floats], work: Work, share: float) -> tuple[int, ...]:
    """The widths that keep the blocks of neurons that matter most, of all layers in one order, within a share of work.

    Args:
        importances: of the neurons of each layer, (neurons,) each.
        share: of the multiply-adds, above 0 and at most 1.

    Returns:
        Neurons of each layer, (layers,): whole blocks, at least one each.

    Raises:
        OptionError: even one block in each layer is more.
    """
    if share < work.least:
        raise OptionError(
            f"flops is {share:g}; of this encoder's multiply-adds {work.least:.3f} are left where each feed-forward "
            "block is as narrow as it gets, so use more than that",
            option="flops",
            value=share,
        )
    blocks = []
    widths = [0] * len(work.widths)
    for layer, (values, cost) in enumerate(zip(importances, work.neuron, strict=True)):
        falling = np.sort(values)[::-1]
        parts = np.split(falling, range(BLOCK, len(falling), BLOCK))
        widths[layer] = len(parts[0])
        blocks += [(float(part.mean()) / cost, layer, len(part)) for part in parts[1:]]
    # The means within a layer fall, and sorting is stable, so a layer's blocks come in their order.
    for _, layer, size in sorted(blocks, key=lambda block: -block[0]):
        wider = [width + size * (place == layer) for place, width in enumerate(widths)]
        if work.share(wider) > share * (1 + 1e-9):
            break
        widths = wider
    return tuple(widths)


def kept_neurons(importances: Sequence[Floats], widths: Sequence[int]) -> list[NDArray[np.int64]]:
    """The indices of the neurons that matter most in each layer, rising, as many as it is wide."""
    return [
        np.sort(np.argsort(-values, kind="stable")[:width]) for values, width in zip(importances, widths, strict=True)
    ]


def dealt_neurons(
    importances: Sequence[Floats], own: Sequence[Floats], widths: Sequence[int]
) -> list[NDArray[np.int64]]:
    """The indices of the neurons of each layer's experts, rising, (experts, width) each.

    Args:
        importances: of each layer's neurons for all tokens, (neurons,): those that matter most go to all experts.
        own: the same for each expert's tokens, (experts, neurons): an expert gets its other neurons by them.
        widths: neurons of one expert of each layer.
    """
    kept = []
    for shared, width, each in zip(
        kept_neurons(importances, [int(SHARED * width) for width in widths]), widths, own, strict=True
    ):
        ranked = each.copy()
        ranked[:, shared] = np.inf
        kept.append(np.stack(kept_neurons(list(ranked), [width] * len(ranked))))
    return kept


def reached_share(layers: Sequence[int], exits: NDArray[np.int64], depth: int) -> Floats:
    """The share of rows that run each layer, (depth,).

    Args:
        layers: run before each exit, (exits,).
        exits: that the rows take, (rows,).
    """
    run = np.asarray(layers)[exits]
    return np.asarray((run[:, None] > np.arange(depth)).mean(axis=0), np.float64)
