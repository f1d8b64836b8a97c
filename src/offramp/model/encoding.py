"""Texts to token ids."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

# Texts with more characters for each token that is read are cut before they are tokenized; words have five or so.
_CHARACTERS_A_TOKEN = 16
# Characters before a cut within which it may change how a text is split: longer than any added token.
_NEAR_A_CUT = 256


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenised texts, not padded.

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

    Of a pair the longer text is cut first. A text without any token, as an empty one is to a tokenizer that adds no
    special tokens, is read as one unknown word: an encoder cannot run on nothing.
    """
    if not len(texts):  # works for arrays too
        return Encoded([], None, np.zeros(0, np.int64), np.zeros(0, np.bool_))
    first, second = _readable(texts), None if text_pairs is None else _readable(text_pairs)
    _shorten(tokenizer, first, second)
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


def _shorten(tokenizer: PreTrainedTokenizerBase, texts: list[str], text_pairs: list[str] | None) -> None:
    """Cuts texts, in place, that are far longer than anything that will be read of them; the same tokens are kept.

    Left alone are tokenizers that cut at the front or tell no offsets, and pairs of which both are long: which of the
    two is cut more depends on how many tokens each has in all.
    """
    most = _CHARACTERS_A_TOKEN * tokenizer.model_max_length
    longest = max(max(map(len, column)) for column in (texts, text_pairs) if column is not None)
    if longest <= most or not tokenizer.is_fast or tokenizer.truncation_side != "right":
        return
    for column, others in ((texts, text_pairs), (text_pairs, texts)):
        for row, text in enumerate(column or ()):
            other = others[row] if others else ""
            if len(text) > most >= len(other) and column is not None:
                column[row] = _beginning(tokenizer, text, _kept(tokenizer, other))


def _kept(tokenizer: PreTrainedTokenizerBase, other: str) -> int:
    """Tokens of a long text that matter beside another: it has to stay the longer one of the two."""
    own: int = tokenizer.model_max_length
    return max(own, len(tokenizer(other, add_special_tokens=False, verbose=False)["input_ids"]) + 1)


def _beginning(tokenizer: PreTrainedTokenizerBase, text: str, tokens: int) -> str:
    """A beginning of a text that has at least so many tokens, which are those that the whole text begins with.

    Tokenizers normalize and split text locally: what follows a cut can change what stands right before it, a composed
    character or an added token, and the word that the cut goes through, but nothing further in front.
    """
    length = _CHARACTERS_A_TOKEN * tokens
    while length < len(text):
        encoding = tokenizer(text[:length], add_special_tokens=False, verbose=False).encodings[0]
        words = encoding.word_ids
        if len(words) >= tokens and words[tokens - 1] != words[-1]:
            _, end = encoding.offsets[tokens - 1]
            if end + _NEAR_A_CUT <= length:
                return text[:length]
        length *= 2
    return text


def _readable(texts: Sequence[str]) -> list[str]:
    """The texts; lone surrogates, which no tokenizer takes, become question marks, one for one."""
    return [text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
