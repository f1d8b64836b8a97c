"""Any Hugging Face encoder as a stack of layers that can be run one at a time, on fewer and fewer rows.

No family is written out here. The encoder's own ``forward`` is run on a *frame*: a copy of its outer modules in which
every layer is replaced by a tap that does nothing but note how it was called. One run of the frame therefore gives the
embedded input and, for each layer, the very arguments that Hugging Face would have passed (masks, rotary angles,
relative positions). The layers are then called with them, as many as wanted.

Some of those arguments have a side for the rows of the batch and some for its length. Which, is learned once from
three tiny runs of different shapes; so a batch can be cut to the rows and the length still needed.
"""

import copy
import functools
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

SUPPORTED = (
    "BERT, RoBERTa, XLM-RoBERTa, ELECTRA, DistilBERT, ALBERT, MPNet, DeBERTa-v2/v3, ModernBERT "
    "and encoders that are built like them"
)
_TOLERANCE = 1e-4

_calls: ContextVar["list[_Call] | None"] = ContextVar("_calls", default=None)


@dataclass(frozen=True, slots=True)
class State:
    """A batch on its way through the layers.

    Attributes:
        hidden: token states, (rows, length, width).
        mask: 1 for a token and 0 for padding, (rows, length); None where nothing is padded.
        context: the layers' other arguments, each tensor once.
    """

    hidden: Tensor
    mask: Tensor | None
    context: tuple[Tensor | None, ...]


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of one layer: its position in the layer list and its arguments, flattened."""

    layer: int
    leaves: list[Any]
    form: TreeSpec


@dataclass(frozen=True, slots=True)
class _Slot:
    """One tensor among the layers' arguments: where it is found, and which of its sides are rows and length."""

    call: int
    leaf: int
    rows: int | None
    lengths: tuple[int, ...]
    shared: bool
    """All rows hold the same values, so one row serves them all."""
    padding_only: bool
    """The encoder passes it only where something is padded."""


