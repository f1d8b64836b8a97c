"""From an encoder or a fine-tuned classifier, on the hub or the disk, to a network with untrained exits."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from offramp.errors import BackboneError, OptionError
from offramp.files import read_json
from offramp.model.checkpoints import (
    UNWRAPPED,
    backbone_errors,
    check_tokenizer,
    check_weights,
    file_of,
    open_classifier,
    read_network,
)
from offramp.model.config import EarlyExitConfig
from offramp.model.exits import check_cut, resolve_exits
from offramp.model.finding import SUPPORTED, check_checkpoint
from offramp.model.heads import default_pooling
from offramp.model.loading import LoadedModel, flaw_of, quiet
from offramp.model.network import EarlyExitForSequenceClassification
from offramp.model.tokenizers import check_length, read_tokenizer, token_limit


@quiet()
def build(
    backbone_name: str,
    *,
    exits: Sequence[int] | str | None,
    labels: Sequence[str],
    problem_type: str,
    pooling: str | None = None,
    head: str | None = None,
    layers: int | None = None,
    text_pair: bool = False,
    max_length: int | None = None,
) -> LoadedModel:
    """Puts untrained exits on a pre-trained encoder.

    Args:
        backbone_name: folder or hub id of the encoder; of a model with exits or a fine-tuned classifier, the encoder is
            taken and the rest is left.
        exits: see :func:`~offramp.model.exits.resolve_exits`.
        labels: label names in the order of the logits.
        pooling: ``pooler``, ``cls`` or ``mean``; by default what the encoder was pre-trained with.
        head: ``linear``, also where it is None, or ``mlp``.
        layers: cuts the encoder off after so many layers; by default it stays whole.
        max_length: tokens at which texts are cut; by default, and at most, what the encoder can take. A model with
            exits states what it was trained with; that is the default, and no limit.

    Raises:
        BackboneError: the encoder cannot be found, read or given exits.
        OptionError: the exits, the layers or ``max_length`` do not fit the encoder.
    """
    check_checkpoint(backbone_name)
    with backbone_errors(backbone_name):
        tokenizer = read_tokenizer(backbone_name)
        encoder_config = AutoConfig.from_pretrained(backbone_name, trust_remote_code=False)
    renamed = UNWRAPPED
    if isinstance(encoder_config, EarlyExitConfig):
        _check_whole(encoder_config, backbone_name)
        pooling, renamed = pooling or encoder_config.pooling, UNWRAPPED | {r"^backbone\.": ""}
        encoder_config = encoder_config.backbone_config
        tokenizer.model_max_length = max_length or tokenizer.model_max_length
    if layers is not None:
        _cut(encoder_config, layers)
    with backbone_errors(backbone_name):
        backbone, loading = read_network(AutoModel, backbone_name, encoder_config, renamed)
        if any(name.startswith("pooler.") for name in loading["missing_keys"]):
            backbone.pooler = None  # transformers would have made one up
        pooling = pooling or _sentence_pooling(backbone_name) or default_pooling(backbone)
    missing = [name for name in loading["missing_keys"] if "pooler." not in name]
    if flaw := flaw_of({**loading, "missing_keys": missing}):
        raise BackboneError(
            f"the weights of {backbone_name!r} do not fit its config.json: {flaw}; fetch it again", path=backbone_name
        )
    check_weights(backbone, backbone_name)
    check_tokenizer(tokenizer, backbone.config, backbone_name)
    _check_encoder(backbone)
    config = _config_for(
        backbone.config,
        backbone_name,
        exits=exits,
        pooling=pooling,
        head=head or "linear",
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
        OptionError: the exits, their pooling or head, the labels or ``max_length`` do not fit it.
    """
    checkpoint = open_classifier(classifier_name, max_length, labels)
    classifier, tokenizer = checkpoint.network, checkpoint.tokenizer
    config_for = partial(
        _config_for,
        name=classifier_name,
        exits=exits,
        text_pair=text_pair,
        problem_type=checkpoint.problem_type,
        labels=checkpoint.labels,
    )
    check_length(tokenizer, max_length)
    if isinstance(classifier, EarlyExitForSequenceClassification):
        before = classifier.config
        config = config_for(
            before.backbone_config,
            pooling=pooling or before.pooling,
            head=head or before.head,
            head_dropout=before.head_dropout,
            own_head=before.own_head,
            feed_forward_widths=before.feed_forward_widths,
            experts=before.experts,
        )
        _check_shared(before, config)
        classifier.replace_exits(config)
        return LoadedModel(classifier.eval(), tokenizer)
    _check_encoder(classifier.base_model)
    config = config_for(classifier.config, pooling=pooling or "mean", head=head or "linear", own_head=True)
    model = _with_exits(config, classifier, tokenizer, max_length)
    _check_own_head(model.network, classifier)
    return model


