"""Experts from a dense encoder: which tokens go to which, which neurons each gets, and the encoder that has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offramp.compressing.activations import activity, energy, some_batches
from offramp.compressing.allotting import Floats, importance
from offramp.compressing.narrowing import RANKED, Step, column_norms, narrowed
from offramp.errors import DataError
from offramp.model import LoadedModel
from offramp.model.encoding import Encoded
from offramp.model.padding import padding_id_of
from offramp.model.widths import FeedForward, feed_forwards, split

# Fewer tokens than this tell little of what an expert's tokens have in common.
LEAST_TOKENS = 32
_ROUNDS, _SHARING_ROUNDS = 20, 10


@dataclass(frozen=True, slots=True, eq=False)
class Deal:
    """How one layer's tokens are dealt out.

    Attributes:
        weight, bias: of the router, (experts, width) and (experts,).
        importances: of each neuron for each expert's tokens, (experts, neurons).
    """

    weight: Tensor
    bias: Tensor
    importances: Floats


def deals_of(model: LoadedModel, encoded: Encoded, experts: int, seed: int, on_step: Step) -> list[Deal]:
    """How the tokens of each layer are dealt out to experts, as some tokens of the texts tell.

    Raises:
        DataError: the texts have too few tokens.
    """
    stack = model.network.stack
    batches = some_batches(encoded, padding_id_of(model.tokenizer), RANKED, seed)
    tokens = sum(int(batch.lengths.sum()) for batch in batches)
    if tokens < LEAST_TOKENS * experts:
        raise DataError(
            f"the texts have {tokens} tokens, and {experts} experts take {LEAST_TOKENS * experts} at least; give more "
            "texts, a thousand or so, or use fewer experts",
            option="data",
        )
    told = activity(stack, batches, lambda done, total: on_step("dealing out tokens", done, total))
    deals = []
    for block, (given, neurons) in zip(feed_forwards(stack), told, strict=True):
        weight, bias = fit_router(given, experts, seed)
        chosen = (given @ weight.T + bias).argmax(1)
        norms = column_norms(block)
        own = [importance(energy(neurons[chosen == expert]), norms, 1.0) for expert in range(experts)]
        deals.append(Deal(weight, bias, np.stack(own)))
    return deals


def fit_router(tokens: Tensor, experts: int, seed: int) -> tuple[Tensor, Tensor]:
    """Groups tokens, (tokens, width), around centers, all groups about as large: k-means in which centers have a price.

    Returns:
        Weight (experts, width) and bias (experts,): a token belongs to the expert with the highest score.
    """
    first = np.random.default_rng(seed).choice(len(tokens), experts, replace=False)
    centers = tokens[torch.from_numpy(first).to(tokens.device)]
    for _ in range(_ROUNDS):
        # Of the squared distance to a center, what differs between centers; the nearest scores highest.
        nearness = tokens @ centers.T - centers.square().sum(1) / 2
        prices = _prices(nearness)
        chosen = (nearness - prices).argmax(1)
        weight, bias = centers, -centers.square().sum(1) / 2 - prices
        groups = [tokens[chosen == expert] for expert in range(experts)]
        # Where tokens are the same a group can be empty; its center stays where it was.
        centers = torch.stack(
            [group.mean(0) if len(group) else center for group, center in zip(groups, centers, strict=True)]
        )
    return weight, bias


def _prices(nearness: Tensor) -> Tensor:
    """What is taken from the scores of each expert, (tokens, experts), so that about as many tokens choose each."""
    tokens, experts = nearness.shape
    prices = nearness.new_zeros(experts)
    for _ in range(_SHARING_ROUNDS):
        for expert in range(experts):
            scores = nearness - prices
            scores[:, expert] = -torch.inf
            # The price at which just its share of the tokens scores higher here than anywhere else.
            lead = nearness[:, expert] - scores.max(1).values
            prices[expert] = lead.kthvalue(tokens - tokens // experts).values
    return prices


@torch.no_grad()
def dealt(model: LoadedModel, deals: Sequence[Deal], kept: Sequence[NDArray[np.int64]]) -> LoadedModel:
    """A copy in which each layer has experts, and is as it was otherwise.

    Args:
        kept: indices of the neurons of each layer's experts, (experts, kept) each.

    Raises:
        BackboneError: the feed-forward blocks are not found, or need all of their neurons.
    """
    network = narrowed(model, [neurons[0] for neurons in kept]).network
    experts = len(kept[0])
    split(network.stack, experts)
    network.config.experts = experts
    whole = feed_forwards(model.network.stack)
    for block, source, deal, neurons in zip(feed_forwards(network.stack), whole, deals, kept, strict=True):
        _fill(block, source, deal, torch.from_numpy(neurons).to(network.device))
    return LoadedModel(network, model.tokenizer)


def _fill(block: FeedForward, source: FeedForward, deal: Deal, neurons: Tensor) -> None:
    assert block.router is not None
    block.router.weight.copy_(deal.weight)
    block.router.bias.copy_(deal.bias)
    for expert, some in enumerate(neurons):
        rows = source.rows(some)
        block.up.weight[expert] = source.up.weight[rows]
        block.down.weight[expert] = source.down.weight[:, some]
        if block.up.bias is not None and source.up.bias is not None:
            block.up.bias[expert] = source.up.bias[rows]
        if block.down.bias is not None and source.down.bias is not None:
            block.down.bias[expert] = source.down.bias
