"""An encoder, cut into stages at its exits, as a member of a cascade: how it reads texts and batches them.

Where long texts are read window by window, each window is a member of its own: the same stages, on other tokens.
"""

import json
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from offramp.engine.batching import batches
from offramp.engine.stages import StageOutput, Stages, State
from offramp.exit_names import in_window, layer_name
from offramp.model import EarlyExitConfig
from offramp.model.encoding import Encoded, encode, joined
from offramp.model.padding import Batch, batch_of, padding_id_of
from offramp.model.windows import ReadOn


class Encoder:
    """An encoder with its tokenizer, cut into stages at its exits, as a member of a cascade.

    Args:
        stages: the network, in a backend.
        tokenizer: its ``model_max_length`` is the token limit.
        config: of the network.
        order: which of the network's labels each logit is given for, (labels,); None for all as the network has them.
        window: which window of long texts it reads, from 1, where ``config`` says that they are read so.

    Attributes:
        layers: number of layers run before each of its exits.
    """

    def __init__(
        self,
        stages: Stages,
        tokenizer: PreTrainedTokenizerBase,
        config: EarlyExitConfig,
        order: NDArray[np.int64] | None = None,
        window: int = 1,
    ) -> None:
        self.read_on = config.reading
        self.window = window
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
        names = map(layer_name, self.layers)
        return tuple(names if self.read_on is None else (in_window(name, self.window) for name in names))

    @property
    def longest(self) -> int:
        """Tokens of a text that are read at once."""
        return int(self.tokenizer.model_max_length)

    @property
    def most_tokens(self) -> int:
        """Tokens of a text that are read at most, in all windows."""
        if self.read_on is None:
            return self.longest
        added = self.longest - self.tokenizer.num_special_tokens_to_add(pair=False) - self.read_on.overlap
        return self.longest + (self.read_on.windows - 1) * added

    def reading(self, read_on: ReadOn | None) -> "Encoder":
        """The same encoder that reads long texts in another way."""
        config = copy(self.config)
        config.read_on = None if read_on is None else asdict(read_on)
        return Encoder(self.stages, self.tokenizer, config, self._order)

    def windows(self) -> tuple["Encoder", ...]:
        """A member for each window of long texts, this one first; itself alone where they are cut.

        Raises:
            OptionError: it cannot read them so.
        """
        if self.read_on is None:
            return (self,)
        self.read_on.check(self.tokenizer, pairs=self.config.text_pair)
        further = range(self.window + 1, self.read_on.windows + 1)
        return (self, *(Encoder(self.stages, self.tokenizer, self.config, self._order, window) for window in further))

    def ordered(self, order: NDArray[np.int64]) -> "Encoder":
        """The same encoder with its labels in another order, (labels,)."""
        chosen = order if self._order is None else self._order[order]
        return Encoder(self.stages, self.tokenizer, self.config, chosen, self.window)

    def fingerprint(self) -> str:
        """Names the weights, how they are computed with, how much is read, and the labels."""
        config = json.loads(self.config.to_json_string())
        del config["transformers_version"]
        if self.read_on is None:
            del config["read_on"]
        order = None if self._order is None else self._order.tolist()
        settings = json.dumps([config, self.tokenizer.model_max_length, order], sort_keys=True)
        return f"{settings} {self.stages.fingerprint()}"

    def read(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Encoded:
        """Tokenizes texts, with all their windows."""
        return encode(self.tokenizer, texts, text_pairs, self.read_on)

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
