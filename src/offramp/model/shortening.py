"""Texts far longer than an encoder reads: cut by characters first, so that the tokens that are kept stay the same.

A tokenizer works through all of a text, and keeps it all, before what is beyond the limit is thrown away. A piece of
the text is enough if its tokens, as far as they are kept, are those of the whole text. They are, for three reasons:

- A tokenizer normalizes a text, splits it into words (pre-tokens) and turns each word into tokens by itself. So the
  tokens of a word are the same in a piece and in the whole, if the word is.
- The piece is cut off where a space begins, and a space ends a word in every tokenizer that knows words by spaces:
  BERT's, byte-level ones and those of SentencePiece. Nothing is composed across it in normalizing either. The one thing
  that can reach over it is an added token with a space inside; where there is such a token, texts stay whole.
- The word at the cut is left out of account nevertheless, since a tokenizer may split by something else: all tokens
  that are kept have to belong to words before it. Otherwise the piece is too short, and a longer one is tried. What has
  no words, such as megabytes without a space where only spaces split, thus stays whole.

Where the beginning of a text is thrown away and not its end, all this holds from the other side.
"""

import re
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

# Characters of the first piece for each token that is read: of most texts a token is 3 to 6, and of Chinese 1 or 2.
_CHARACTERS_A_TOKEN = 16
# A piece is tokenized once more, so a text has to be longer by this for it to pay; and so is the next piece.
_STEP = 2
_OVER_A_SPACE = re.compile(r"\S\s")


def shortened(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], text_pairs: Sequence[str] | None, limit: int
) -> tuple[list[str], list[str] | None]:
    """Texts or pairs of texts whose first ``limit`` tokens are the same; or the last, if the tokenizer cuts there.

    Only those that are much longer are cut; a text that was cut still has more tokens than are kept.
    """
    cutter = _Cutter(tokenizer, limit)
    whole, pairs = list(texts), None if text_pairs is None else list(text_pairs)
    for row, text in enumerate(whole):
        second = "" if pairs is None else pairs[row]
        if not (cutter.is_long(text) or cutter.is_long(second)) or not cutter.can_cut:
            continue
        if pairs is None:
            whole[row] = cutter.piece(text, cutter.limit)
        else:
            whole[row], pairs[row] = cutter.pieces(text, second)
    return whole, pairs


class _Cutter:
    def __init__(self, tokenizer: PreTrainedTokenizerBase, limit: int) -> None:
        self._tokenizer = tokenizer
        self._left = tokenizer.truncation_side == "left"
        self.limit = limit

    @property
    def can_cut(self) -> bool:
        """Whether the tokenizer tells words apart, and has no token that reaches over the end of one."""
        return self._tokenizer.is_fast and not any(map(_OVER_A_SPACE.search, self._tokenizer.get_added_vocab()))

    def is_long(self, text: str) -> bool:
        """Whether cutting pays."""
        return len(text) > _STEP * _CHARACTERS_A_TOKEN * self.limit

    def pieces(self, first: str, second: str) -> tuple[str, str]:
        """Pieces of a pair. If both are cut to an odd number of tokens, the one with more tokens keeps one more."""
        if not self.is_long(second):
            return self.piece(first, max(self.limit, self._tokens(second))), second
        if not self.is_long(first):
            return first, self.piece(second, max(self.limit, self._tokens(first)))
        if (self.limit - self._tokenizer.num_special_tokens_to_add(pair=True)) % 2 == 0:
            return self.piece(first, self.limit), self.piece(second, self.limit)
        # Which one that is only the whole texts can tell.
        if self._tokens(first) > self._tokens(second):
            second = self.piece(second, self.limit)
            return self.piece(first, max(self.limit, self._tokens(second))), second
        first = self.piece(first, self.limit)
        return first, self.piece(second, max(self.limit, self._tokens(first)))

    def piece(self, text: str, tokens: int) -> str:
        """A piece that has so many tokens, and more, in common with the text; or all of the text.

        Args:
            tokens: at least the limit.
        """
        size = _CHARACTERS_A_TOKEN * tokens
        while len(text) > _STEP * size:
            part = self._part(text, size)
            if len(part) == len(text):
                break
            enough = self._characters(part, tokens)
            if enough is not None:
                # What is beyond the limit in a pair is combined, each with each, before it is thrown away.
                less = self._part(part, enough)
                return part if self._characters(less, tokens) is None else less
            size *= _STEP
        return text

    def _part(self, text: str, size: int) -> str:
        """At least so many characters, up to where a space begins; spaces before the cut do not count."""
        if self._left:
            start = text.rfind(" ", 0, max(0, len(text) - size))
            return text if start < 0 else text[len(text[:start].rstrip(" ")) :]
        stop = text.find(" ", size)
        return text if stop < 0 else text[:stop].rstrip(" ")

    def _characters(self, part: str, tokens: int) -> int | None:
        """How many characters hold so many tokens, and one of a word after theirs; None where there is none."""
        encoding = self._encoded(part)
        words, ends = encoding.word_ids, [end for _, end in encoding.offsets]
        if self._left:
            words = [-word for word in reversed(words)]
            ends = [len(part) - start for start, _ in reversed(encoding.offsets)]
        return next((ends[at] for at in range(tokens, len(words)) if words[at] > words[tokens - 1]), None)

    def _tokens(self, text: str) -> int:
        return len(self._encoded(text).ids)

    def _encoded(self, text: str) -> Any:
        return self._tokenizer(
            [text],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        ).encodings[0]
