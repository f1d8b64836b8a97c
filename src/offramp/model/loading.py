"""Model folders: from the disk into memory, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from offramp.errors import ModelFolderError
from offramp.files import check_readable, read_json
from offramp.model.config import EarlyExitConfig
from offramp.model.network import EarlyExitForSequenceClassification

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_RESTORE = "restore it or train the model again"

# What XLNet says where others have the number of their positions, and less than what tokenizers without a limit say.
_NO_POSITIONS, _BOUNDLESS = -1, 10**9


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
    load_config(folder)
    if not (folder / WEIGHTS).is_file():
        raise ModelFolderError(f"{folder} has no {WEIGHTS}; {_RESTORE}")
    check_readable(folder / WEIGHTS)
    tokenizer = load_tokenizer(folder)
    try:
        network, found = EarlyExitForSequenceClassification.from_pretrained(
            folder,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            local_files_only=True,
        )
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(f"{folder / WEIGHTS} is damaged ({first_line(error)}); {_RESTORE}") from error
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(f"{folder / CONFIG} is damaged ({first_line(error)}); {_RESTORE}") from error
    if flaw := flaw_of(found):
        raise ModelFolderError(f"{folder / WEIGHTS} does not fit {CONFIG}: {flaw}; {_RESTORE}")
    tokenizer.model_max_length = token_limit(network.backbone, tokenizer)
    return LoadedModel(network.eval(), tokenizer)


def load_config(folder: Path) -> EarlyExitConfig:
    """Reads the configuration of a model folder, without the network.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or damaged.
    """
    if not folder.is_dir():
        raise ModelFolderError(f"there is no folder {folder}; give the folder that 'offramp train' wrote")
    if not (folder / CONFIG).is_file():
        raise ModelFolderError(f"{folder} is not an offramp model: it has no {CONFIG}")
    kind = read_json(folder / CONFIG).get("model_type")
    if kind != EarlyExitConfig.model_type:
        raise ModelFolderError(
            f"{folder} is a {kind!r} model, not an offramp one; train exits on an encoder with "
            f"'offramp train --model {folder}', or put them on a fine-tuned classifier with 'offramp attach {folder}'"
        )
    try:
        return EarlyExitConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(f"{folder / CONFIG} is damaged ({first_line(error)}); {_RESTORE}") from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Reads the tokenizer of a model folder.

    Raises:
        ModelFolderError: it is missing or damaged.
        StorageError: a file of it may not be read.
    """
    if not (folder / "tokenizer_config.json").is_file():
        raise ModelFolderError(f"{folder} has no tokenizer_config.json; {_RESTORE}")
    for path in folder.glob("*token*.json"):
        check_readable(path)
    try:
        return read_tokenizer(folder, local_files_only=True)
    except Exception as error:  # tokenizers raise bare Exception on damaged files
        raise ModelFolderError(f"the tokenizer in {folder} cannot be read ({first_line(error)}); {_RESTORE}") from error


@quiet()
def save(model: LoadedModel, folder: Path) -> None:
    """Writes ``config.json``, ``model.safetensors`` and the tokenizer's files into an existing folder."""
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def read_tokenizer(name: str | Path, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or a hub id. One that knows no words raises ``ValueError``."""
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    # Without its files, transformers makes one up that knows nothing but special tokens.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ValueError("there is no tokenizer, or one without words")
    return tokenizer


def flaw_of(found: dict[str, Any]) -> str | None:
    """What is wrong with the tensors that transformers found, as its loading report has it."""
    wrong_shape = [name for name, *_ in found["mismatched_keys"]]
    for what, names in (("missing tensors", found["missing_keys"]), ("tensors of another shape", wrong_shape)):
        if names:
            return f"{len(names)} {what}, such as {min(names)}"
    return None


def token_limit(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int | None = None) -> int:
    """Tokens at which texts are cut, special tokens included: as many as were asked for, and both of them take.

    Args:
        asked: by default as many as possible, or 512 where neither the encoder nor its tokenizer has a limit.
    """
    positions = getattr(backbone.config, "max_position_embeddings", None) or _NO_POSITIONS
    # RoBERTa and its kin number positions from the padding index on.
    offset = getattr(getattr(backbone, "embeddings", None), "padding_idx", None)
    of_encoder = positions - (0 if offset is None else offset + 1)
    limits = [limit for limit in (tokenizer.model_max_length, of_encoder) if 0 < limit < _BOUNDLESS]
    limit = min(limits, default=asked or 512)
    return min(asked or limit, limit)


def first_line(error: Exception) -> str:
    """What an error of a library says, in one line."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".: ") if text else type(error).__name__
