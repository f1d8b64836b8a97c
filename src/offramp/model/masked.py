"""Texts that a masked language model writes over, word by word, until they read more like its own.

Source: sampling from such a model: Wang and Cho, "BERT has a Mouth, and It Must Speak", NeuralGen 2019; here with many
words at a time, and a temperature that falls as in simulated annealing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from offramp.errors import OfframpError
from offramp.folder import CONFIG
from offramp.model.checkpoints import backbone_errors, read_network
from offramp.model.encoding import encode
from offramp.model.finding import check_checkpoint
from offramp.model.loading import quiet
from offramp.model.padding import padded_batches, padding_id_of
from offramp.model.tokenizers import read_tokenizer, token_limit

_WITH_HEAD = ("ForMaskedLM", "ForPreTraining")
# The texts pass so many times, each time with this share of their tokens masked.
_TEMPERATURES = (2.0, 1.7, 1.5, 1.3, 1.1, 1.0, 1.0, 1.0)
_SHARE = 0.3
# Every other text is written around the name of a label.
_AROUND_LABELS = 2


@dataclass(frozen=True, slots=True, eq=False)
class MaskedModel:
    """An encoder with its masked-language-model head, and its tokenizer."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def masked_model(names: Sequence[str]) -> MaskedModel | None:
    """The first of some checkpoints that has a masked-language-model head and is on this disk; None if none is.

    Args:
        names: folders or hub ids; nothing is fetched.
    """
    return next((found for found in map(_masked_model, names) if found is not None), None)


@quiet()
def _masked_model(name: str) -> MaskedModel | None:
    folder = _on_disk(name)
    try:
        if folder is None or not _says_so(folder):
            return None
        with backbone_errors(name):
            tokenizer = read_tokenizer(folder)
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            network, loading = read_network(AutoModelForMaskedLM, folder, config, {})
    except OfframpError:
        return None  # without it there are other texts
    if tokenizer.mask_token_id is None or loading["missing_keys"] or loading["mismatched_keys"]:
        return None
    tokenizer.model_max_length = token_limit(network.base_model, tokenizer)
    return MaskedModel(network.eval(), tokenizer)


def _on_disk(name: str) -> str | None:
    """The folder of a checkpoint, which may be a copy of one on the hub."""
    if Path(name).is_dir():
        return name
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, CONFIG)
    except HFValidationError:
        return None
    return str(Path(cached).parent) if isinstance(cached, str) else None


def _says_so(folder: str) -> bool:
    """Whether the configuration names a network with such a head."""
    architectures = check_checkpoint(folder).get("architectures") or ()
    return any(str(name).endswith(_WITH_HEAD) for name in architectures)


@torch.inference_mode()
def written_over(
    model: MaskedModel, texts: Sequence[str], labels: Sequence[str], random: np.random.Generator
) -> list[str]:
    """The texts after the model has masked some of their tokens, and drawn others, again and again.

    Args:
        model: that writes.
        texts: to begin with; their lengths stay, more or less.
        labels: every other text is written around the name of one.
        random: decides all.
    """
    tokenizer = model.tokenizer
    named = [label for label in labels if tokenizer(label, add_special_tokens=False)["input_ids"]] or [""]
    around = ["" if row % _AROUND_LABELS else named[row // _AROUND_LABELS % len(named)] for row in range(len(texts))]
    encoded = encode(tokenizer, [f"{name} {text}".strip() for name, text in zip(around, texts, strict=True)])
    fixed = torch.tensor([len(tokenizer(name, add_special_tokens=False)["input_ids"]) for name in around])
    special = torch.tensor(tokenizer.all_special_ids)
    chance = torch.Generator().manual_seed(int(random.integers(2**31)))
    written: list[list[int]] = [[] for _ in texts]
    for batch in padded_batches(encoded, padding_id_of(tokenizer)):
        inputs = batch.inputs(model.network.device)
        free = ~torch.isin(inputs["input_ids"], special)
        free &= free.cumsum(1) > fixed[batch.ids][:, None]
        for temperature in _TEMPERATURES:
            inputs["input_ids"] = _redrawn(model, inputs, free, special, temperature, chance)
        for row, length, tokens in zip(batch.ids, batch.lengths, inputs["input_ids"].tolist(), strict=True):
            written[row] = tokens[:length]
    return [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


def _redrawn(
    model: MaskedModel,
    inputs: dict[str, Tensor],
    free: Tensor,
    special: Tensor,
    temperature: float,
    chance: torch.Generator,
) -> Tensor:
    """Token ids (rows, longest), of which a share is masked and drawn anew from what the model expects there.

    Args:
        inputs: what the network reads.
        free: which tokens may be drawn anew, bool (rows, longest).
        special: ids of tokens that are never drawn.
        chance: decides.
    """
    ids = inputs["input_ids"]
    masked = free & (torch.rand(ids.shape, generator=chance) < _SHARE)
    if not masked.any():
        return ids
    given = inputs | {"input_ids": torch.where(masked, model.tokenizer.mask_token_id, ids)}
    logits = model.network(**given).logits[masked].float() / temperature
    logits[:, special] = -torch.inf
    logits[:, len(model.tokenizer) :] = -torch.inf
    drawn = torch.multinomial(logits.softmax(-1), 1, generator=chance)[:, 0]
    return ids.masked_scatter(masked, drawn)
