"""Stages that read raw texts, before anything is tokenized."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from offramp.engine.stages import StageOutput
from offramp.errors import OptionError

# Characters of a text that count as a token where there is no tokenizer: only the relation between texts matters.
_CHARACTERS_A_TOKEN = 4


class TextStage(Protocol):
    """An exit that reads raw texts, before anything is tokenized: a model of words, a list of keywords, a service.

    Example:
        >>> import numpy as np
        >>> class Keyword:
        ...     name = "keyword"
        ...     def fingerprint(self):
        ...         return "joy"
        ...     def logits(self, texts, text_pairs):
        ...         return np.array([[0, 9 * ("joy" in text)] for text in texts], np.float32)
        >>> longer = offramp.load("model").with_first(Keyword())
        >>> longer.labels, longer.exit_names
        (('bad', 'good'), ('keyword', 'layer 1', 'layer 2', 'layer 3', 'layer 4'))
        >>> [prediction.exit for prediction in longer.predict(["a joy", "a dull film"])]
        ['keyword', 'layer ...']
    """

    @property
    def name(self) -> str:
        """What the exit is called, such as ``words``."""

    def fingerprint(self) -> str:
        """Names all that its answers depend on."""

    def logits(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.float32]:
        """What it says of each text, (rows, labels); the same in any company."""


@dataclass(frozen=True, slots=True)
class RawTexts:
    """Raw texts, as a :class:`TextStage` reads them."""

    texts: Sequence[str]
    text_pairs: Sequence[str] | None

    def __len__(self) -> int:
        return len(self.texts)

    def alone(self, row: int) -> "RawTexts":
        """One of the rows."""
        rows, pairs = slice(row, row + 1), self.text_pairs
        return RawTexts(self.texts[rows], None if pairs is None else pairs[rows])

    @property
    def ids(self) -> NDArray[np.int64]:
        """Where each row stands, (rows,)."""
        return np.arange(len(self))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """About as many tokens as texts of that size have, (rows,)."""
        sizes = np.fromiter(map(len, self.texts), np.int64, len(self))
        if self.text_pairs is not None:
            sizes += np.fromiter(map(len, self.text_pairs), np.int64, len(self))
        return 1 + sizes // _CHARACTERS_A_TOKEN

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """Nothing is ever lost."""
        return np.zeros(len(self), np.bool_)


class TextMember:
    """A :class:`TextStage` as a member of a cascade.

    Args:
        stage: reads the texts.
        order: which of its labels each logit is given for, (labels,); None for all as the stage has them.

    Attributes:
        layers: number of layers run before each of its exits.
        longest: tokens of a text that are read at most.

    Raises:
        OptionError: the stage lacks a part of a :class:`TextStage`.
    """

    layers: tuple[int, ...] = (0,)
    longest: int = sys.maxsize

    def __init__(self, stage: TextStage, order: NDArray[np.int64] | None = None) -> None:
        missing = [part for part in ("name", "fingerprint", "logits") if not hasattr(stage, part)]
        if missing:
            raise OptionError(
                f"stage is {stage!r:.60}, of type {type(stage).__name__}, without {' and '.join(missing)}; give an "
                "object with a name and the methods fingerprint() and logits(texts, text_pairs)",
                option="stage",
                value=stage,
            )
        self._stage = stage
        self._order = order

    @property
    def names(self) -> tuple[str, ...]:
        """What its one exit is called."""
        return (self._stage.name,)

    def ordered(self, order: NDArray[np.int64]) -> "TextMember":
        """The same stage with its labels in another order, (labels,)."""
        return TextMember(self._stage, order if self._order is None else self._order[order])

    def fingerprint(self) -> str:
        """Names all that its answers depend on."""
        order = "" if self._order is None else f" {self._order.tolist()}"
        return f"{self._stage.name}{order} {self._stage.fingerprint()}"

    def read(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> RawTexts:
        """Takes the texts as they are."""
        return RawTexts(texts, text_pairs)

    def joined(self, parts: Sequence[RawTexts]) -> RawTexts:
        """The rows of all readings, one after the other."""
        pairs = [text for part in parts for text in part.text_pairs or ()]
        return RawTexts([text for part in parts for text in part.texts], pairs or None)

    def batches(self, read: RawTexts, token_budget: int) -> Iterator[RawTexts]:
        """All rows at once: nothing is padded, so nothing is gained by sorting."""
        if len(read):
            yield read

    def batch(self, parts: Sequence[tuple[RawTexts, int]], length: int) -> RawTexts:
        """Rows from several readings, each named by its reading and its place there."""
        pairs = [read.text_pairs[row] for read, row in parts if read.text_pairs is not None]
        return RawTexts([read.texts[row] for read, row in parts], pairs or None)

    def blank(self, rows: int, length: int, *, pairs: bool) -> RawTexts:
        """Rows of some length that mean nothing."""
        texts = [" " * _CHARACTERS_A_TOKEN * length] * rows
        return RawTexts(texts, texts if pairs else None)

    def run(self, stage: int, state: RawTexts, lengths: NDArray[np.int64]) -> StageOutput:
        """Asks the stage; nobody goes on from what it has worked out."""
        logits = np.asarray(self._stage.logits(state.texts, state.text_pairs), np.float32)
        output = StageOutput(None, logits)
        return output if self._order is None else output.ordered(self._order)
