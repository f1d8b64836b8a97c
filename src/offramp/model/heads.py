"""From token states to the logits of one exit."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from offramp.errors import BackboneError
from offramp.model.stack import shallow

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


def pooler_output(backbone: PreTrainedModel, hidden: Tensor) -> Tensor:
    """What the encoder's own pooler makes of the first token: (rows, length, width) -> (rows, width)."""
    if isinstance(backbone.pooler, nn.Linear):  # ALBERT keeps its activation beside the pooler
        return backbone.pooler_activation(backbone.pooler(hidden[:, 0]))
    return backbone.pooler(hidden)


class Pooling(nn.Module):
    """Turns token states into one vector a row, in the same way after every layer.

    ``gather`` takes one vector out of a layer's states, ``transform`` is the encoder's pooler, where one is used. Both
    run layer by layer, so that what an exit sees does not depend on where the others are, to the last bit. The module
    has no parameters of its own: the pooler stays the encoder's.
    """

    def __init__(self, kind: str, backbone: PreTrainedModel) -> None:
        super().__init__()
        if kind == "pooler" and not has_pooler(backbone):
            raise BackboneError(
                f"a {backbone.config.model_type} encoder has no pooler; choose pooling 'cls' or 'mean' instead",
                option="pooling",
                value="pooler",
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
        """(rows, width) -> the same shape."""
        if self.kind != "pooler":
            return gathered
        # A pooler looks at the first token only, so each vector poses as a text of one token.
        return pooler_output(self._backbone[0], gathered.unsqueeze(1))


# Of two layers the own one starts with 95 % of the weight, of twelve with 65 %.
OWN_LAYER = 3.0
MLP_WIDTH = 64


class ExitHead(nn.Module):
    """Learned weighted sum of the pooled states of all layers so far, then one linear layer (Schwartz et al. 2020, §3).

    The weights are a softmax over one parameter a layer. At the start most of the weight is on the exit's own layer:
    equal weights would hand the last exit a blur of all layers, and few epochs do not undo that.

    Args:
        layers: number of layers so far.
        hidden: width of a hidden layer (tanh) between the sum and the linear layer; 0 for none, as in the paper.
    """

    def __init__(self, layers: int, width: int, labels: int, dropout: float, hidden: int = 0) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.empty(layers))
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden or width, labels)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draws the layers anew and sets the weights to their start."""
        nn.init.zeros_(self.mix)
        self.mix[-1] = OWN_LAYER
        if self.hidden is not None:
            nn.init.xavier_normal_(self.hidden.weight)
            nn.init.zeros_(self.hidden.bias)
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """(rows, layers so far, width) -> logits (rows, labels)."""
        weights = torch.softmax(self.mix.float(), 0).to(pooled.dtype)
        mixed = (weights[:, None] * pooled).sum(1)
        if self.hidden is not None:
            mixed = torch.tanh(self.hidden(mixed))
        return self.classifier(self.dropout(mixed))


class OwnHead(nn.Module):
    """The head that a fine-tuned classifier came with, as the last exit: its logits stay the same to the last bit.

    No family is written out here either. The classifier's own ``forward`` is run on a copy of its outer module in which
    the encoder does nothing but answer with token states that are there already.

    Args:
        classifier: any ``AutoModelForSequenceClassification``. Everything in it but the encoder moves in here.
    """

    def __init__(self, classifier: PreTrainedModel) -> None:
        super().__init__()
        encoder = classifier.base_model_prefix
        for name, module in classifier.named_children():
            if name != encoder:
                self.add_module(name, module)
        frame = shallow(classifier)
        frame._modules[encoder] = _Answer(classifier.base_model)
        self._frame = (frame,)  # in a tuple: its modules are registered once, as this one's

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The last token states (rows, length, width), mask (rows, length) or None -> logits (rows, labels)."""
        return self._frame[0](inputs_embeds=hidden, attention_mask=mask).logits


class _Answer(nn.Module):
    """Stands in an encoder's place and answers with what it is given as embeddings."""

    def __init__(self, backbone: PreTrainedModel) -> None:
        super().__init__()
        self._backbone = (backbone,)

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> BaseModelOutputWithPooling:
        backbone = self._backbone[0]
        pooled = pooler_output(backbone, inputs_embeds) if has_pooler(backbone) else None
        return BaseModelOutputWithPooling(last_hidden_state=inputs_embeds, pooler_output=pooled)
