"""From token states to the logits of one exit."""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from offramp.errors import BackboneError

# Families whose pooler was trained on whole sentences (next sentence or sentence order prediction).
_TRAINED_POOLERS = frozenset({"bert", "albert", "ernie", "megatron-bert", "mobilebert"})


def default_pooling(backbone: PreTrainedModel) -> str:
    """The pooling that the encoder was pre-trained with, as far as its configuration tells.

    An encoder that was trained on masked words alone never learnt to gather a text in its first token, least of all in
    its first layers, so there it is the mean: on SST-2, one epoch of MPNet-base made the exits after 1, 4, 7 and 12
    layers right on 75.7, 83.1, 91.4 and 91.6 % of the dev texts with ``mean``, and 60.9, 68.4, 91.1 and 91.6 % with
    ``cls``.
    """
    declared = getattr(backbone.config, "classifier_pooling", None)  # ModernBERT says so itself
    if declared in ("cls", "mean"):
        return str(declared)
    trained = backbone.config.model_type in _TRAINED_POOLERS and has_pooler(backbone)
    return "pooler" if trained else "mean"


def has_pooler(backbone: PreTrainedModel) -> bool:
    """Whether the encoder has its own dense + tanh layer on the first token."""
    return isinstance(getattr(backbone, "pooler", None), nn.Module)


class Pooling(nn.Module):
    """Turns token states into one vector a row, in the same way after every layer.

    ``gather`` is cheap and runs after each layer; ``transform`` (the encoder's pooler, where one is used) runs once
    for all layers of a stage. The module has no parameters of its own: the pooler stays the encoder's.
    """

    def __init__(self, kind: str, backbone: PreTrainedModel) -> None:
        super().__init__()
        if kind == "pooler" and not has_pooler(backbone):
            raise BackboneError(
                f"a {backbone.config.model_type} encoder has no pooler; choose pooling 'cls' or 'mean' instead"
            )
        self.kind = kind
        self._backbone = (backbone,)  # in a tuple: registered once, as the network's backbone

    def gather(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """(rows, length, width) and mask (rows, length) or None -> (rows, width)."""
        if self.kind != "mean":
            return hidden[:, 0]
        if mask is None:
            return hidden.mean(1)
        weights = mask.to(hidden.dtype)
        weights = weights / weights.sum(1, keepdim=True)
        return torch.bmm(weights.unsqueeze(1), hidden).squeeze(1)

    def transform(self, gathered: Tensor) -> Tensor:
        """(rows, layers, width) -> the same shape."""
        if self.kind != "pooler":
            return gathered
        backbone = self._backbone[0]
        pooler = backbone.pooler
        if isinstance(pooler, nn.Linear):  # ALBERT keeps its activation beside the pooler
            return backbone.pooler_activation(pooler(gathered))
        # A pooler takes token states and looks at the first token only, so each vector poses as a text of one token.
        rows, layers, width = gathered.shape
        return pooler(gathered.reshape(rows * layers, 1, width)).view(rows, layers, width)


# Of two layers the own one starts with 95 % of the weight, of twelve with 65 %.
OWN_LAYER = 3.0


class ExitHead(nn.Module):
    """Learned weighted sum of the pooled states of all layers so far, then one linear layer (Schwartz et al. 2020, §3).

    The weights are a softmax over one parameter a layer. At the start most of the weight is on the exit's own layer:
    equal weights would hand the last exit a blur of all layers, and few epochs do not undo that.
    """

    def __init__(self, layers: int, width: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.empty(layers))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, labels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the classifier anew and sets the weights to their start."""
        nn.init.zeros_(self.mix)
        self.mix[-1] = OWN_LAYER
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """(rows, layers so far, width) -> logits (rows, labels)."""
        weights = torch.softmax(self.mix.float(), 0).to(pooled.dtype)
        mixed = (weights[:, None] * pooled).sum(1)
        return self.classifier(self.dropout(mixed))