@dataclass(frozen=True, slots=True)
class _Anatomy:
    """How an encoder calls its layers: the calls, and for each the slot (or None) of every argument."""

    calls: tuple[_Call, ...]
    slots: tuple[_Slot, ...]
    slot_of: tuple[tuple[int | None, ...], ...]


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
    """An encoder seen as ``embed``, then one ``layer`` after another, then ``normalise``.

    It holds the encoder's modules but does not own them: parameters stay where Hugging Face put them.

    Raises:
        BackboneError: the encoder has no list of layers.
    """

    def __init__(self, backbone: PreTrainedModel) -> None:
        self.backbone = backbone
        self.depth: int = backbone.config.num_hidden_layers
        self.width: int = backbone.config.hidden_size
        self._path, self._layers = _find_layers(backbone, self.depth)
        self._frame = _frame_of(backbone, self._path, self._layers)
        self._final_norm = getattr(backbone, "final_norm", None)
        self._accepts = frozenset(inspect.signature(backbone.forward).parameters)

    def __getstate__(self) -> dict[str, Any]:
        # A copy learns its anatomy anew: PyTorch warns where the forms of arguments are copied.
        return {name: value for name, value in vars(self).items() if name != "_anatomy"}

    def embed(self, inputs: Mapping[str, Tensor]) -> State:
        """Runs everything before the first layer.

        Args:
            inputs: ``input_ids`` (rows, length) and, where the encoder takes them, ``attention_mask``,
                ``token_type_ids`` and ``position_ids`` of the same shape. Leave ``attention_mask`` out where nothing
                is padded: attention is faster without one. What the encoder does not take is dropped.
        """
        anatomy = self._anatomy
        calls = self._record(inputs)
        context = []
        for slot in anatomy.slots:
            leaf = calls[slot.call].leaves[slot.leaf]
            if slot.shared and leaf is not None and slot.rows is not None:
                leaf = leaf.narrow(slot.rows, 0, 1)
            context.append(leaf)
        return State(calls[0].leaves[0], inputs.get("attention_mask"), tuple(context))

    def layer(self, state: State, index: int) -> State:
        """Runs one layer (0-based)."""
        call = self._anatomy.calls[index]
        slots = self._anatomy.slot_of[index]
        leaves = [leaf if slot is None else state.context[slot] for leaf, slot in zip(call.leaves, slots, strict=True)]
        leaves[0] = state.hidden
        args, kwargs = tree_unflatten(leaves, call.form)
        output = self._layers[call.layer](*args, **kwargs)
        return replace(state, hidden=output if isinstance(output, Tensor) else output[0])

    def normalise(self, hidden: Tensor) -> Tensor:
        """The encoder's last normalisation, for encoders that have one after their last layer."""
        return hidden if self._final_norm is None else self._final_norm(hidden)

    def keep(self, state: State, rows: Tensor | None, length: int, padded: bool) -> State:
        """Cuts a batch down to some of its rows and to its first ``length`` tokens.

        Args:
            rows: positions of the rows to keep, (kept,) int64; None keeps all.
            length: tokens to keep; everything after must be padding in all kept rows.
            padded: whether padding is left within ``length``; if not, the mask is dropped.
        """
        context = tuple(
            None if tensor is None or (slot.padding_only and not padded) else _cut(tensor, slot, rows, length)
            for slot, tensor in zip(self._anatomy.slots, state.context, strict=True)
        )
        mask = state.mask[:, :length] if padded and state.mask is not None else None
        hidden = state.hidden[:, :length]
        if rows is not None:
            hidden = hidden.index_select(0, rows)
            mask = None if mask is None else mask.index_select(0, rows)
        return State(hidden, mask, context)

    @torch.no_grad()
    def check(self) -> None:
        """Compares a tiny batch with the encoder's own forward: whole, and with only its last row kept halfway.

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
        inputs = self._probe(3, 7)
        lengths = inputs["attention_mask"].sum(1)
        expected = self.backbone(**self._accepted(inputs))[0]  # the first, whether it answers with a tuple or not
        whole = cut = self.embed(inputs)
        for index in range(self.depth):
            if index == self.depth // 2:
                cut = self.keep(cut, torch.tensor([2], device=lengths.device), int(lengths[2]), padded=False)
            whole, cut = self.layer(whole, index), self.layer(cut, index)
        deviations = (
            (self.normalise(whole.hidden) - expected)[inputs["attention_mask"].bool()],
            self.normalise(cut.hidden)[0] - expected[2, : lengths[2]],
        )
        largest = torch.stack([deviation.abs().max() for deviation in deviations]).max()
        return float(largest / expected.abs().max().clamp(min=1))

    def _accepted(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in inputs.items() if name in self._accepts}

    def _record(self, inputs: Mapping[str, Tensor]) -> list[_Call]:
        calls: list[_Call] = []
        token = _calls.set(calls)
        try:
            self._frame(**self._accepted(inputs))
        finally:
            _calls.reset(token)
        return calls

    @functools.cached_property
    def _anatomy(self) -> _Anatomy:
        # The runs below may draw random numbers (dropout); a training run must not depend on whether they happened.
        with torch.no_grad(), torch.random.fork_rng():
            self._learn_returns()
            padded, larger = self._record(self._probe(2, 5)), self._record(self._probe(3, 7))
            unpadded = self._record({"input_ids": self._probe(1, self._long)["input_ids"]})
        if len(padded) != self.depth:
            raise BackboneError(
                f"{self.backbone.config.model_type} calls {len(padded)} layers where its configuration says "
                f"{self.depth}; supported are {SUPPORTED}"
            )
        slots: list[_Slot] = []
        slot_of: list[tuple[int | None, ...]] = []
        known: dict[int, int] = {}
        for number, call in enumerate(padded):
            found: list[int | None] = [None]
            for leaf in range(1, len(call.leaves)):
                tensor = call.leaves[leaf]
                if not isinstance(tensor, Tensor):
                    found.append(None)
                    continue
                if id(tensor) not in known:
                    known[id(tensor)] = len(slots)
                    other = unpadded[number].leaves[leaf]
                    slots.append(_examine(number, leaf, tensor, larger[number].leaves[leaf], other is None))
                found.append(known[id(tensor)])
            slot_of.append(tuple(found))
        # The calls are kept for their form only: their tensors would pin the probes' memory.
        calls = tuple(
            replace(call, leaves=[None if isinstance(leaf, Tensor) else leaf for leaf in call.leaves])
            for call in padded
        )
        return _Anatomy(calls, tuple(slots), tuple(slot_of))

    @property
    def _long(self) -> int:
        """A length beyond the usual sliding windows: only there does an encoder show that it masks without padding."""
        positions = getattr(self.backbone.config, "max_position_embeddings", None) or 512
        return int(min(512, max(8, positions - 4)))

    def _learn_returns(self) -> None:
        """Runs the whole encoder once to see what its layers return."""
        taps = self._frame.get_submodule(self._path)

        def note(layer: nn.Module, _: Any, output: Any) -> None:
            for tap in taps.children():
                if isinstance(tap, _Tap) and tap._layer[0] is layer:
                    tap.returns = None if isinstance(output, Tensor) else len(output)

        hooks = [layer.register_forward_hook(note) for layer in self._layers]
        try:
            self.backbone(**self._accepted(self._probe(2, 5)))
        finally:
            for hook in hooks:
                hook.remove()

    def _probe(self, rows: int, length: int) -> dict[str, Tensor]:
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
    frame = _shallow(backbone)
    if "pooler" in frame._modules:
        frame._modules["pooler"] = None
    holder = frame
    *outer, last = path.split(".")
    for name in outer:
        inner = _shallow(holder._modules[name])
        holder._modules[name] = inner
        holder = inner
    holder._modules[last] = taps
    return frame


def _shallow(module: nn.Module | None) -> nn.Module:
    assert module is not None
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin


def _examine(call: int, leaf: int, small: Tensor, large: Tensor, padding_only: bool) -> _Slot:
    """Tells the sides of an argument apart by how they grow from the (2, 5) to the (3, 7) probe."""
    sides = list(zip(small.shape, large.shape, strict=True))
    rows = next((side for side, sizes in enumerate(sides) if sizes == (2, 3)), None)
    lengths = tuple(side for side, sizes in enumerate(sides) if sizes == (5, 7))
    shared = rows is not None and bool((large == large.narrow(rows, 0, 1)).all())
    return _Slot(call, leaf, rows, lengths, shared, padding_only)


def _cut(tensor: Tensor, slot: _Slot, rows: Tensor | None, length: int) -> Tensor:
    for side in slot.lengths:
        tensor = tensor.narrow(side, 0, length)
    if rows is not None and slot.rows is not None and not slot.shared:
        tensor = tensor.index_select(slot.rows, rows)
    return tensor
