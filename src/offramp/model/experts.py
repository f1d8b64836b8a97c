"""Experts: several narrow feed-forward blocks in place of one, of which each token runs through one.

A router decides which, by the token's state alone, so that an answer does not depend on what shares a batch with a
text. Tokens are sorted by expert, each expert computes its own in one product, and they go back to their places.
Between the two linear layers of a block nothing looks from one token to another, so they stay sorted there.
"""

from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """Where tokens went: ``order``, (tokens,), holds their places, sorted by expert; ``counts`` how many each got."""

    order: Tensor
    counts: list[int]

    def restored(self, values: Tensor) -> Tensor:
        """What was computed of sorted tokens, (tokens, values), in the tokens' own order."""
        return values[self.order.argsort()]


# Where tokens went, of the block that a thread is in. A layer runs the two linear layers of its block one after the
# other, and its code, which is not ours, hands nothing but values from the first to the second.
_went: ContextVar[Sorted] = ContextVar("_went")


class Router(nn.Module):
    """Sends each token to the expert whose center is nearest to its state, corrected so that all get as many.

    What it decides has no gradient: a router is fitted once, and stays as it is in training.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, experts: int, like: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("weight", like.weight.new_zeros(experts, like.in_features))
        self.register_buffer("bias", like.weight.new_zeros(experts))

    def forward(self, tokens: Tensor) -> Tensor:
        """The expert of each token: of states (..., width) gives (...)."""
        # Always in fp32: the less a score is rounded, the less a token's expert depends on its company.
        return functional.linear(tokens.float(), self.weight.float(), self.bias.float()).argmax(-1)

    def sort(self, tokens: Tensor) -> Sorted:
        """Where each of some tokens, (tokens, width), goes."""
        chosen = self(tokens)
        counts = torch.bincount(chosen, minlength=len(self.bias)).tolist()
        return Sorted(chosen.argsort(stable=True), counts)


class _Experts(nn.Module):
    """As many linear layers as there are experts."""

    bias: nn.Parameter | None

    def __init__(self, experts: int, like: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = like.in_features, like.out_features
        self.weight = nn.Parameter(like.weight.new_zeros(experts, *like.weight.shape))
        self.bias = None if like.bias is None else nn.Parameter(like.bias.new_zeros(experts, *like.bias.shape))

    def _computed(self, tokens: Tensor, counts: list[int]) -> Tensor:
        """Of tokens sorted by expert: (tokens, inputs) to (tokens, outputs)."""
        biases = [None] * len(counts) if self.bias is None else self.bias
        each = zip(torch.split_with_sizes(tokens, counts), self.weight, biases, strict=True)
        return torch.cat([functional.linear(*one) for one in each if len(one[0])])


class Up(_Experts):
    """To the neurons of each token's expert."""

    def __init__(self, experts: int, like: nn.Linear) -> None:
        super().__init__(experts, like)
        self.router = Router(experts, like)

    def forward(self, hidden: Tensor) -> Tensor:
        """Of (..., width) gives (..., neurons), in which tokens stand sorted by expert."""
        tokens = hidden.flatten(0, -2)
        went = self.router.sort(tokens)
        _went.set(went)
        return self._computed(tokens[went.order], went.counts).view(*hidden.shape[:-1], -1)


class Down(_Experts):
    """From the neurons of each token's expert back to the encoder's width, and to the tokens' own places."""

    def forward(self, neurons: Tensor) -> Tensor:
        """Of (..., neurons), as :class:`Up` leaves them, gives (..., width)."""
        went = _went.get()
        return went.restored(self._computed(neurons.flatten(0, -2), went.counts)).view(*neurons.shape[:-1], -1)
