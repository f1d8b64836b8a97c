"""Model folders: from the disk into memory, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from offramp.errors import ModelFolderError, first_line
from offramp.files import RESTORE, check_readable
from offramp.folder import CONFIG, WEIGHTS
from offramp.model.config import EarlyExitConfig
from offramp.model.folder import check_folder
from offramp.model.network import EarlyExitForSequenceClassification
from offramp.model.tokenizers import read_tokenizer, token_limit, vocabulary_flaw


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' progress bars and reports off the screen for a while.

    A library does not write to the terminal; what matters in the reports is checked here and told as errors.
    """
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network in fp32 and evaluation mode, and its tokenizer. ``tokenizer.model_max_length`` is the token limit."""

    network: EarlyExitForSequenceClassification
    tokenizer: PreTrainedTokenizerBase


@quiet()
def load(folder: Path) -> LoadedModel:
    """Reads the network and the tokenizer of a model folder.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or damaged.
        StorageError: a file may not be read.
    """
    config = load_config(folder)
    tokenizer = load_tokenizer(folder, config)
    try:
        network, loading = EarlyExitForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            local_files_only=True,
        )
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(
            f"{folder / WEIGHTS} is damaged ({first_line(error)}); {RESTORE}", path=folder / WEIGHTS
        ) from error
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(
            f"{folder / CONFIG} is damaged ({first_line(error)}); {RESTORE}", path=folder / CONFIG
        ) from error
    if flaw := flaw_of(loading):
        raise ModelFolderError(f"{folder / WEIGHTS} does not fit {CONFIG}: {flaw}; {RESTORE}", path=folder / WEIGHTS)
    if flaw := weights_flaw(network):
        raise ModelFolderError(f"{folder / WEIGHTS} is damaged: {flaw}; {RESTORE}", path=folder / WEIGHTS)
    tokenizer.model_max_length = token_limit(network.backbone, tokenizer)
    return LoadedModel(network.eval(), tokenizer)


def load_config(folder: Path) -> EarlyExitConfig:
    """Reads the configuration of a model folder, without the network.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or damaged.
    """
    check_folder(folder)
    try:
        return EarlyExitConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(
            f"{folder / CONFIG} is damaged ({first_line(error)}); {RESTORE}", path=folder / CONFIG
        ) from error


def load_tokenizer(folder: Path, config: EarlyExitConfig) -> PreTrainedTokenizerBase:
    """Reads the tokenizer of a model folder.

    Args:
        config: the folder's.

    Raises:
        ModelFolderError: it is damaged, or has tokens that the encoder does not know.
        StorageError: a file of it may not be read.
    """
    for path in folder.glob("*token*.json"):
        check_readable(path)
    try:
        tokenizer = read_tokenizer(folder, local_files_only=True)
    except Exception as error:  # tokenizers raise bare Exception on damaged files
        raise ModelFolderError(
            f"the tokenizer in {folder} cannot be read ({first_line(error)}); {RESTORE}", path=folder
        ) from error
    if flaw := vocabulary_flaw(tokenizer, config.backbone_config):
        raise ModelFolderError(f"the tokenizer in {folder} {flaw}", path=folder)
    return tokenizer


@quiet()
def save(model: LoadedModel, folder: Path) -> None:
    """Writes ``config.json``, ``model.safetensors`` and the tokenizer's files into an existing folder."""
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def flaw_of(loading: dict[str, Any]) -> str | None:
    """What is wrong with the tensors that transformers found, as its loading report has it."""
    wrong_shape = [name for name, *_ in loading["mismatched_keys"]]
    for what, names in (("missing tensors", loading["missing_keys"]), ("tensors of another shape", wrong_shape)):
        if names:
            return f"{len(names)} {what}, such as {min(names)}"
    return None


def weights_flaw(network: PreTrainedModel) -> str | None:
    """Names a tensor with values that are not numbers; every answer that depends on it would be none."""
    for name, weights in network.named_parameters():
        # A sum is finite unless some value is not, or many are huge: one cheap pass for tensors that are in order.
        if not weights.detach().sum().isfinite() and not weights.isfinite().all():
            return f"{name} holds values that are NaN or infinite"
    return None
