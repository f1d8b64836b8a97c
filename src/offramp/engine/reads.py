"""How many tokens of texts are read, in all and by each stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from offramp.engine.cascade import Cascade
    from offramp.model.encoding import Encoded


@dataclass(frozen=True, slots=True)
class Reads:
    """What is read of rows at full depth.

    Attributes:
        tokens: of each row that each stage reads, (exits, rows), see :func:`reads`.
        truncated: rows of which something is lost, (rows,).
    """

    tokens: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    @property
    def total(self) -> NDArray[np.int64]:
        """Tokens of each row, (rows,)."""
        return self.tokens[0]


def tokens_of(cascade: "Cascade", texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.int64]:
    """Tokens of each text as full depth reads it, all windows together, (rows,)."""
    return cascade.encoders[-1].read(texts, text_pairs).tokens.sum(axis=0)


def reads_of(cascade: "Cascade", texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.int64]:
    """:func:`reads` of texts."""
    return reads(cascade, cascade.encoders[-1].read(texts, text_pairs))


def reads(cascade: "Cascade", read: "Encoded") -> NDArray[np.int64]:
    """Tokens of each row that each stage reads, (exits, rows), given what the last encoder has read of them.

    Stages of other members count as if they read all of a row. A stage reads 0 of rows that never come to it.
    """
    tokens = read.tokens
    reads = np.repeat(tokens.sum(axis=0)[None], len(cascade.places), axis=0)
    if cascade.read_on is not None:
        first = len(cascade.members) - cascade.read_on.windows
        for exit_index, (member, _) in enumerate(cascade.places):
            if member >= first:
                reads[exit_index] = tokens[member - first] if member - first < len(tokens) else 0
    return reads
