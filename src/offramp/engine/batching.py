"""Which rows run together: texts of similar length, as many as a token budget holds."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from offramp.model.encoding import Encoded
from offramp.model.padding import Batch, batch_of

# A batch of this share of the token budget runs well enough to be closed before it is full ...
_ENOUGH = 0.25
# ... if what comes next is shorter than this share of its longest row.
_CLOSE = 0.95


def fitting(lengths: NDArray[np.int64], longest: int, token_budget: int, gathered: int = 0) -> int:
    """Tells how many of the next rows join a batch; the one rule for all batches, first and late.

    A batch is closed when it is full, or when it is large enough and the next row is so much shorter than its longest
    that it would be mostly padding.

    Args:
        lengths: tokens of the next rows, the longest first, (rows,).
        longest: tokens that the batch has room for in every row.
        token_budget: tokens of a full batch, padding included; a single row may be longer.
        gathered: rows in the batch already.

    Returns:
        A number from 0 to all of them; 0 only for a batch that has rows, or if the next row is too long.
    """
    longest = max(1, longest)
    if not len(lengths) or lengths[0] > longest:
        return 0
    capacity = max(1, token_budget // longest)
    enough = math.ceil(_ENOUGH * token_budget / longest)
    close = np.count_nonzero(lengths >= _CLOSE * longest)
    return min(max(int(close), enough - gathered), capacity - gathered, len(lengths))


def plan(lengths: NDArray[np.int64], token_budget: int) -> list[NDArray[np.int64]]:
    """Groups rows by length; each group, padded to its longest row, holds at most ``token_budget`` tokens.

    The longest rows come first: memory is at its peak in the first batch, not in the last.

    Args:
        lengths: tokens of each row, (rows,).
        token_budget: tokens of a batch, padding included; a row that is longer alone makes a batch of one.

    Returns:
        Row indices of each batch; together each row exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    ordered = lengths[order]
    groups, start = [], 0
    while start < len(order):
        size = fitting(ordered[start:], int(ordered[start]), token_budget)
        groups.append(order[start : start + size])
        start += size
    return groups


def stepped(lengths: NDArray[np.int64], step: int, longest: int) -> NDArray[np.int64]:
    """The lengths that rows are padded to, whatever their company: multiples of ``step``, but at most ``longest``."""
    return lengths if step == 1 else np.minimum(-(-lengths // step) * step, longest)


def batches(
    encoded: Encoded, token_budget: int, padding_id: int, *, length_step: int = 1, longest: int = 0
) -> Iterator[Batch]:
    """Gives the batches of :func:`plan`, padded, one at a time.

    Args:
        length_step: pad to a multiple of so many tokens ...
        longest: ... but not beyond this, which no row is longer than.
    """
    lengths = stepped(encoded.lengths, length_step, longest)
    for rows in plan(lengths, token_budget):
        yield batch_of(encoded, rows, padding_id, int(lengths[rows].max()))
