"""What texts pass, one after the other: stages that read raw texts, and encoders cut into stages at their exits.

An exit need not come after layers. Anything that says what the answer is, at a known cost, is one; what lies between
two exits is a stage. Members of a cascade differ in what they read, and nothing outside of them asks what that is.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from offramp.backends import Engine
from offramp.calibration import Problem
from offramp.engine.batching import batches
from offramp.engine.stages import StageOutput, Stages, State
from offramp.engine.text_stages import TextMember
from offramp.errors import OptionError
from offramp.exit_names import layer_name, names_in_chain
from offramp.model import EarlyExitConfig
from offramp.model.encoding import Encoded, encode, joined
from offramp.model.padding import Batch, batch_of, padding_id_of
from offramp.policy import ExitRule


class Encoder:
    """An encoder with its tokenizer, cut into stages at its exits, as a member of a cascade.

    Args:
        stages: the network, in a backend.
        tokenizer: its ``model_max_length`` is the token limit.
        config: of the network.
        order: which of the network's labels each logit is given for, (labels,); None for all as the network has them.

    Attributes:
        layers: number of layers run before each of its exits.
    """

    def __init__(
        self,
        stages: Stages,
        tokenizer: PreTrainedTokenizerBase,
        config: EarlyExitConfig,
        order: NDArray[np.int64] | None = None,
    ) -> None:
        self.stages = stages
        self.tokenizer = tokenizer
        self.config = config
        self._order = order
        # Looking something up in a tokenizer costs as much as a step of the loop.
        self.padding_id = padding_id_of(tokenizer)
        self.layers = stages.layers

    @property
    def names(self) -> tuple[str, ...]:
        """What its exits are called."""
        return tuple(map(layer_name, self.layers))

    @property
    def longest(self) -> int:
        """Tokens of a text that are read at most."""
        return int(self.tokenizer.model_max_length)

    def ordered(self, order: NDArray[np.int64]) -> "Encoder":
        """The same encoder with its labels in another order, (labels,)."""
        return Encoder(self.stages, self.tokenizer, self.config, order if self._order is None else self._order[order])

    def fingerprint(self) -> str:
        """Names the weights, how they are computed with, how much is read, and the labels."""
        config = json.loads(self.config.to_json_string())
        del config["transformers_version"]
        order = None if self._order is None else self._order.tolist()
        settings = json.dumps([config, self.tokenizer.model_max_length, order], sort_keys=True)
        return f"{settings} {self.stages.fingerprint()}"

    def read(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Encoded:
        """Tokenizes texts."""
        return encode(self.tokenizer, texts, text_pairs)

    def joined(self, parts: Sequence[Encoded]) -> Encoded:
        """The rows of all readings, one after the other."""
        return joined(*parts)

    def batches(self, read: Encoded, token_budget: int) -> Iterator[Batch]:
        """Length-sorted batches under the token budget."""
        return batches(
            read,
            token_budget,
            self.padding_id,
            length_step=self.stages.length_step,
            longest=self.tokenizer.model_max_length,
        )

    def batch(self, parts: Sequence[tuple[Encoded, int]], length: int) -> Batch:
        """Rows from several readings, each named by its reading and its place there, padded to a length."""
        types = [read.token_type_ids[row] for read, row in parts if read.token_type_ids is not None]
        rows = Encoded(
            [read.input_ids[row] for read, row in parts],
            types or None,
            np.array([read.lengths[row] for read, row in parts], np.int64),
            np.zeros(len(parts), np.bool_),
        )
        return batch_of(rows, np.arange(len(rows)), self.padding_id, length)

    def blank(self, rows: int, length: int, *, pairs: bool) -> Batch:
        """Rows of some length, in tokens, that mean nothing."""
        ids = np.full((rows, length), self.padding_id, np.int64)
        return Batch(np.arange(rows), np.full(rows, length), ids, np.zeros_like(ids) if pairs else None)

    def run(self, stage: int, state: State, lengths: NDArray[np.int64]) -> StageOutput:
        """Runs a stage and its exit."""
        output = self.stages.later(stage, state, lengths) if stage else self.stages.first(state)
        return output if self._order is None else output.ordered(self._order)


Member: TypeAlias = TextMember | Encoder
"""A part of a cascade that reads texts in its own way and has one exit or several."""

Place: TypeAlias = tuple[int, int]
"""Which member of a cascade an exit belongs to, and which of its stages ends there."""


@dataclass(frozen=True)
class Cascade:
    """Members that texts pass one after the other until they leave at an exit; the last is an encoder.

    Exits are counted through all members. What a member has worked out is of no use to the next, which reads the texts
    anew; what exits have answered is known to the rules at all later ones.

    Attributes:
        members: in the order in which texts pass them.
        problem: one label or a set of labels.
        temperatures: one for each exit.
        labels: label names in the order of the logits.

    Raises:
        OptionError: the last member is no encoder, there are not as many temperatures as exits, or two exits have one
            name.
    """

    members: tuple[Member, ...]
    problem: Problem
    temperatures: tuple[float, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.members or not isinstance(self.members[-1], Encoder):
            raise OptionError("the last member of a cascade has to be an encoder: its last exit is full depth")
        if len(self.places) != len(self.temperatures):
            raise OptionError(f"there are {len(self.temperatures)} temperatures for {len(self.places)} exits")
        if twice := next((name for name, times in Counter(self.names).items() if times > 1), None):
            raise OptionError(f"two exits are called {twice!r}; give each stage a name of its own")

    @property
    def last(self) -> Encoder:
        """The member whose last exit is full depth."""
        assert isinstance(self.members[-1], Encoder)
        return self.members[-1]

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each exit is."""
        members = enumerate(self.members)
        return tuple((number, stage) for number, member in members for stage in range(len(member.layers)))

    @cached_property
    def first_exits(self) -> tuple[int, ...]:
        """The index of each member's first exit."""
        return tuple(exit_index for exit_index, (_, stage) in enumerate(self.places) if stage == 0)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit, those of the members before included."""
        before, layers = 0, []
        for member in self.members:
            layers += [before + own for own in member.layers]
            before = layers[-1]
        return tuple(layers)

    @cached_property
    def own_layers(self) -> tuple[int, ...]:
        """Number of layers run before each exit of the exit's own member alone, as in a network that ends there."""
        return tuple(layers for member in self.members for layers in member.layers)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each exit is called; no two alike. In a chain exits after layers name their model, by its number."""
        models: list[list[str]] = [[]]
        for member in self.members:
            models[-1] += member.names
            if isinstance(member, Encoder) and member is not self.last:
                models.append([])
        return names_in_chain(models)

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """The encoders among its members; several in a chain of models."""
        return tuple(member for member in self.members if isinstance(member, Encoder))

    @property
    def engine(self) -> Engine:
        """What its encoders run in."""
        return Engine.of_chain([encoder.stages.engine for encoder in self.encoders])

    @property
    def backbone(self) -> str:
        """Of what families its encoders are."""
        return " then ".join(encoder.config.backbone_config.model_type for encoder in self.encoders)

    def full_depth(self, exit_index: int) -> bool:
        """Whether an exit is the last."""
        return exit_index == len(self.places) - 1

    def matters(self, member: int, rule: ExitRule) -> bool:
        """Whether texts have to pass a member, as it is the last or a rule asks one of its exits."""
        exits = (exit_index for exit_index, place in enumerate(self.places) if place[0] == member)
        return member == len(self.members) - 1 or any(rule.asks(exit_index) for exit_index in exits)

    def fingerprint(self) -> str:
        """Names all that the answers depend on, but for the temperatures and the words of the tokenizers."""
        return "\n".join(member.fingerprint() for member in self.members)
