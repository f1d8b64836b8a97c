"""What each word of a text weighs: more if it is there often, less if many texts have it, and all texts alike."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# Beyond so many times a word weighs the same.
_MOST = 1 << 12


def counted(rows: NDArray[np.int64], features: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    """Counts how often each row has each feature, and damps the counts: 1 + log(count).

    Args:
        rows: (found,), in [0, ``shape[0]``).
        features: (found,), in [0, ``shape[1]``).

    Returns:
        ``shape``, float32, with sorted indices.
    """
    # Numbers of 32 bits are sorted twice as fast, and parts of texts are small enough for them.
    keys = (rows * shape[1] + features).astype(np.uint32 if shape[0] * shape[1] < 1 << 32 else np.uint64)
    keys.sort()
    is_first = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    first = np.flatnonzero(is_first)
    counts = np.diff(first, append=len(keys))
    keys = keys[first].astype(np.int64)
    row_starts = np.arange(shape[0] + 1) * shape[1]
    starts = np.searchsorted(keys, row_starts)
    columns = keys - np.repeat(row_starts[:-1], np.diff(starts))
    damped = _damped()[np.minimum(counts, _MOST)]
    return csr_array((damped, columns.astype(np.int32), starts.astype(np.int32)), shape=shape)


def weighed(counts: csr_array, rarities: NDArray[np.float32]) -> csr_array:
    """Multiplies counts by the features' rarities and scales rows to length 1; a row without features stays zero.

    Each row is worked out alone and from left to right, so that it is the same in any company.
    """
    values = counts.data * rarities[counts.indices]
    sizes = np.diff(counts.indptr)
    rows = np.repeat(np.arange(counts.shape[0]), sizes)
    squares = np.bincount(rows, np.square(values), minlength=counts.shape[0])
    lengths = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
    return csr_array((values / np.repeat(lengths, sizes), counts.indices, counts.indptr), shape=counts.shape)


def rarities(texts_with: NDArray[np.int64], texts: int) -> NDArray[np.float32]:
    """The rarity of each feature: log((1 + texts) / (1 + texts that have it)) + 1; 0 where none has it."""
    return np.where(texts_with > 0, np.log((1 + texts) / (1 + texts_with)) + 1, 0).astype(np.float32)


@cache
def _damped() -> NDArray[np.float32]:
    return (1 + np.log(np.maximum(np.arange(_MOST + 1), 1))).astype(np.float32)
