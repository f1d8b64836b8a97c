"""Which rows run together: texts of similar length, as many as a token budget holds."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.model.encoding import Encoded

DEFAULT_TOKEN_BUDGET = 4096


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows padded to the longest of them.

    Attributes:
        ids: where each row stands in the input, (rows,).
        lengths: tokens of each row, (rows,).
        input_ids: (rows, longest).
        token_type_ids: (rows, longest), or None for single texts.
    """

    ids: NDArray[np.int64]
    lengths: NDArray[np.int64]
    input_ids: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None

    @property
    def tokens(self) -> dict[str, NDArray[np.int64]]:
        """What an exported graph reads, by name."""
        tokens = {"input_ids": self.input_ids, "lengths": self.lengths}
        return tokens if self.token_type_ids is None else tokens | {"token_type_ids": self.token_type_ids}


def plan(lengths: NDArray[np.int64], token_budget: int) -> list[NDArray[np.int64]]:
    """Groups rows by length so that each group, padded to its longest row, holds at most ``token_budget`` tokens.

    The longest rows come first: memory is at its peak in the first batch, not in the last.

    Args:
        lengths: tokens of each row, (rows,).
        token_budget: tokens of a batch, padding included; a row that is longer alone makes a batch of one.

    Returns:
        Row indices of each batch; together each row exactly once.
    """
    order = np.argsort(-lengths, kind="stable")
    groups, start = [], 0
    while start < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[start]])))
        groups.append(order[start : start + size])
        start += size
    return groups


def batches(encoded: Encoded, token_budget: int, padding_id: int) -> Iterator[Batch]:
    """Gives the batches of :func:`plan`, padded on the right, one at a time."""
    for rows in plan(encoded.lengths, token_budget):
        lengths = encoded.lengths[rows]
        types = encoded.token_type_ids
        yield Batch(
            ids=rows,
            lengths=lengths,
            input_ids=_pad(encoded.input_ids, rows, lengths, padding_id),
            token_type_ids=None if types is None else _pad(types, rows, lengths, 0),
        )


def _pad(
    sequences: list[list[int]], rows: NDArray[np.int64], lengths: NDArray[np.int64], value: int
) -> NDArray[np.int64]:
    padded = np.full((len(rows), int(lengths.max())), value, np.int64)
    flat = [token for row in rows for token in sequences[row]]
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = flat
    return padded
