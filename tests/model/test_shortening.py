"""Cutting by characters first: the same tokens, whatever the tokenizer makes of spaces, signs and lengths."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from conftest import tiny_tokenizer
from offramp.model import encoding, shortening
from offramp.model.encoding import encode

CORPUS = ["the cat don't sat on 1234 mats", "aaaa aaab", "été naïve 12 345", "中文字 文", "A-b, c."]
CORPUS += ["low lower lowest   newer  wider"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def trained(model, trainer, normalizer=None, splitter=None):
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if splitter is not None:
        tokenizer.pre_tokenizer = splitter
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def pieces(**more):
    return trainers.WordPieceTrainer(vocab_size=90, special_tokens=SPECIAL, **more)


def merges(**more):
    return trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, **more)


def unigrams():
    return trainers.UnigramTrainer(vocab_size=60, special_tokens=SPECIAL, unk_token="[UNK]")


one_space = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
KINDS = {
    "bert": lambda: trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=9),
        pieces(),
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    ),
    "byte-level": lambda: trained(
        models.BPE(), merges(initial_alphabet=pre_tokenizers.ByteLevel.alphabet()), normalizers.NFC(), byte_level
    ),
    "sentencepiece": lambda: trained(models.Unigram(), unigrams(), one_space, pre_tokenizers.Metaspace()),
    "no words": lambda: trained(models.BPE(unk_token="[UNK]"), merges(), normalizers.Replace(" ", "▁")),
    "words by punctuation": lambda: trained(
        models.Unigram(), unigrams(), splitter=pre_tokenizers.Punctuation(behavior="isolated")
    ),
    "without spaces": lambda: trained(
        models.BPE(unk_token="[UNK]"),
        merges(),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Replace(" ", "")]),
        pre_tokenizers.Digits(individual_digits=True),
    ),
}


def wrapped(kind, side, frame=True):
    tokenizer = KINDS[kind]()
    if frame:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        truncation_side=side,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )
    made.add_tokens(["newer", "low-er"])
    return made


@pytest.fixture(scope="module", params=KINDS)
def tokenizers(request):
    return {side: wrapped(request.param, side) for side in ("left", "right")}


BITS = ["the", "cat", "don't", "sat", "1234", "12345678901", "aaaa", "a", "été", "e\u0301", "\u0301", "中文", "newer"]
BITS += ["low-er", "low", "[MASK]", "A-b,", ".", "'t", " ", " ", " ", "  ", "\n", "\t", "\r\n", "\0", "\u00a0"]
BITS += ["\u200b", "▁", "ﬁ", "🙂"]


def texts_of(bits, times):
    """Texts of some bits, each repeated."""
    bit = st.tuples(st.sampled_from(BITS), st.sampled_from(times))
    return st.lists(bit, max_size=bits).map(lambda chosen: "".join(one * often for one, often in chosen))


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
        patch.setattr(encoding, "shortened", lambda _, first, second: (first, second))
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
    call = type(tokenizer).__call__

    def counted(self, first, second=None, **options):
        seen.append(sum(map(len, [*first, *(second or [])])))
        return call(self, first, second, **options)

    monkeypatch.setattr(type(tokenizer), "__call__", counted)
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
