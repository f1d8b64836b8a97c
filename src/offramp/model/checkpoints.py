"""Checkpoints that others made, on the hub or the disk: opened, or refused in one sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from offramp.errors import BackboneError, OptionError, first_line
from offramp.model.config import PROBLEM_TYPES, label_flaw
from offramp.model.finding import check_checkpoint
from offramp.model.loading import flaw_of, quiet, weights_flaw
from offramp.model.stack import SUPPORTED
from offramp.model.tokenizers import read_tokenizer, token_limit, vocabulary_flaw


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
        network, found = AutoModelForSequenceClassification.from_pretrained(
            name,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
        )
    if flaw := flaw_of(found):
        raise BackboneError(
            f"{name!r} is not a whole fine-tuned classifier: {flaw}; "
            "fine-tune it first, or train an encoder with exits with 'offramp train'"
        )
    check_weights(network, name)
    check_tokenizer(tokenizer, network.base_model.config, name)
    tokenizer.model_max_length = token_limit(network.base_model, tokenizer, max_length)
    names = _labels_of(network.config, name, labels)
    return FineTuned(network.eval(), tokenizer, _problem_type(network.config, name), names)


def _problem_type(config: PreTrainedConfig, name: str) -> str:
    """What a fine-tuned classifier says of itself; one that predicts a number is refused."""
    kind = config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")
    if kind not in PROBLEM_TYPES:
        raise BackboneError(
            f"{name!r} predicts a number ({config.num_labels} output, problem_type {config.problem_type!r}), not a "
            "label, and could not tell how sure it is; give a classifier of at least two labels"
        )
    return str(kind)


def _labels_of(config: PreTrainedConfig, name: str, wanted: Sequence[str] | None) -> list[str]:
    """What the outputs of a fine-tuned classifier are called, in their order."""
    if sorted(config.id2label) != list(range(config.num_labels)):
        raise BackboneError(
            f"{name!r} numbers its labels {', '.join(map(str, config.id2label))} under id2label in its config.json; "
            "they must count from 0: correct them there"
        )
    there = [str(config.id2label[index]).strip() for index in range(config.num_labels)]
    if wanted is None:
        if flaw := label_flaw(there):
            raise BackboneError(
                f"{name!r} cannot be used as it is: {flaw} under id2label in its config.json; "
                "give each a name of its own there"
            )
        return there
    names = [label.strip() for label in wanted]
    if len(names) != len(there) or label_flaw(names):
        raise OptionError(
            f"labels are {', '.join(names)}; the classifier has {len(there)} outputs ({', '.join(there)}), "
            "so give as many different names, in the same order"
        )
    return names


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, name: str) -> None:
    """Refuses a tokenizer that an encoder of this configuration cannot be run with.

    Raises:
        BackboneError: it cannot pad, or has tokens that the encoder does not know.
    """
    if tokenizer.pad_token is None:
        raise BackboneError(
            f"the tokenizer of {name!r} has no token to pad with, so texts of different lengths cannot go together; "
            "name one as pad_token in its tokenizer_config.json, and its number as pad_token_id in config.json"
        )
    if flaw := vocabulary_flaw(tokenizer, config):
        raise BackboneError(f"the tokenizer of {name!r} {flaw}")


def check_weights(network: PreTrainedModel, name: str) -> None:
    """Refuses weights that are not numbers.

    Raises:
        BackboneError: some are not.
    """
    if flaw := weights_flaw(network):
        raise BackboneError(f"the weights of {name!r} are damaged: {flaw}; fetch it again, or train it again")


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
        raise BackboneError(f"cannot load the {what} {name!r}: {_why(name, what, error)}") from error


def _why(name: str, what: str, error: Exception) -> str:
    """What is wrong with a checkpoint that could not be loaded, and what to do."""
    if "trust_remote_code" in str(error):
        return (
            "it brings program code of its own, and code from checkpoints is never run; "
            f"give one of a kind that transformers knows: {SUPPORTED}"
        )
    local = bool(name) and Path(name).exists()
    if (local or "does not appear to have a file" in str(error)) and _is_adapter(name):
        return (
            "it holds an adapter only; merge it into the model that it was trained on (merge_and_unload of peft), "
            "save that with its tokenizer, and give that folder"
        )
    if local:
        cure = f"give the folder of a Hugging Face {what} (config.json, model.safetensors, tokenizer files)"
    else:
        cure = "check the name; without a network, give a local folder"
    return f"{first_line(error)}; {cure}"


def _is_adapter(name: str) -> bool:
    """Whether there is an adapter and no model beside it."""
    return file_of(name, "adapter_config.json") is not None and file_of(name, "config.json") is None


def file_of(name: str, file: str) -> Path | None:
    """A file of a folder or a hub id that need not be there."""
    path = cached_file(
        name, file, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False
    )
    return None if path is None else Path(path)
