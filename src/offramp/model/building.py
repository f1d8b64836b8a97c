"""From an encoder or a fine-tuned classifier, on the hub or the disk, to a network with untrained exits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from offramp.errors import BackboneError, OptionError
from offramp.files import read_json
from offramp.model.config import PROBLEM_TYPES, EarlyExitConfig, resolve_exits
from offramp.model.heads import default_pooling
from offramp.model.loading import LoadedModel, first_line, flaw_of, quiet, read_tokenizer, token_limit
from offramp.model.network import EarlyExitForSequenceClassification
from offramp.model.stack import SUPPORTED


@quiet()
def build(
    backbone_name: str,
    *,
    exits: Sequence[int] | str | None,
    labels: Sequence[str],
    problem_type: str,
    pooling: str | None = None,
    head: str = "linear",
    layers: int | None = None,
    text_pair: bool = False,
    max_length: int | None = None,
) -> LoadedModel:
    """Puts untrained exits on a pre-trained encoder.

    Args:
        backbone_name: folder or hub id of the encoder; of a model with exits or a fine-tuned classifier, the encoder is
            taken and the rest is left.
        exits: see :func:`~offramp.model.config.resolve_exits`.
        labels: label names in the order of the logits.
        pooling: ``pooler``, ``cls`` or ``mean``; by default what the encoder was pre-trained with.
        head: ``linear`` or ``mlp``.
        layers: cuts the encoder off after so many layers; by default it stays whole.
        max_length: tokens at which texts are cut; by default, and at most, what the encoder can take. A model with
            exits states what it was trained with; that is the default, and no limit.

    Raises:
        BackboneError: the encoder cannot be found, read or given exits.
        OptionError: the exits or the layers do not fit the encoder.
    """
    with _backbone_errors(backbone_name):
        tokenizer = read_tokenizer(backbone_name)
        encoder_config = AutoConfig.from_pretrained(backbone_name)
    _check_padding(tokenizer, backbone_name)
    renamed = None
    if isinstance(encoder_config, EarlyExitConfig):
        pooling, renamed = pooling or encoder_config.pooling, {r"^backbone\.": ""}
        encoder_config = encoder_config.backbone_config
        tokenizer.model_max_length = max_length or tokenizer.model_max_length
    if layers is not None:
        _cut(encoder_config, layers)
    with _backbone_errors(backbone_name):
        backbone, found = AutoModel.from_pretrained(
            backbone_name,
            config=encoder_config,
            key_mapping=renamed,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
        if any(name.startswith("pooler.") for name in found["missing_keys"]):
            backbone.pooler = None  # transformers would have made one up
        pooling = pooling or _sentence_pooling(backbone_name) or default_pooling(backbone)
    if flaw := flaw_of({**found, "missing_keys": [name for name in found["missing_keys"] if "pooler." not in name]}):
        raise BackboneError(f"the weights of {backbone_name!r} do not fit its config.json: {flaw}; fetch it again")
    _check_encoder(backbone)
    config = _config_for(
        backbone.config,
        backbone_name,
        exits=exits,
        pooling=pooling,
        head=head,
        text_pair=text_pair,
        problem_type=problem_type,
        labels=labels,
    )
    return _with_exits(config, backbone, tokenizer, max_length)


@quiet()
def adopt(
    classifier_name: str,
    *,
    exits: Sequence[int] | str | None = None,
    labels: Sequence[str] | None = None,
    pooling: str | None = None,
    head: str | None = None,
    text_pair: bool = False,
    max_length: int | None = None,
) -> LoadedModel:
    """Puts untrained exits on a fine-tuned classifier, whose own head becomes the last exit.

    Of a model that has exits the last one stays, and the others are replaced.

    Args:
        classifier_name: folder or hub id of a checkpoint for ``AutoModelForSequenceClassification``.
        labels: label names in the order of the logits; by default those in the checkpoint's configuration.
        head: by default what the model's exits have, and ``linear`` where there are none.
        pooling: of the exits before the last; by default what the model's exits have, and ``mean`` where there are
            none. Until its last layers an encoder that was trained with one head gathers nothing in its first token: on
            SST-2 and MiniLM-6L, exits after 1, 2 and 4 layers of a frozen classifier got 80.9, 84.4 and 88.6 % of the
            test texts right with ``mean`` and 58.2, 63.2 and 83.3 % with ``cls``.

    The other arguments are those of :func:`build`.

    Raises:
        BackboneError: the checkpoint cannot be found or read, holds no classifier, or its encoder cannot take exits.
        OptionError: the exits, their pooling or head, or the labels do not fit it.
    """
    found = open_classifier(classifier_name, max_length)
    classifier, tokenizer = found.network, found.tokenizer
    config_for = partial(
        _config_for,
        name=classifier_name,
        exits=exits,
        text_pair=text_pair,
        problem_type=found.problem_type,
        labels=_names(found.labels, labels),
    )
    if isinstance(classifier, EarlyExitForSequenceClassification):
        before = classifier.config
        classifier.replace_exits(
            config_for(
                before.backbone_config,
                pooling=pooling or before.pooling,
                head=head or before.head,
                head_dropout=before.head_dropout,
                own_head=before.own_head,
            )
        )
        return LoadedModel(classifier.eval(), tokenizer)
    _check_encoder(classifier.base_model)
    config = config_for(classifier.config, pooling=pooling or "mean", head=head or "linear", own_head=True)
    model = _with_exits(config, classifier, tokenizer, max_length)
    _check_own_head(model.network, classifier)
    return model


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
def open_classifier(name: str, max_length: int | None = None) -> FineTuned:
    """Loads a checkpoint for ``AutoModelForSequenceClassification``; a folder of ours is one, too.

    Args:
        max_length: tokens at which texts are cut; by default, and at most, what it can take.

    Raises:
        BackboneError: it cannot be found or read, or holds no whole classifier of labels, or cannot take texts of
            different lengths at once.
    """
    with _backbone_errors(name, "classifier"):
        tokenizer = read_tokenizer(name)
        network, found = AutoModelForSequenceClassification.from_pretrained(
            name, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    if flaw := flaw_of(found):
        raise BackboneError(
            f"{name!r} is not a whole fine-tuned classifier: {flaw}; "
            "fine-tune it first, or train an encoder with exits with 'offramp train'"
        )
    _check_padding(tokenizer, name)
    tokenizer.model_max_length = token_limit(network.base_model, tokenizer, max_length)
    config = network.config
    return FineTuned(network.eval(), tokenizer, _problem_type(config, name), _labels_of(config, name))


@torch.no_grad()
def _check_own_head(network: EarlyExitForSequenceClassification, classifier: PreTrainedModel) -> None:
    inputs = network.stack.probe(3, 7)
    expected = classifier(**network.stack.accepted(inputs)).logits
    if not torch.equal(network(**inputs).logits, expected):
        raise BackboneError(
            f"{classifier.config.model_type} cannot keep its own head: the head needs more than the last token states; "
            f"supported are {SUPPORTED}"
        )


def _cut(config: PreTrainedConfig, layers: int) -> None:
    """Shortens an encoder before it is loaded; the weights of the layers behind are then left where they are."""
    depth = getattr(config, "num_hidden_layers", None)
    if depth is None:
        return  # no encoder with layers: the check that follows says so
    if not 1 <= layers <= depth:
        raise OptionError(f"layers is {layers}: this encoder has {depth} layers, so use 1 to {depth}")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _check_encoder(backbone: PreTrainedModel) -> None:
    if getattr(backbone.config, "num_hidden_layers", None) is None or backbone.config.is_encoder_decoder:
        raise BackboneError(f"{backbone.config.model_type} is no text encoder; supported are {SUPPORTED}")


def _problem_type(config: PreTrainedConfig, name: str) -> str:
    """What a fine-tuned classifier says of itself; one that predicts a number is refused."""
    kind = config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")
    if kind not in PROBLEM_TYPES:
        raise BackboneError(
            f"{name!r} predicts a number ({config.num_labels} output, problem_type {config.problem_type!r}), not a "
            "label, and could not tell how sure it is; give a classifier of at least two labels"
        )
    return str(kind)


def _labels_of(config: PreTrainedConfig, name: str) -> list[str]:
    """What a fine-tuned classifier calls its outputs, in their order."""
    if sorted(config.id2label) != list(range(config.num_labels)):
        raise BackboneError(
            f"{name!r} numbers its labels {', '.join(map(str, config.id2label))} under id2label in its config.json; "
            "they must count from 0: correct them there"
        )
    return [str(config.id2label[index]) for index in range(config.num_labels)]


def _check_padding(tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    if tokenizer.pad_token is None:
        raise BackboneError(
            f"the tokenizer of {name!r} has no token to pad with, so texts of different lengths cannot go together; "
            "name one as pad_token in its tokenizer_config.json, and its number as pad_token_id in config.json"
        )


def _names(there: list[str], labels: Sequence[str] | None) -> list[str]:
    if labels is not None and (len(labels) != len(there) or len(set(labels)) != len(labels)):
        raise OptionError(
            f"labels are {', '.join(labels)}; the classifier has {len(there)} outputs ({', '.join(there)}), "
            "so give as many different names, in the same order"
        )
    return there if labels is None else list(labels)


def _config_for(
    source: PreTrainedConfig, name: str, *, exits: Sequence[int] | str | None, labels: Sequence[str], **more: Any
) -> EarlyExitConfig:
    """The configuration of a network with exits on ``source``: an encoder or, with ``own_head``, a classifier."""
    if Path(name).exists():
        source._name_or_path = ""  # where it lay on this machine is nobody's business
    attention = source._attn_implementation
    config = EarlyExitConfig(
        backbone_config=source,
        exits=resolve_exits(exits, source.num_hidden_layers),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        **more,
    )
    source._attn_implementation = attention  # the enclosing configuration has just reset it
    return config


def _with_exits(
    config: EarlyExitConfig, source: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> LoadedModel:
    network = EarlyExitForSequenceClassification(config, source.eval()).eval()
    network.stack.check()
    tokenizer.model_max_length = token_limit(network.backbone, tokenizer, max_length)
    return LoadedModel(network, tokenizer)


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


@contextmanager
def _backbone_errors(name: str, what: str = "encoder") -> Iterator[None]:
    try:
        yield
    except Exception as error:  # damaged files make transformers and tokenizers raise anything
        local = Path(name).exists()
        cure = (
            f"give the folder of a Hugging Face {what} (config.json, model.safetensors, tokenizer files)"
            if local
            else "check the name; without a network, give a local folder"
        )
        raise BackboneError(f"cannot load the {what} {name!r}: {first_line(error)}; {cure}") from error
