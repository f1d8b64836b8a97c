"""The multi-exit network: an encoder, and a classifier after several of its layers."""

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from offramp.model.config import EarlyExitConfig
from offramp.model.flow import GradientFlow, logits_of_all_exits
from offramp.model.heads import MLP_WIDTH, ExitHead, OwnHead, Pooling
from offramp.model.losses import joint_loss
from offramp.model.output import EarlyExitOutput
from offramp.model.stack import LayersState, LayerStack
from offramp.model.widths import narrow


class EarlyExitForSequenceClassification(PreTrainedModel):
    """A Hugging Face sequence classifier with exits.

    As a whole (``forward``) it computes every exit, for training. Stage by stage (``stack``, ``run_layers``,
    ``exit_logits``) it lets the engine stop in between.
    """

    config: EarlyExitConfig
    config_class = EarlyExitConfig
    base_model_prefix = "backbone"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: EarlyExitConfig, source: PreTrainedModel | None = None) -> None:
        """Puts exits on an encoder, or with ``config.own_head`` on a whole classifier; without one it is random."""
        super().__init__(config)
        auto = AutoModelForSequenceClassification if config.own_head else AutoModel
        source = source or auto.from_config(config.backbone_config, trust_remote_code=False)
        self.backbone = source.base_model
        self.pooling = Pooling(config.pooling, self.backbone)
        if config.pooling != "pooler" and not config.own_head and hasattr(self.backbone, "pooler"):
            self.backbone.pooler = None  # unused parameters would stop distributed training
        self.stack = LayerStack(self.backbone)
        narrow(self.stack, config.feed_forward_widths, config.experts)
        last = OwnHead(source) if config.own_head else self._untrained_head(config.exits[-1])
        self.heads = self._untrained_heads_before(last)
        self.post_init()

    def _untrained_head(self, layers: int) -> ExitHead:
        config = self.config
        hidden = MLP_WIDTH if config.head == "mlp" else 0
        return ExitHead(layers, self.stack.width, config.num_labels, config.head_dropout, hidden)

    def _untrained_heads_before(self, last: nn.Module) -> nn.ModuleList:
        return nn.ModuleList([*map(self._untrained_head, self.config.exits[:-1]), last])

    def replace_exits(self, config: EarlyExitConfig) -> None:
        """Puts untrained exits in the place of all but the last, which stays as it is, and so do its logits.

        Args:
            config: of the network as it will be; with the same encoder.

        Raises:
            BackboneError: the encoder has no pooler.
        """
        self.config = config
        self.pooling = Pooling(config.pooling, self.backbone)
        self.heads = self._untrained_heads_before(self.heads[-1])

    @property
    def stages(self) -> tuple[range, ...]:
        """For each exit the layers (0-based) that run between the exit before and this one."""
        ends = self.config.exits
        return tuple(range(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True))

    def run_layers(self, state: LayersState, history: Tensor | None, layers: range) -> tuple[LayersState, Tensor]:
        """Runs some layers and appends their pooled states to the history.

        Args:
            history: pooled states of the layers before, (rows, layers so far, width); None before the first.
        """
        pooled = []
        for index in layers:
            state = self.stack.layer(state, index)
            pooled.append(self._pooled(state))
        states = torch.stack(pooled, 1)
        return state, states if history is None else torch.cat([history, states], 1)

    def _pooled(self, state: LayersState) -> Tensor:
        if self.pooling.kind == "mean":
            return self.pooling.gather(self.stack.normalize(state.hidden), state.mask)
        # Normalization works token by token, so one token a row is enough where only that one is looked at.
        return self.pooling.transform(self.stack.normalize(self.pooling.gather(state.hidden, None)))

    def exit_logits(self, state: LayersState, history: Tensor, exit_index: int) -> Tensor:
        """Logits (rows, labels) of one exit, from what :meth:`run_layers` gave for the layers up to it."""
        head = self.heads[exit_index]
        if isinstance(head, OwnHead):
            return head(self.stack.normalize(state.hidden), state.mask)
        return head(history)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool = True,
        flow: GradientFlow | None = None,
    ) -> EarlyExitOutput | tuple[Tensor, ...]:
        """Runs the whole network with every exit.

        Args:
            input_ids: (rows, length); so are ``attention_mask``, ``token_type_ids`` and ``position_ids``.
            labels: class indices (rows,), or 0/1 (rows, labels) for multi-label models.
            flow: how gradients flow back; by default every exit's reaches all layers before it.
        """
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
        }
        state = self.stack.embed({name: tensor for name, tensor in given.items() if tensor is not None})
        logits = logits_of_all_exits(self, state, flow or GradientFlow.full(len(self.stages)))
        exit_logits = torch.stack(logits, 1)
        loss = None if labels is None else joint_loss(exit_logits, labels, self.problem_type)
        output = EarlyExitOutput(loss=loss, logits=logits[-1], exit_logits=exit_logits)
        return output if return_dict else output.to_tuple()

    @property
    def problem_type(self) -> str:
        """``single_label_classification`` unless the configuration says otherwise."""
        return self.config.problem_type or "single_label_classification"

    def get_input_embeddings(self) -> nn.Module:
        """The encoder's token embeddings."""
        return self.backbone.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the encoder's token embeddings."""
        self.backbone.set_input_embeddings(value)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, ExitHead):
            module.reset_parameters()


AutoModelForSequenceClassification.register(EarlyExitConfig, EarlyExitForSequenceClassification)
