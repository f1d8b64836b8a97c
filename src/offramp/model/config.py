"""What a multi-exit network is made of; saved as ``config.json``."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from offramp.errors import ModelFolderError, OptionError, is_count
from offramp.model.exits import resolve_exits
from offramp.model.folder import CHAIN_TYPE, MODEL_TYPE
from offramp.model.labels import PROBLEM_TYPES, label_flaw
from offramp.model.windows import ReadOn

POOLINGS = ("pooler", "cls", "mean")
HEADS = ("linear", "mlp")


class EarlyExitConfig(PreTrainedConfig):
    """Configuration of :class:`~offramp.model.network.EarlyExitForSequenceClassification`.

    Args:
        backbone_config: the encoder's own configuration (or its dict, with ``model_type``).
        exits: number of layers run before each exit, ascending, 1-based; the last is the encoder's depth.
        pooling: how a layer's token states become one vector: ``pooler`` (the encoder's own dense + tanh on the first
            token), ``cls`` (first token) or ``mean`` (over tokens).
        head: ``linear`` (the paper's) or ``mlp``, with a hidden layer.
        head_dropout: dropout before each exit's linear layer.
        own_head: whether the last exit is the head of a classifier that was fine-tuned before it got exits; the
            ``backbone_config`` is then that classifier's.
        text_pair: whether the model was trained on pairs of texts.
        read_on: how the engine reads long texts window by window, the fields of a
            :class:`~offramp.model.windows.ReadOn`; None where it cuts them, as the network by itself always does.
        feed_forward_widths: neurons of the feed-forward block of each layer, (layers,), where some were taken out; None
            where all are there.
        experts: of how many such blocks in each layer every token runs through one; None where each layer has one.
        **kwargs: the usual ones, such as ``id2label``, ``label2id`` and ``problem_type``.

    Raises:
        OptionError: the exits do not fit the encoder, or a value is not known.
    """

    model_type = MODEL_TYPE
    sub_configs = {"backbone_config": AutoConfig}  # noqa: RUF012
    # The last exit's logits stand twice in the output, once for everybody who expects a plain classifier.
    keys_to_ignore_at_inference = ["logits"]  # noqa: RUF012

    def __init__(
        self,
        backbone_config: PreTrainedConfig | dict[str, Any] | None = None,
        exits: Sequence[int] = (),
        pooling: str = "cls",
        head: str = "linear",
        head_dropout: float = 0.1,
        own_head: bool = False,
        text_pair: bool = False,
        read_on: dict[str, Any] | None = None,
        feed_forward_widths: Sequence[int] | None = None,
        experts: int | None = None,
        **kwargs: Any,
    ) -> None:
        # transformers builds a configuration without arguments to compare with, so there is a default.
        own = backbone_config or {"model_type": "bert"}
        self.backbone_config = CONFIG_MAPPING[own["model_type"]](**own) if isinstance(own, dict) else own
        self.exits = list(resolve_exits(exits or None, self.backbone_config.num_hidden_layers))
        if pooling not in POOLINGS:
            raise OptionError(
                f"pooling {pooling!r} is not known; valid: {', '.join(POOLINGS)}", option="pooling", value=pooling
            )
        if head not in HEADS:
            raise OptionError(f"head {head!r} is not known; valid: {', '.join(HEADS)}", option="head", value=head)
        self.pooling = pooling
        self.head = head
        self.head_dropout = head_dropout
        self.own_head = own_head
        self.text_pair = text_pair
        self.read_on = None if read_on is None else asdict(ReadOn(**read_on))
        self.feed_forward_widths = _checked_widths(feed_forward_widths, self.backbone_config.num_hidden_layers)
        self.experts = _checked_experts(experts, self.feed_forward_widths)
        super().__init__(**kwargs)
        if self.problem_type not in (None, *PROBLEM_TYPES):
            raise OptionError(
                f"problem_type {self.problem_type!r} is not known; valid: {', '.join(PROBLEM_TYPES)}",
                option="problem_type",
                value=self.problem_type,
            )
        if set(self.id2label) != set(range(len(self.id2label))):
            raise OptionError(
                f"id2label has the keys {sorted(self.id2label)}; they must count from 0",
                option="id2label",
                value=self.id2label,
            )
        if flaw := label_flaw(self.labels):
            raise OptionError(
                f"{flaw} under id2label; give each a name of its own", option="id2label", value=self.id2label
            )

    @property
    def reading(self) -> ReadOn | None:
        """How long texts are read window by window; None where they are cut."""
        return None if self.read_on is None else ReadOn(**self.read_on)

    @property
    def all_exits(self) -> list[int]:
        """Number of layers run before each exit in its window, (exits,): the exits once more for each window."""
        return self.exits * (1 if self.reading is None else self.reading.windows)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return tuple(self.id2label[index] for index in range(len(self.id2label)))


def _checked_widths(widths: Sequence[int] | None, depth: int) -> list[int] | None:
    """One number of neurons for each layer, or None."""
    if widths is None:
        return None
    if len(widths) != depth or not all(isinstance(width, int) and width > 0 for width in widths):
        raise OptionError(
            f"feed_forward_widths is {widths}; give one number above 0 for each of the {depth} layers",
            option="feed_forward_widths",
            value=widths,
        )
    return list(widths)


def _checked_experts(experts: int | None, widths: list[int] | None) -> int | None:
    """A number of blocks whose width is told, or None."""
    if experts is not None and (not is_count(experts) or experts < 2 or widths is None):
        raise OptionError(
            f"experts is {experts!r}; give a whole number from 2 up, and with it feed_forward_widths",
            option="experts",
            value=experts,
        )
    return experts


class ChainConfig(PreTrainedConfig):
    """A chain's ``config.json`` as ``transformers`` reads it, which knows its models, but not the chain."""

    model_type = CHAIN_TYPE

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Self:
        """Refuses.

        Raises:
            ModelFolderError: always.
        """
        models = ", ".join(map(str, config_dict.get("models", ()))) or "named in chain.json"
        raise ModelFolderError(
            "this is a chain of several models, which transformers does not read; load it with offramp.load, or one of "
            f"the models in its folder: {models}"
        )


AutoConfig.register(MODEL_TYPE, EarlyExitConfig)
AutoConfig.register(CHAIN_TYPE, ChainConfig)