def _check_shared(before: EarlyExitConfig, config: EarlyExitConfig) -> None:
    """Makes sure that a last exit of ours, which is kept, has the pooling and the head that all exits share."""
    for name in () if config.own_head else ("pooling", "head"):
        kept, wanted = getattr(before, name), getattr(config, name)
        if kept != wanted:
            raise OptionError(
                f"{name} is {wanted!r}, but the last exit, which is kept, has {kept!r}, and all exits share that; "
                f"leave {name} out",
                option=name,
                value=wanted,
            )


@torch.no_grad()
def _check_own_head(network: EarlyExitForSequenceClassification, classifier: PreTrainedModel) -> None:
    inputs = network.stack.probe(3, 7)
    expected = classifier(**network.stack.accepted(inputs)).logits
    if not torch.equal(network(**inputs).logits, expected):
        raise BackboneError(
            f"{classifier.config.model_type} cannot keep its own head: the head needs more than the last token states; "
            f"supported are {SUPPORTED}",
            value=classifier.config.model_type,
        )


def _cut(config: PreTrainedConfig, layers: int) -> None:
    """Shortens an encoder before it is loaded; the weights of the layers after it are then left where they are."""
    depth = getattr(config, "num_hidden_layers", None)
    if depth is None:
        return  # no encoder with layers: the check that follows says so
    check_cut(layers, depth)
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _check_whole(config: EarlyExitConfig, name: str) -> None:
    if config.feed_forward_widths is not None:
        raise BackboneError(
            f"the layers of {name!r} were made narrower, and its encoder is not trained anew; train with the model "
            "that it was made of, and compress what comes out",
            path=name,
        )


def _check_encoder(backbone: PreTrainedModel) -> None:
    if getattr(backbone.config, "num_hidden_layers", None) is None or backbone.config.is_encoder_decoder:
        raise BackboneError(
            f"{backbone.config.model_type} is no text encoder; supported are {SUPPORTED}",
            value=backbone.config.model_type,
        )


def _config_for(
    source: PreTrainedConfig, name: str, *, exits: Sequence[int] | str | None, labels: Sequence[str], **settings: Any
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
        **settings,
    )
    source._attn_implementation = attention  # the enclosing configuration has just reset it
    return config


def _with_exits(
    config: EarlyExitConfig, source: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_length: int | None
) -> LoadedModel:
    network = EarlyExitForSequenceClassification(config, source.eval()).eval()
    network.stack.check()
    tokenizer.model_max_length = token_limit(network.backbone, tokenizer, max_length)
    check_length(tokenizer, max_length)
    return LoadedModel(network, tokenizer)


def _sentence_pooling(name: str) -> str | None:
    """The pooling that a sentence-transformers folder declares."""
    path = file_of(name, "1_Pooling/config.json")
    if path is None:
        return None
    declared = read_json(path)
    # Older folders hold one switch a kind, newer ones a name.
    if declared.get("pooling_mode_mean_tokens") or declared.get("pooling_mode") == "mean":
        return "mean"
    if declared.get("pooling_mode_cls_token") or declared.get("pooling_mode") == "cls":
        return "cls"
    return None
