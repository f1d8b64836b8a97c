"""Texts to token ids."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from offramp.model.shortening import shortened


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenized texts, not padded.

    Attributes:
        input_ids: token ids of each row, at least one.
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

    def alone(self, row: int) -> "Encoded":
        """One of the rows."""
        here, types = slice(row, row + 1), self.token_type_ids
        return Encoded(
            self.input_ids[here], None if types is None else types[here], self.lengths[here], self.truncated[here]
        )


def joined(*parts: Encoded) -> Encoded:
    """The rows of all parts, one after the other; all are single texts, or all pairs."""
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
    """Tokenizes texts or pairs of texts, cutting what is longer than ``tokenizer.model_max_length``.

    Of a pair the longer text is cut first. A text without any token, as an empty one is to a tokenizer that adds no
    special tokens, is read as one unknown word: an encoder cannot run on nothing.
    """
    if not len(texts):  # works for arrays too
        return Encoded([], None, np.zeros(0, np.int64), np.zeros(0, np.bool_))
    first, second = shortened(tokenizer, _readable(texts), None if text_pairs is None else _readable(text_pairs))
    encoding = tokenizer(
        first,
        second,
        truncation="longest_first",
        max_length=tokenizer.model_max_length,
        return_attention_mask=False,
        return_token_type_ids=text_pairs is not None,
        verbose=False,
    )
    ids: list[list[int]] = [tokens or [_nothing(tokenizer)] for tokens in encoding["input_ids"]]
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    truncated = lengths >= tokenizer.model_max_length
    if encoding.is_fast:
        # Only a full row can have lost something; asking just those keeps the check free.
        for row in np.flatnonzero(truncated):
            truncated[row] = bool(encoding.encodings[row].overflowing)
    types = None if text_pairs is None else [types or [0] for types in encoding["token_type_ids"]]
    return Encoded(ids, types, lengths, truncated)


def _nothing(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that a text without tokens is read as."""
    there = (tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.pad_token_id)
    return next((int(token) for token in there if token is not None), 0)


def _readable(texts: Sequence[str]) -> list[str]:
    """The texts; lone surrogates, which no tokenizer takes, become question marks, one for one."""
    return [text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
