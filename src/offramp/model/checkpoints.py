"""Checkpoints that others made, on the hub or the disk: opened, or refused in one sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from offramp.errors import BackboneError, first_line
from offramp.folder import CONFIG
from offramp.model.finding import ADAPTER, ADAPTER_ALONE, FOREIGN_CODE, check_checkpoint
from offramp.model.labels import labels_of, problem_type_of
from offramp.model.loading import flaw_of, quiet, weights_flaw
from offramp.model.tokenizers import read_tokenizer, token_limit, vocabulary_flaw

# What torch.compile and DistributedDataParallel put before the names of tensors, where the wrapper was saved and not
# what is in it. transformers would take all of them for missing.
UNWRAPPED = {r"^(?:_orig_mod\.|module\.)+": "", r"\._orig_mod\.": "."}


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A classifier of transformers in fp32 and evaluation mode, with or without exits, and its tokenizer.

    Attributes:
        tokenizer: its ``model_max_length`` is the token limit.
        problem_type: ``single_label_classification`` or ``multi_label_classification``.
        labels: in the order of the logits.
    """

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    problem_type: str
    labels: list[str]


@quiet()
def open_classifier(name: str, max_length: int | None = None, labels: Sequence[str] | None = None) -> FineTuned:
    """Loads a checkpoint for ``AutoModelForSequenceClassification``; a folder of ours is one, too.

    Args:
        max_length: tokens at which texts are cut; by default, and at most, what it can take.
        labels: names for its outputs, in their order; by default those in its configuration.

    Raises:
        BackboneError: it cannot be found or read, or holds no whole classifier of labels, or two of its outputs have
            the same name, or its tokenizer does not fit it.
        OptionError: there are not as many labels as outputs, or not all different.
    """
    check_checkpoint(name, "classifier")
    with backbone_errors(name, "classifier"):
        tokenizer = read_tokenizer(name)
        # Asked for by itself: of a folder without one, transformers would load the base model of an adapter.
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        network, loading = read_network(AutoModelForSequenceClassification, name, config, UNWRAPPED)
    if flaw := flaw_of(loading):
        raise BackboneError(
            f"{name!r} is not a whole fine-tuned classifier: {flaw}; "
            "fine-tune it first, or train an encoder with exits with 'offramp train'",
            path=name,
        )
    check_weights(network, name)
    check_tokenizer(tokenizer, network.base_model.config, name)
    tokenizer.model_max_length = token_limit(network.base_model, tokenizer, max_length)
    names = labels_of(network.config.id2label, name, labels)
    kind = problem_type_of(network.config.problem_type, network.config.num_labels, name)
    return FineTuned(network.eval(), tokenizer, kind, names)


def read_network(
    auto: type[Any], name: str, config: PreTrainedConfig, renamed: dict[str, str]
) -> tuple[Any, dict[str, Any]]:
    """Reads a network in fp32, and what transformers found of its weights: see :func:`~offramp.model.loading.flaw_of`.

    Args:
        auto: the class of transformers that knows what to make of the configuration.
        renamed: patterns in the names of tensors, and what to put in their place.
    """
    network, loading = auto.from_pretrained(
        name,
        config=config,
        key_mapping=renamed,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        trust_remote_code=False,
    )
    return network, loading


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, name: str) -> None:
    """Refuses a tokenizer that an encoder of this configuration cannot be run with.

    Raises:
        BackboneError: it cannot pad, or has tokens that the encoder does not know.
    """
    if tokenizer.pad_token is None:
        raise BackboneError(
            f"the tokenizer of {name!r} has no token to pad with, so texts of different lengths cannot go together; "
            "name one as pad_token in its tokenizer_config.json, and its number as pad_token_id in config.json",
            path=name,
        )
    if flaw := vocabulary_flaw(tokenizer, config):
        raise BackboneError(f"the tokenizer of {name!r} {flaw}", path=name)


def check_weights(network: PreTrainedModel, name: str) -> None:
    """Refuses weights that are not numbers.

    Raises:
        BackboneError: some are not.
    """
    if flaw := weights_flaw(network):
        raise BackboneError(
            f"the weights of {name!r} are damaged: {flaw}; fetch it again, or train it again", path=name
        )


@contextmanager
def backbone_errors(name: str, what: str = "encoder") -> Iterator[None]:
    """Turns whatever goes wrong while a checkpoint is read into one sentence.

    Args:
        name: folder or hub id.
        what: is read.

    Raises:
        BackboneError: something went wrong.
    """
    try:
        yield
    except Exception as error:  # damaged files make transformers and tokenizers raise anything
        raise BackboneError(f"cannot load the {what} {name!r}: {_why(name, what, error)}", path=name) from error


def _why(name: str, what: str, error: Exception) -> str:
    """What is wrong with a checkpoint that could not be loaded, and what to do."""
    if "trust_remote_code" in str(error):
        return FOREIGN_CODE
    local = bool(name) and Path(name).exists()
    if not local and "does not appear to have a file" in str(error) and _is_adapter(name):
        return ADAPTER_ALONE
    if local:
        cure = f"give the folder of a Hugging Face {what} (config.json, model.safetensors, tokenizer files)"
    else:
        cure = "check the name; without a network, give a local folder"
    return f"{first_line(error)}; {cure}"


def _is_adapter(name: str) -> bool:
    """Whether there is an adapter and no model beside it."""
    return file_of(name, ADAPTER) is not None and file_of(name, CONFIG) is None


def file_of(name: str, file: str) -> Path | None:
    """A file of a folder or a hub id that need not be there."""
    path = cached_file(
        name, file, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False
    )
    return None if path is None else Path(path)
