"""Encoders, tokenizers and model folders: from the hub or the disk into memory, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import cached_file, logging

from offramp.errors import BackboneError, ModelFolderError
from offramp.files import read_json
from offramp.model.config import EarlyExitConfig, resolve_exits
from offramp.model.heads import default_pooling
from offramp.model.network import EarlyExitForSequenceClassification
from offramp.model.stack import SUPPORTED

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_RESTORE = "restore it or train the model again"


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keeps transformers' progress bars off the screen for a while: a library does not write to the terminal."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network in fp32 and evaluation mode, and its tokenizer. ``tokenizer.model_max_length`` is the token limit."""

    network: EarlyExitForSequenceClassification
    tokenizer: PreTrainedTokenizerBase


@_no_progress_bars()
def build(
    backbone_name: str,
    *,
    exits: Sequence[int] | str | None,
    labels: Sequence[str],
    problem_type: str,
    pooling: str | None = None,
    text_pair: bool = False,
    max_length: int | None = None,
) -> LoadedModel:
    """Puts untrained exits on a pre-trained encoder.

    Args:
        backbone_name: folder or hub id of the encoder.
        exits: see :func:`~offramp.model.config.resolve_exits`.
        labels: label names in the order of the logits.
        pooling: ``pooler``, ``cls`` or ``mean``; by default what the encoder was pre-trained with.
        max_length: tokens at which texts are cut; by default, and at most, what the encoder can take.

    Raises:
        BackboneError: the encoder cannot be found, read or given exits.
        OptionError: the exits do not fit the encoder.
    """
    with _backbone_errors(backbone_name):
        tokenizer = _tokenizer(backbone_name)
        backbone, found = AutoModel.from_pretrained(
            backbone_name, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
        if any(name.startswith("pooler.") for name in found["missing_keys"]):
            backbone.pooler = None  # transformers would have made one up
        pooling = pooling or _sentence_pooling(backbone_name) or default_pooling(backbone)
    if flaw := _flaw({**found, "missing_keys": [name for name in found["missing_keys"] if "pooler." not in name]}):
        raise BackboneError(f"the weights of {backbone_name!r} do not fit its config.json: {flaw}; fetch it again")
    if getattr(backbone.config, "num_hidden_layers", None) is None or backbone.config.is_encoder_decoder:
        raise BackboneError(f"{backbone.config.model_type} is no text encoder; supported are {SUPPORTED}")
    if Path(backbone_name).exists():
        backbone.config._name_or_path = ""  # where it lay on this machine is nobody's business
    attention = backbone.config._attn_implementation
    config = EarlyExitConfig(
        backbone_config=backbone.config,
        exits=resolve_exits(exits, backbone.config.num_hidden_layers),
        pooling=pooling,
        text_pair=text_pair,
        problem_type=problem_type,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    backbone.config._attn_implementation = attention  # the enclosing configuration has just reset it
    network = EarlyExitForSequenceClassification(config, backbone.eval()).eval()
    network.stack.check()
    limit = _token_limit(backbone, tokenizer)
    tokenizer.model_max_length = min(max_length or limit, limit)
    return LoadedModel(network, tokenizer)


@_no_progress_bars()
def load(folder: Path) -> LoadedModel:
    """Reads the network and the tokenizer of a model folder.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or damaged.
    """
    load_config(folder)
    if not (folder / WEIGHTS).is_file():
        raise ModelFolderError(f"{folder} has no {WEIGHTS}; {_RESTORE}")
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
        raise ModelFolderError(f"{folder / WEIGHTS} is damaged ({_first_line(error)}); {_RESTORE}") from error
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(f"{folder / CONFIG} is damaged ({_first_line(error)}); {_RESTORE}") from error
    if flaw := _flaw(found):
        raise ModelFolderError(f"{folder / WEIGHTS} does not fit {CONFIG}: {flaw}; {_RESTORE}")
    tokenizer.model_max_length = _token_limit(network.backbone, tokenizer)
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
            f"{folder} is a {kind!r} model, not an offramp one; train exits on it with 'offramp train --model {folder}'"
        )
    try:
        return EarlyExitConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a configuration that makes no sense can raise anything
        raise ModelFolderError(f"{folder / CONFIG} is damaged ({_first_line(error)}); {_RESTORE}") from error


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Reads the tokenizer of a model folder.

    Raises:
        ModelFolderError: it is missing or damaged.
    """
    if not (folder / "tokenizer_config.json").is_file():
        raise ModelFolderError(f"{folder} has no tokenizer_config.json; {_RESTORE}")
    try:
        return _tokenizer(folder, local_files_only=True)
    except Exception as error:  # tokenizers raise bare Exception on damaged files
        raise ModelFolderError(
            f"the tokenizer in {folder} cannot be read ({_first_line(error)}); {_RESTORE}"
        ) from error


@_no_progress_bars()
def save(model: LoadedModel, folder: Path) -> None:
    """Writes ``config.json``, ``model.safetensors`` and the tokenizer's files into an existing folder."""
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def _tokenizer(name: str | Path, **options: Any) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    # Without its files, transformers makes one up that knows nothing but special tokens.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ValueError("there is no tokenizer, or one without words")
    return tokenizer


def _flaw(found: dict[str, Any]) -> str | None:
    """What is wrong with the tensors that transformers found, as its loading report has it."""
    wrong_shape = [name for name, *_ in found["mismatched_keys"]]
    for what, names in (("missing tensors", found["missing_keys"]), ("tensors of another shape", wrong_shape)):
        if names:
            return f"{len(names)} {what}, such as {min(names)}"
    return None


def _sentence_pooling(name: str) -> str | None:
    """The pooling that a sentence-transformers folder declares."""
    path = cached_file(
        name,
        "1_Pooling/config.json",
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if path is None:
        return None
    declared = read_json(Path(path))
    # Older folders hold one switch a kind, newer ones a name.
    if declared.get("pooling_mode_mean_tokens") or declared.get("pooling_mode") == "mean":
        return "mean"
    if declared.get("pooling_mode_cls_token") or declared.get("pooling_mode") == "cls":
        return "cls"
    return None


def _token_limit(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    positions = getattr(backbone.config, "max_position_embeddings", None) or tokenizer.model_max_length
    # RoBERTa and its kin number positions from the padding index on.
    offset = getattr(getattr(backbone, "embeddings", None), "padding_idx", None)
    return int(min(tokenizer.model_max_length, positions - (0 if offset is None else offset + 1)))


@contextmanager
def _backbone_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damaged files make transformers and tokenizers raise anything
        local = Path(name).exists()
        cure = (
            "give the folder of a Hugging Face encoder (config.json, model.safetensors, tokenizer files)"
            if local
            else "check the name; without a network, give a local folder"
        )
        raise BackboneError(f"cannot load the encoder {name!r}: {_first_line(error)}; {cure}") from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0].rstrip(".: ") if text else type(error).__name__
