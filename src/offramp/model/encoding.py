"""Texts to token ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DataCollatorWithPadding, PreTrainedTokenizerBase

_TOKENS_IN_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenised texts, not padded.

    Attributes:
        input_ids: token ids of each row.
        token_type_ids: which text of a pair each token belongs to; None for single texts, where it is always the first.
        lengths: tokens of each row, special tokens included, (rows,).
        truncated: rows that were longer than the tokenizer's ``model_max_length`` and lost tokens, (rows,).
    """

    input_ids: list[list[int]]
    token_type_ids: list[list[int]] | None
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.input_ids)


def joined(*parts: Encoded) -> Encoded:
    """The rows of all parts, one behind the other; all are single texts, or all pairs."""
    types = [part.token_type_ids for part in parts if part.token_type_ids is not None]
    return Encoded(
        [ids for part in parts for ids in part.input_ids],
        [ids for part in types for ids in part] if types else None,
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.truncated for part in parts]),
    )


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], text_pairs: Sequence[str] | None = None
) -> Encoded:
    """Tokenises texts or pairs of texts, cutting what is longer than ``tokenizer.model_max_length``.

    Of a pair the longer text is cut first.
    """
    if not len(texts):  # works for arrays too
        return Encoded([], None, np.zeros(0, np.int64), np.zeros(0, np.bool_))
    encoding = tokenizer(
        _readable(texts),
        None if text_pairs is None else _readable(text_pairs),
        truncation="longest_first",
        max_length=tokenizer.model_max_length,
        return_attention_mask=False,
        return_token_type_ids=text_pairs is not None,
        verbose=False,
    )
    ids: list[list[int]] = encoding["input_ids"]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    truncated = lengths >= tokenizer.model_max_length
    if encoding.is_fast:
        # Only a full row can have lost something; asking just those keeps the check free.
        for row in np.flatnonzero(truncated):
            truncated[row] = bool(encoding.encodings[row].overflowing)
    return Encoded(ids, encoding["token_type_ids"] if text_pairs is not None else None, lengths, truncated)


def padded_batches(
    tokenizer: PreTrainedTokenizerBase, encoded: Encoded, device: torch.device
) -> Iterator[tuple[NDArray[np.int64], dict[str, torch.Tensor]]]:
    """Row numbers and inputs of rows of like length, the longest first, so that a lack of memory shows at once."""
    collate = DataCollatorWithPadding(tokenizer)
    order, start = np.argsort(-encoded.lengths, kind="stable"), 0
    while start < len(order):
        rows = order[start : start + max(1, _TOKENS_IN_BATCH // int(encoded.lengths[order[start]]))]
        columns: dict[str, Any] = {"input_ids": [encoded.input_ids[row] for row in rows]}
        if encoded.token_type_ids is not None:
            columns["token_type_ids"] = [encoded.token_type_ids[row] for row in rows]
        inputs = {name: tensor.to(device) for name, tensor in collate(columns).items()}
        if inputs["attention_mask"].all():
            del inputs["attention_mask"]  # attention is faster without one
        yield rows, inputs
        start += len(rows)


def _readable(texts: Sequence[str]) -> list[str]:
    """The texts; lone surrogates, which no tokenizer takes, become question marks, one for one."""
    return [text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
