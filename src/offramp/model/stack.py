"""Any Hugging Face encoder as a stack of layers that can be run one at a time, on fewer and fewer rows.

No family is written out here. The encoder's own ``forward`` is run on a *frame*: a copy of its outer modules in which
every layer is replaced by a tap that does nothing but note how it was called. One run of the frame therefore gives the
embedded input and, for each layer, the very arguments that Hugging Face would have passed (masks, rotary angles,
relative positions). The layers are then called with them, as many as wanted.

Of a batch, these arguments depend on its mask and its length only, not on its texts. So rows can leave in between, and
others can join: for those that go on together the arguments are simply asked for again.
"""

import copy
import inspect
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten
from transformers import PreTrainedModel

from offramp.errors import BackboneError
from offramp.model.finding import SUPPORTED

_TOLERANCE = 1e-4

_calls: ContextVar["list[_Call] | None"] = ContextVar("_calls", default=None)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of one layer: its position in the layer list and its arguments, flattened."""

    layer: int
    leaves: list[Any]
    form: TreeSpec


@dataclass(frozen=True, slots=True)
class LayersState:
    """A batch on its way through the layers.

    Attributes:
        hidden: token states, (rows, length, width).
        mask: 1 for a token and 0 for padding, (rows, length); None where nothing is padded.
        calls: the arguments with which the encoder calls its layers on such a batch.
    """

    hidden: Tensor
    mask: Tensor | None
    calls: tuple[_Call, ...]


class _Tap(nn.Module):
    """Stands in a layer's place, notes the call and returns the hidden state as it came."""

    def __init__(self, layer: nn.Module, position: int) -> None:
        super().__init__()
        self._layer = (layer,)  # in a tuple, so that it is not registered as a child
        self._position = position
        self.returns: int | None = None
        """How many values the layer returns; None for a bare tensor. Encoders unpack what they expect."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            # Some encoders read an attribute of a layer (its kind of attention) before they call it.
            return getattr(self._layer[0], name)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor | None, ...]:
        leaves, form = tree_flatten((args, kwargs))
        calls = _calls.get()
        if calls is not None:
            calls.append(_Call(self._position, leaves, form))
        hidden: Tensor = leaves[0]
        return hidden if self.returns is None else (hidden, *[None] * (self.returns - 1))


class LayerStack:
    """An encoder seen as ``embed``, then one ``layer`` after another, then ``normalize``.

    It holds the encoder's modules but does not own them: parameters stay where Hugging Face put them.

    Raises:
        BackboneError: the encoder has no list of layers.
    """

    def __init__(self, backbone: PreTrainedModel) -> None:
        self.backbone = backbone
        self.depth: int = backbone.config.num_hidden_layers
        self.width: int = backbone.config.hidden_size
        self._path, self.layers = _find_layers(backbone, self.depth)
        self._frame = _frame_of(backbone, self._path, self.layers)
        self._final_norm = getattr(backbone, "final_norm", None)
        self._learnt = False
        self._accepts = set(inspect.signature(backbone.forward).parameters)
        if getattr(backbone.config, "type_vocab_size", 2) < 2:
            # RoBERTa and its kin take them and know one kind only, while some tokenizers number the texts of a pair.
            self._accepts.discard("token_type_ids")

    @property
    def tied(self) -> bool:
        """Whether some layers are the same parameters, as all of ALBERT's are."""
        return len({id(next(layer.parameters())) for layer in self.layers}) < self.depth

    def embed(self, inputs: Mapping[str, Tensor]) -> LayersState:
        """Runs everything before the first layer.

        Args:
            inputs: ``input_ids`` (rows, length) and, where the encoder takes them, ``attention_mask``,
                ``token_type_ids`` and ``position_ids`` of the same shape. Leave ``attention_mask`` out where nothing
                is padded: attention is faster without one. What the encoder does not take is dropped.
        """
        calls = self._record(inputs)
        return LayersState(calls[0].leaves[0], inputs.get("attention_mask"), calls)

    def resume(self, hidden: Tensor, mask: Tensor | None) -> LayersState:
        """Takes up rows that have run some layers, perhaps in another company: only mask and length matter to layers.

        Args:
            hidden: token states, (rows, length, width).
            mask: 1 for a token and 0 for padding, (rows, length); None where nothing is padded.
        """
        rows, length = hidden.shape[:2]
        # Without a mask the arguments are the same for all rows, so those of one row serve them all.
        ids = torch.zeros((1 if mask is None else rows, length), dtype=torch.long, device=hidden.device)
        inputs = {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
        return LayersState(hidden, mask, self._record(inputs))

    def layer(self, state: LayersState, index: int) -> LayersState:
        """Runs one layer (0-based)."""
        call = state.calls[index]
        args, kwargs = tree_unflatten([state.hidden, *call.leaves[1:]], call.form)
        output = self.layers[call.layer](*args, **kwargs)
        return replace(state, hidden=output if isinstance(output, Tensor) else output[0])

    def normalize(self, hidden: Tensor) -> Tensor:
        """The encoder's last normalization, for encoders that have one after their last layer."""
        return hidden if self._final_norm is None else self._final_norm(hidden)

    @torch.no_grad()
    def check(self) -> None:
        """Compares a tiny batch with the encoder's own forward: whole, and with its rows taken up again halfway.

        Raises:
            BackboneError: the encoder does something between or after its layers that a stack of layers cannot do, or
                a row's answer depends on how far it is padded.
        """
        kind = self.backbone.config.model_type
        try:
            difference = self._difference()
        except BackboneError:
            raise
        except Exception as error:  # an encoder of an unknown build can fail in any way
            raise BackboneError(
                f"{kind} cannot take exits: it cannot be run layer by layer ({type(error).__name__}); "
                f"supported are {SUPPORTED}"
            ) from error
        if not difference <= _TOLERANCE:
            raise BackboneError(
                f"{kind} cannot take exits: run layer by layer on fewer and fewer rows it differs from the whole "
                f"encoder by {difference:.2g} (at most {_TOLERANCE:g} is allowed); supported are {SUPPORTED}"
            )

    def _difference(self) -> float:
        """Largest deviation, as a share of the largest value."""
        inputs = self.probe(3, 7)
        mask, shortest = inputs["attention_mask"], int(inputs["attention_mask"].sum(1)[2])
        expected = self.backbone(**self.accepted(inputs))[0]  # the first, whether it answers with a tuple or not
        whole = padded = alone = self.embed(inputs)
        for index in range(self.depth):
            if index == self.depth // 2:
                padded = self.resume(whole.hidden[1:, :6], mask[1:, :6])
                alone = self.resume(whole.hidden[[2, 2], :shortest], None)
            whole, padded, alone = (self.layer(state, index) for state in (whole, padded, alone))
        deviations = (
            (self.normalize(whole.hidden) - expected)[mask.bool()],
            (self.normalize(padded.hidden) - expected[1:, :6])[mask[1:, :6].bool()],
            (self.normalize(alone.hidden) - expected[[2, 2], :shortest]).flatten(0, 1),
        )
        largest = torch.stack([deviation.abs().max() for deviation in deviations]).max()
        return float(largest / expected.abs().max().clamp(min=1))

    def accepted(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Those of the inputs that the encoder takes."""
        return {name: tensor for name, tensor in inputs.items() if name in self._accepts}

    def _record(self, inputs: Mapping[str, Tensor]) -> tuple[_Call, ...]:
        if not self._learnt:
            # These runs may draw random numbers (dropout); a training run must not depend on whether they happened.
            with torch.no_grad(), torch.random.fork_rng():
                self._learn_returns()
            self._learnt = True
        calls: list[_Call] = []
        token = _calls.set(calls)
        try:
            self._frame(**self.accepted(inputs))
        finally:
            _calls.reset(token)
        if len(calls) != self.depth:
            raise BackboneError(
                f"{self.backbone.config.model_type} calls {len(calls)} layers where its configuration says "
                f"{self.depth}; supported are {SUPPORTED}"
            )
        return tuple(calls)

    def _learn_returns(self) -> None:
        """Runs the whole encoder once to see what its layers return."""
        taps = self._frame.get_submodule(self._path)

        def note(layer: nn.Module, _: Any, output: Any) -> None:
            for tap in taps.children():
                if isinstance(tap, _Tap) and tap._layer[0] is layer:
                    tap.returns = None if isinstance(output, Tensor) else len(output)

        hooks = [layer.register_forward_hook(note) for layer in self.layers]
        try:
            self.backbone(**self.accepted(self.probe(2, 5)))
        finally:
            for hook in hooks:
                hook.remove()

    def probe(self, rows: int, length: int) -> dict[str, Tensor]:
        """A tiny batch in which every row but the first is padded, each by another amount."""
        device = self.backbone.get_input_embeddings().weight.device
        padding = self.backbone.config.pad_token_id or 0
        token = 5 if padding != 5 else 6
        ids = torch.full((rows, length), token, device=device)
        mask = torch.ones_like(ids)
        for row in range(rows):
            ids[row, length - row :] = padding
            mask[row, length - row :] = 0
        return {"input_ids": ids, "attention_mask": mask}


def _find_layers(backbone: nn.Module, depth: int) -> tuple[str, nn.ModuleList]:
    """The outermost list of layers; where there are several, the one as long as the encoder is deep."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in backbone.named_modules():
        inside = any(name.startswith(outer + ".") for outer in lists)
        if isinstance(module, nn.ModuleList) and not inside:
            lists[name] = module
    if len(lists) > 1:
        lists = {name: module for name, module in lists.items() if len(module) == depth}
    if len(lists) != 1:
        kind = backbone.config.model_type  # type: ignore[union-attr]
        raise BackboneError(f"{kind} cannot take exits: it has no single list of layers; supported are {SUPPORTED}")
    return next(iter(lists.items()))


def _frame_of(backbone: nn.Module, path: str, layers: nn.ModuleList) -> nn.Module:
    """The encoder with taps for layers and without its pooler. Parameters are shared, not copied."""
    taps = nn.ModuleList(_Tap(layer, position) for position, layer in enumerate(layers))
    frame = shallow(backbone)
    if "pooler" in frame._modules:
        frame._modules["pooler"] = None
    holder = frame
    *outer, last = path.split(".")
    for name in outer:
        inner = shallow(holder._modules[name])
        holder._modules[name] = inner
        holder = inner
    holder._modules[last] = taps
    return frame


def shallow(module: nn.Module | None) -> nn.Module:
    """A copy that shares everything with the module but the list of its children."""
    assert module is not None
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin
