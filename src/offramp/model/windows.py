"""Texts that are longer than a model reads at once: read window by window, in one way for every room."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from offramp.errors import OptionError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Long: TypeAlias = Literal["cut", "read-on"]
"""What is done about texts that are longer than a model reads at once."""

Combination: TypeAlias = Literal["mean", "maximum"]
"""How the logits of the windows read so far become one answer."""

COMBINATIONS: tuple[Combination, ...] = ("mean", "maximum")

FEWEST_WINDOWS, DEFAULT_WINDOWS, MOST_WINDOWS = 2, 4, 32
_OVERLAP = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTexts:
    """What is done about texts that are longer than the model reads at once.

    Attributes:
        long: ``cut`` reads their beginning. ``read-on`` reads the first window, and the next one only where no exit in
            it was sure. None leaves it as it is.
        windows: of a text at most, with ``read-on``; what lies beyond the last is cut.
        overlap: tokens that a window repeats of the one before, with ``read-on``.

    Raises:
        OptionError: a value is out of range, or would do nothing.
    """

    long: Annotated[
        Long | None,
        "texts longer than the model reads: cut, or read-on, window by window; default: as the model does, and a new "
        "one cuts",
    ] = None
    windows: Annotated[int | None, "with read-on: windows of a text at most; default: 4"] = None
    overlap: Annotated[int | None, "with read-on: tokens a window repeats of the one before; default: 32"] = None

    def __post_init__(self) -> None:
        if self.long not in (None, "cut", "read-on"):
            raise OptionError(f"long is {self.long!r}; use 'cut' or 'read-on'", option="long", value=self.long)
        for name in ("windows", "overlap"):
            if self.long != "read-on" and (value := getattr(self, name)) is not None:
                raise OptionError(
                    f"{name} is {value}, which does nothing unless long is 'read-on'; say so, or leave it out",
                    option=name,
                    value=value,
                )
        ReadOn(
            windows=DEFAULT_WINDOWS if self.windows is None else self.windows,
            overlap=0 if self.overlap is None else self.overlap,
        )

    def to_dict(self) -> dict[str, object]:
        """What was asked for; nothing where nothing was."""
        return {} if self.long is None else asdict(self)

    def reading(self, tokenizer: "PreTrainedTokenizerBase", before: "ReadOn | None" = None) -> "ReadOn | None":
        """How windows are read from now on; None where texts are cut.

        Args:
            tokenizer: of the model; its ``model_max_length`` is that of a window.
            before: how they were read so far.
        """
        if self.long != "read-on":
            return None if self.long == "cut" else before
        return ReadOn(
            windows=DEFAULT_WINDOWS if self.windows is None else self.windows,
            overlap=min(_OVERLAP, _room(tokenizer) // 4) if self.overlap is None else self.overlap,
        )


@dataclass(frozen=True, slots=True)
class ReadOn:
    """How a model reads long texts window by window; ``config.json`` keeps it.

    Attributes:
        windows: of a text at most; what lies beyond is cut.
        overlap: tokens that a window repeats of the one before it.
        combination: of the logits of the windows read so far.

    Raises:
        OptionError: a value is out of range.
    """

    windows: int
    overlap: int
    combination: Combination = "mean"

    def __post_init__(self) -> None:
        if not FEWEST_WINDOWS <= self.windows <= MOST_WINDOWS:
            raise OptionError(
                f"windows is {self.windows}; use a number from {FEWEST_WINDOWS} to {MOST_WINDOWS}, or cut long texts",
                option="windows",
                value=self.windows,
            )
        if self.overlap < 0:
            raise OptionError(
                f"overlap is {self.overlap}; use a number of tokens from 0 on", option="overlap", value=self.overlap
            )
        if self.combination not in COMBINATIONS:
            raise OptionError(
                f"combination is {self.combination!r}; valid: {', '.join(COMBINATIONS)}",
                option="combination",
                value=self.combination,
            )

    def check(self, tokenizer: "PreTrainedTokenizerBase", *, pairs: bool) -> None:
        """Makes sure that a model can read so.

        Args:
            tokenizer: of the model; its ``model_max_length`` is that of a window.
            pairs: whether the model was trained on pairs of texts.

        Raises:
            OptionError: it cannot.
        """
        if pairs:
            raise OptionError(
                "this model was trained on pairs of texts, which cannot be read window by window; leave long at 'cut'",
                option="long",
                value="read-on",
            )
        if not tokenizer.is_fast:
            raise OptionError(
                "this model's tokenizer is written in Python and cannot cut texts into windows; leave long at 'cut'",
                option="long",
                value="read-on",
            )
        limit = _room(tokenizer)
        if self.overlap > limit // 2:
            raise OptionError(
                f"overlap is {self.overlap}, more than half of the {limit} tokens of a text that a window has; use "
                f"{limit // 2} or less",
                option="overlap",
                value=self.overlap,
            )

    def combined(self, before: NDArray[np.float32], logits: NDArray[np.float32], window: int) -> NDArray[np.float32]:
        """What all windows read so far say together, (..., labels).

        Args:
            before: what those before this one say together.
            logits: of this one.
            window: its number, from 1.
        """
        if window == 1:
            return logits
        if self.combination == "maximum":
            return np.maximum(before, logits)
        return before + (logits - before) / np.float32(window)

    def combined_exits(self, logits: NDArray[np.float32], stages: int) -> NDArray[np.float32]:
        """:meth:`combined` for all exits of the same rows, given what each window says by itself.

        Args:
            logits: (exits, rows, labels); the exits of the windows come last.
            stages: exits of a window.
        """
        together = logits.copy()
        for window in range(2, self.windows + 1):
            first = len(logits) - (self.windows + 1 - window) * stages
            exits = slice(first, first + stages)
            together[exits] = self.combined(together[first - 1], logits[exits], window)
        return together


def _room(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Tokens of a text that a window has room for."""
    return int(tokenizer.model_max_length - tokenizer.num_special_tokens_to_add(pair=False))


@dataclass(frozen=True, slots=True)
class LongTrial:
    """Whether reading on would help.

    Attributes:
        rows: that were asked.
        cut: share of them that are longer than the model reads at once.
        accuracy: share that it gets right at full depth, when they are cut.
        read_on: the same, when it reads on.
    """

    rows: int
    cut: float
    accuracy: float
    read_on: float

    @property
    def helps(self) -> bool:
        """Whether more rows are right."""
        return self.read_on > self.accuracy
