"""Texts to token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import TruncationStrategy
from transformers.utils import PaddingStrategy

from offramp.model.shortening import shortened
from offramp.model.windows import ReadOn

# Of each row token ids, for pairs which text a token belongs to, and whether tokens were lost.
_Tokenized: TypeAlias = tuple[list[list[int]], list[list[int]], list[bool]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Tokenized texts, not padded.

    Attributes:
        input_ids: token ids of each row, at least one.
        token_type_ids: which text of a pair each token belongs to; None for single texts, where it is always the first.
        lengths: tokens of each row, special tokens included, (rows,).
        truncated: rows that were longer than is read at most, and lost tokens, (rows,).
        further: token ids of the windows of each row that come after this one; None where texts are cut.
    """

    input_ids: list[list[int]]
    token_type_ids: list[list[int]] | None
    lengths: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    further: Sequence[Sequence[list[int]]] | None = None

    def __len__(self) -> int:
        return len(self.input_ids)

    def alone(self, row: int) -> "Encoded":
        """One of the rows."""
        return self.subset(np.array([row]))

    def subset(self, rows: NDArray[np.int64]) -> "Encoded":
        """Some of the rows, in the order given."""
        places, types, further = rows.tolist(), self.token_type_ids, self.further
        return Encoded(
            [self.input_ids[row] for row in places],
            None if types is None else [types[row] for row in places],
            self.lengths[rows],
            self.truncated[rows],
            None if further is None else [further[row] for row in places],
        )

    @property
    def windows(self) -> NDArray[np.int64]:
        """Windows of each row from this one on, (rows,)."""
        further = [()] * len(self) if self.further is None else self.further
        return 1 + np.fromiter(map(len, further), np.int64, len(self))

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Tokens of each row in this window and all further ones, (windows, rows); 0 where a row has none."""
        tokens = np.zeros((int(self.windows.max(initial=1)), len(self)), np.int64)
        tokens[0] = self.lengths
        for row, windows in enumerate(self.further or ()):
            tokens[1 : 1 + len(windows), row] = list(map(len, windows))
        return tokens

    def next_windows(self, rows: NDArray[np.int64]) -> "Encoded":
        """The next window of some rows, which have one."""
        assert self.further is not None
        onward = [self.further[row] for row in rows.tolist()]
        lengths = np.fromiter((len(windows[0]) for windows in onward), np.int64, len(onward))
        return Encoded(
            [windows[0] for windows in onward], None, lengths, self.truncated[rows], [rest[1:] for rest in onward]
        )


def joined(*parts: Encoded) -> Encoded:
    """The rows of all parts, one after the other; all are single texts, or all pairs."""
    types = [part.token_type_ids for part in parts if part.token_type_ids is not None]
    further = [part.further for part in parts if part.further is not None]
    return Encoded(
        [ids for part in parts for ids in part.input_ids],
        [ids for part in types for ids in part] if types else None,
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.truncated for part in parts]),
        [windows for part in further for windows in part] if further else None,
    )


def encode(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None = None,
    read_on: ReadOn | None = None,
) -> Encoded:
    """Tokenizes texts or pairs of texts, cutting what is longer than ``tokenizer.model_max_length``.

    With ``read_on``, for single texts alone, what is longer becomes several windows of that length, each framed by the
    special tokens; the first is what is read of a text that is cut.

    Of a pair the longer text is cut first. A text without any token, as an empty one is to a tokenizer that adds no
    special tokens, is read as one unknown word: an encoder cannot run on nothing.
    """
    if not len(texts):  # works for arrays too
        return Encoded([], None, np.zeros(0, np.int64), np.zeros(0, np.bool_))
    pairs, limit = None if text_pairs is None else _readable(text_pairs), tokenizer.model_max_length
    if read_on is not None:
        limit += (read_on.windows - 1) * (limit - read_on.overlap)
    first, second = shortened(tokenizer, _readable(texts), pairs, limit)
    if tokenizer.is_fast:
        read, types, lost, further = _tokenized_fast(tokenizer, first, second, read_on=read_on)
    else:
        (read, types, lost), further = _tokenized(tokenizer, first, second), None
    ids = [tokens or [_nothing(tokenizer)] for tokens in read]
    return Encoded(
        ids,
        None if text_pairs is None else [tokens or [0] for tokens in types],
        np.fromiter(map(len, ids), np.int64, len(ids)),
        np.array(lost, np.bool_),
        further,
    )


def _tokenized_fast(
    tokenizer: Any, first: list[str], second: list[str] | None, *, read_on: ReadOn | None
) -> tuple[list[list[int]], list[list[int]], list[bool], list[list[list[int]]] | None]:
    """What a tokenizer of the library ``tokenizers`` makes of texts.

    Calling the tokenizer gives the same, and where each token stands in its text, which takes a fourth of the time.
    """
    tokenizer.set_truncation_and_padding(
        padding_strategy=PaddingStrategy.DO_NOT_PAD,
        truncation_strategy=TruncationStrategy.LONGEST_FIRST,
        max_length=tokenizer.model_max_length,
        stride=0 if read_on is None else read_on.overlap,
        pad_to_multiple_of=None,
        padding_side=None,
    )
    backend, limit = tokenizer.backend_tokenizer, tokenizer.model_max_length
    backend.encode_special_tokens = tokenizer.split_special_tokens
    texts = first if second is None else list(zip(first, second, strict=True))
    # Where nothing frames texts, the faster way loses which text of a pair a token belongs to.
    fast = second is None or backend.post_processor is not None
    encodings = backend.encode_batch_fast(texts) if fast else backend.encode_batch(texts)
    ids = [encoding.ids for encoding in encodings]
    types = [] if second is None else [encoding.type_ids for encoding in encodings]
    # Only a full row can have lost something; asking just those keeps the check free.
    beyond = [encoding.overflowing if len(row) >= limit else [] for row, encoding in zip(ids, encodings, strict=True)]
    if read_on is None:
        return ids, types, [bool(windows) for windows in beyond], None
    most = read_on.windows - 1
    further = [[window.ids for window in windows[:most]] for windows in beyond]
    return ids, types, [len(windows) > most for windows in beyond], further


def _tokenized(tokenizer: PreTrainedTokenizerBase, first: list[str], second: list[str] | None) -> _Tokenized:
    """What a tokenizer written in Python makes of texts; it does not tell whether a full row has lost something."""
    encoding = tokenizer(
        first,
        second,
        truncation="longest_first",
        max_length=tokenizer.model_max_length,
        return_attention_mask=False,
        return_token_type_ids=second is not None,
        verbose=False,
    )
    ids = encoding["input_ids"]
    types = [] if second is None else encoding["token_type_ids"]
    return ids, types, [len(tokens) >= tokenizer.model_max_length for tokens in ids]


def _nothing(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that a text without tokens is read as."""
    special = (tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.pad_token_id)
    return next((int(token) for token in special if token is not None), 0)


def _readable(texts: Sequence[str]) -> list[str]:
    """The texts; lone surrogates, which no tokenizer takes, become question marks, one for one."""
    return [text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8") for text in texts]
