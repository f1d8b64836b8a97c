"""Rows of different lengths as one block of numbers: here and nowhere else rows are padded.

Training, calibration, teachers and the engine all get their inputs from here, so what exits are fitted on is what they
will see. Whatever side a tokenizer would pad on, it is done on the right, and always with a mask: there a row's tokens
have the positions that they have without company, and padding can be cut off again when the longest row has left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from offramp.model.encoding import Encoded

_TOKENS_IN_BATCH = 4096


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

    def inputs(self, device: torch.device) -> dict[str, Tensor]:
        """What a network reads, by name: ``input_ids``, ``attention_mask`` and ``token_type_ids``, where there are."""
        inputs = {"input_ids": on_device(self.input_ids, device)}
        if (mask := mask_of(self.lengths, self.input_ids.shape[1], device)) is not None:
            inputs["attention_mask"] = mask
        if self.token_type_ids is not None:
            inputs["token_type_ids"] = on_device(self.token_type_ids, device)
        return inputs


def padding_id_of(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that stands for nothing; as it is masked, any will do where a tokenizer has none."""
    return int(tokenizer.pad_token_id or 0)


def on_device(array: NDArray[np.int64], device: torch.device) -> Tensor:
    """The same numbers as a tensor on a device.

    A GPU fetches them from pinned memory while the host goes on; from any other memory the host would wait for it.
    """
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def mask_of(lengths: NDArray[np.int64], length: int, device: torch.device) -> Tensor | None:
    """1 for a token and 0 for padding, (rows, length); None where nothing is padded: attention is faster without one.

    Args:
        lengths: tokens of each row, (rows,).
        length: what the rows are padded to.
    """
    if lengths.min() == length:
        return None
    return (torch.arange(length, device=device) < on_device(lengths, device)[:, None]).long()


def batch_of(encoded: Encoded, rows: NDArray[np.int64], padding_id: int, longest: int = 0) -> Batch:
    """Makes a batch of some rows, padded on the right.

    Args:
        encoded: what the rows are taken from.
        rows: indices into it, (rows,).
        padding_id: the tokenizer's :func:`padding_id_of`.
        longest: pad at least to this many tokens.
    """
    lengths = encoded.lengths[rows]
    longest = max(longest, int(lengths.max()))
    types = encoded.token_type_ids
    return Batch(
        ids=rows,
        lengths=lengths,
        input_ids=_pad(encoded.input_ids, rows, lengths, longest, padding_id),
        token_type_ids=None if types is None else _pad(types, rows, lengths, longest, 0),
    )


def padded_batches(encoded: Encoded, padding_id: int, *, of_one_length: bool = False) -> Iterator[Batch]:
    """Batches of rows of like length, the longest first, so that a lack of memory shows at once.

    Args:
        padding_id: the tokenizer's :func:`padding_id_of`.
        of_one_length: only rows of exactly the same length go together, so that nothing is padded.
    """
    order, start = np.argsort(-encoded.lengths, kind="stable"), 0
    while start < len(order):
        longest = int(encoded.lengths[order[start]])
        rows = order[start : start + max(1, _TOKENS_IN_BATCH // longest)]
        if of_one_length:
            rows = rows[encoded.lengths[rows] == longest]
        yield batch_of(encoded, rows, padding_id)
        start += len(rows)


def _pad(
    sequences: list[list[int]], rows: NDArray[np.int64], lengths: NDArray[np.int64], longest: int, value: int
) -> NDArray[np.int64]:
    padded = np.full((len(rows), longest), value, np.int64)
    tokens = chain.from_iterable(sequences[row] for row in rows.tolist())
    padded[np.arange(longest) < lengths[:, None]] = np.fromiter(tokens, np.int64, int(lengths.sum()))
    return padded
