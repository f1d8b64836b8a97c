"""Which words are known: a set of hashes as bits, from which no text can be read."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.words import words_of

# Words that share a bit are one to it: of 20,000 known words every thirteenth other one is taken for known.
_BITS = 18
_SHIFT = np.uint64(64 - _BITS)


@dataclass(frozen=True, slots=True)
class Counted:
    """Words of each text, and how many of them are not known, (texts,)."""

    words: NDArray[np.float64]
    unknown: NDArray[np.float64]


class Vocabulary:
    """A set of words, held as bits.

    Args:
        bits: whether each is set, (2 ** 18,).
    """

    def __init__(self, bits: NDArray[np.bool_]) -> None:
        if bits.shape != (1 << _BITS,):
            raise ValueError(f"it has {bits.size} bits, not {1 << _BITS}")
        self._bits = bits

    @classmethod
    def of(cls, texts: Sequence[str], text_pairs: Sequence[str] | None) -> "Vocabulary":
        """The words of some texts."""
        bits = np.zeros(1 << _BITS, np.bool_)
        for side in (texts, text_pairs or ()):
            bits[_places(words_of(side)[1])] = True
        return cls(bits)

    @classmethod
    def from_text(cls, text: str) -> "Vocabulary":
        """Reads what :meth:`to_text` gave.

        Raises:
            ValueError: it is not that.
        """
        return cls(np.unpackbits(np.frombuffer(base64.b64decode(text, validate=True), np.uint8)).astype(np.bool_))

    def to_text(self) -> str:
        """The bits in base 64."""
        return base64.b64encode(np.packbits(self._bits).tobytes()).decode("ascii")

    def count(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> Counted:
        """Counts the words of each text, or pair of texts."""
        words, unknown = np.zeros(len(texts)), np.zeros(len(texts))
        for side in (texts, text_pairs or ()):
            rows, hashes = words_of(side)
            words += np.bincount(rows, minlength=len(texts))
            unknown += np.bincount(rows, ~self._bits[_places(hashes)], minlength=len(texts))
        return Counted(words, unknown)


def _places(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (hashes >> _SHIFT).astype(np.int64)
