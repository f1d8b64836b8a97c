"""Cutting by characters first: the same tokens, whatever the tokenizer makes of spaces, signs and lengths."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from conftest import tiny_tokenizer
from helpers.tokenizer_kinds import KINDS, texts_of, wrapped
from offramp.model import encoding, shortening
from offramp.model.encoding import encode


@pytest.fixture(scope="module", params=KINDS)
def tokenizers(request):
    return {side: wrapped(request.param, side) for side in ("left", "right")}


TEXTS = texts_of(30, [1, 1, 1, 2, 9, 40])
# Of two texts a tokenizer combines all that is beyond the limit.
SHORTER = texts_of(12, [1, 1, 2, 9])


def same(one, other):
    assert one.input_ids == other.input_ids
    assert one.token_type_ids == other.token_type_ids
    np.testing.assert_array_equal(one.lengths, other.lengths)
    np.testing.assert_array_equal(one.truncated, other.truncated)


def whole(tokenizer, texts, pairs=None):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "shortened", lambda _, first, second, limit: (first, second))
        return encode(tokenizer, texts, pairs)


@settings(max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(3, 9), st.sampled_from(["left", "right"]))
@example(["a" * 500, "a " * 500, " " * 500, "\0" * 500, "don't " * 99], 4, "right")
@example(["a" * 500, "a " * 500, " " * 500, "\0" * 500, "don't " * 99], 4, "left")
def test_of_a_text_the_same_tokens_are_kept(tokenizers, texts, limit, side):
    tokenizer = tokenizers[side]
    tokenizer.model_max_length = limit
    with pytest.MonkeyPatch.context() as patch:
        # Cut much more narrowly than in earnest, so that every piece is put to the test.
        patch.setattr(shortening, "_CHARACTERS_A_TOKEN", 2)
        patch.setattr(shortening, "_STEP", 2)
        found = encode(tokenizer, texts)
    same(found, whole(tokenizer, texts))


@settings(max_examples=50)
@given(SHORTER, SHORTER, st.integers(5, 10), st.sampled_from(["left", "right"]))
@example("the cat " * 10, "sat " * 20, 8, "right")
@example("sat " * 20, "the cat " * 10, 8, "right")
@example("the " * 20, "sat " * 20, 8, "left")
@example("the cat", "sat " * 30, 8, "left")
def test_of_a_pair_the_same_tokens_are_kept(tokenizers, first, second, limit, side):
    tokenizer = tokenizers[side]
    tokenizer.model_max_length = limit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortening, "_CHARACTERS_A_TOKEN", 2)
        patch.setattr(shortening, "_STEP", 2)
        found = encode(tokenizer, [first, second], [second, first])
    same(found, whole(tokenizer, [first, second], [second, first]))


def tokenized(monkeypatch, tokenizer):
    """How many characters the tokenizer is given."""
    seen = []

    def counting(call):
        def counted(self, first, second=None, **options):
            seen.append(sum(map(len, [*first, *(second or [])])))
            return call(self, first, second, **options)

        return counted

    monkeypatch.setattr(type(tokenizer), "__call__", counting(type(tokenizer).__call__))
    monkeypatch.setattr(encoding, "_tokenized_fast", counting(encoding._tokenized_fast))
    return seen


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("pairs", [False, True])
def test_of_a_huge_text_little_is_tokenized(side, pairs, monkeypatch):
    tokenizer = tiny_tokenizer(max_length=49)  # which leaves an even number of tokens to a pair
    tokenizer.truncation_side = side
    huge = "w1 w2 w3 w4 w5 " * 20_000
    seen = tokenized(monkeypatch, tokenizer)
    encoded = encode(tokenizer, [huge], [huge] if pairs else None)
    assert encoded.lengths.tolist() == [49]
    assert encoded.truncated.tolist() == [True]
    assert sum(seen) < 10_000


def test_texts_of_ordinary_length_are_tokenized_once(monkeypatch):
    tokenizer = tiny_tokenizer()
    texts = ["w1 w2", "w3 " * 200, ""]
    seen = tokenized(monkeypatch, tokenizer)
    encode(tokenizer, texts)
    assert seen == [sum(map(len, texts))]


@pytest.mark.parametrize("max_length", [48, 49])
@pytest.mark.parametrize("more", [0, 1])
def test_of_two_huge_texts_the_one_with_more_tokens_keeps_one_more(max_length, more):
    tokenizer = tiny_tokenizer(max_length)
    first, second = "w1 " * 4000, "w2 " * (4000 + more)
    for texts in ([first, second], [second, first]):
        same(encode(tokenizer, *([text] for text in texts)), whole(tokenizer, *([text] for text in texts)))


def test_one_endless_word_stays_whole():
    tokenizer = tiny_tokenizer()
    texts = ["x" * 5000, "w1 " + "x" * 5000 + " w2" * 2000]
    same(encode(tokenizer, texts), whole(tokenizer, texts))
    same(encode(tokenizer, texts, texts[::-1]), whole(tokenizer, texts, texts[::-1]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_where_the_end_of_a_text_decides_on_its_first_tokens_it_stays_whole(side):
    # To unigrams that know no words all depends on all: where the number of characters is odd, one stands alone.
    scores = {"[UNK]": -20, "a": -5, " ": -5, "a ": -1, " a": -1}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.Unigram(list(scores.items()), 0)), truncation_side=side, model_max_length=4
    )
    texts = ["a " * 200, " a" * 200, "a " * 200 + "a", " " + "a " * 200]
    same(encode(tokenizer, texts), whole(tokenizer, texts))


def test_a_token_that_reaches_over_a_space_keeps_texts_whole(monkeypatch):
    tokenizer = tiny_tokenizer(max_length=6)
    tokenizer.add_tokens(["w1 w2"])
    texts = ["w1 w2 " * 200]
    seen = tokenized(monkeypatch, tokenizer)
    assert encode(tokenizer, texts).input_ids == [[2, 65, 65, 65, 65, 3]]
    assert seen == [1200]


def test_spaces_as_tokens_of_their_own_do_not(monkeypatch):
    tokenizer = tiny_tokenizer(max_length=6)
    tokenizer.add_tokens(["  ", "    "])
    texts = ["w1  w2    w3 " * 200]
    seen = tokenized(monkeypatch, tokenizer)
    same(encode(tokenizer, texts), whole(tokenizer, texts))
    assert seen[0] < 100
