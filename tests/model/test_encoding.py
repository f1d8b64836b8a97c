import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from conftest import WORDS, tiny_tokenizer
from offramp.model import encoding as encoding_module
from offramp.model.encoding import encode, joined

TEXTS = st.lists(st.integers(0, 30).map(lambda count: " ".join(WORDS[:count])), max_size=8)


def test_texts():
    encoded = encode(tiny_tokenizer(), ["w0 w1", "", "nothing known"])
    assert encoded.input_ids == [[2, 5, 6, 3], [2, 3], [2, 1, 1, 3]]
    assert encoded.token_type_ids is None
    assert encoded.lengths.tolist() == [4, 2, 4]
    assert encoded.truncated.tolist() == [False] * 3
    assert len(encoded) == 3


def test_pairs():
    encoded = encode(tiny_tokenizer(), ["w0", ""], ["w1 w2", ""])
    assert encoded.input_ids == [[2, 5, 3, 6, 7, 3], [2, 3, 3]]
    assert encoded.token_type_ids == [[0, 0, 0, 1, 1, 1], [0, 0, 1]]
    assert encoded.lengths.tolist() == [6, 3]


def test_nothing():
    encoded = encode(tiny_tokenizer(), [])
    assert (len(encoded), encoded.lengths.dtype, encoded.truncated.dtype) == (0, np.int64, np.bool_)


def test_only_rows_that_lost_tokens_count_as_truncated():
    encoded = encode(tiny_tokenizer(max_length=6), ["w0 w1 w2", "w0 w1 w2 w3", "w0 w1 w2 w3 w4"])
    assert encoded.lengths.tolist() == [5, 6, 6]
    assert encoded.truncated.tolist() == [False, False, True]
    assert encoded.input_ids[2] == [2, 5, 6, 7, 8, 3]


def test_of_a_pair_the_longer_text_is_cut_first():
    encoded = encode(tiny_tokenizer(max_length=8), ["w0 w1 w2 w3 w4 w5", "w0"], ["w9", "w9 w8 w7 w6 w5 w4"])
    assert encoded.input_ids == [[2, 5, 6, 7, 8, 3, 14, 3], [2, 5, 3, 14, 13, 12, 11, 3]]
    assert encoded.truncated.tolist() == [True, True]


@settings(max_examples=30)
@given(TEXTS, st.integers(3, 20))
def test_never_longer_than_the_limit(texts, limit):
    encoded = encode(tiny_tokenizer(max_length=limit), texts)
    words = np.array([len(text.split()) for text in texts], dtype=int)
    assert encoded.lengths.tolist() == [min(count + 2, limit) for count in words]
    assert encoded.truncated.tolist() == (words + 2 > limit).tolist()
    assert [len(ids) for ids in encoded.input_ids] == encoded.lengths.tolist()


@pytest.mark.parametrize("text", ["\ud800", "a \udfff b", "\0", "🙂 e\u0301", " \n\t "])
def test_any_string_can_be_read(text):
    # Lone surrogates come from JSON; tokenizers would refuse the whole list for one of them.
    encoded = encode(tiny_tokenizer(), [text, "w0"], [text, "w1"])
    assert encoded.input_ids[1] == [2, 5, 3, 6, 3]


def uncut(monkeypatch, tokenizer, texts, pairs=None):
    """What the whole texts give."""
    with monkeypatch.context() as patched:
        patched.setattr(encoding_module, "_CHARACTERS_A_TOKEN", 10**9)
        return encode(tokenizer, texts, pairs)


def same(one, other):
    assert one.input_ids == other.input_ids
    assert one.token_type_ids == other.token_type_ids
    assert one.truncated.tolist() == other.truncated.tolist()


def byte_pairs():
    """A tokenizer as RoBERTa's: bytes, with merges, words begin with their blank."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<pad>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog " * 5], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def pieces():
    """A tokenizer as XLM-RoBERTa's: unigrams over text in which blanks are characters."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=["<pad>", "<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(["the quick brown fox jumps over the lazy dog é ö"] * 5, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


CHARACTERS = st.sampled_from(
    [*"abcdefghij  \n", "e\u0301", "é", "字", "ﬁ", "\0", "...", "the ", "quick ", "w1 ", "[SEP]"]
)


@pytest.mark.parametrize("make", [tiny_tokenizer, byte_pairs, pieces])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CHARACTERS, max_size=60), min_size=1, max_size=4), st.integers(8, 20), st.data())
def test_long_texts_are_cut_first_and_keep_their_tokens(monkeypatch, make, parts, limit, data):
    tokenizer = make()
    tokenizer.model_max_length = limit
    repeats = data.draw(st.lists(st.sampled_from([1, 3, 60]), min_size=len(parts), max_size=len(parts)))
    texts = ["".join(part) * repeat for part, repeat in zip(parts, repeats, strict=True)]
    with monkeypatch.context() as patched:
        patched.setattr(encoding_module, "_CHARACTERS_A_TOKEN", 2)
        patched.setattr(encoding_module, "_NEAR_A_CUT", 8)
        found, pairs = encode(tokenizer, texts), encode(tokenizer, texts, texts[::-1])
    same(found, uncut(monkeypatch, tokenizer, texts))
    same(pairs, uncut(monkeypatch, tokenizer, texts, texts[::-1]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_of_a_huge_text_a_little_is_tokenized(monkeypatch, side):
    tokenizer = tiny_tokenizer()
    tokenizer.truncation_side = side
    text = "w1 w2 " * 5000
    read = []
    beginning = encoding_module._beginning
    monkeypatch.setattr(encoding_module, "_beginning", lambda *args: read.append(beginning(*args)) or read[-1])
    same(encode(tokenizer, [text, "w3"]), uncut(monkeypatch, tokenizer, [text, "w3"]))
    same(encode(tokenizer, ["w3"], [text]), uncut(monkeypatch, tokenizer, ["w3"], [text]))
    assert [len(one) for one in read] == ([16 * 48, 16 * 48] if side == "right" else [])


def test_one_endless_word_is_read_whole(monkeypatch):
    tokenizer = tiny_tokenizer()
    text = "x" * 5000
    same(encode(tokenizer, [text]), uncut(monkeypatch, tokenizer, [text]))


def test_arrays_of_strings():
    encoded = encode(tiny_tokenizer(), np.array(["w0", "w1"]), np.array(["w2", "w3"]))
    assert encoded.input_ids == [[2, 5, 3, 7, 3], [2, 6, 3, 8, 3]]


def test_the_tokenizer_is_left_as_it_was():
    tokenizer = tiny_tokenizer()
    before = tokenizer.backend_tokenizer.to_str()
    encode(tokenizer, ["w0 " * 100])
    assert tokenizer.model_max_length == 48
    assert tokenizer("w0 " * 100, verbose=False)["input_ids"].__len__() == 102
    assert tokenizer.backend_tokenizer.to_str() == before


@pytest.mark.parametrize("pairs", [False, True])
def test_joined_rows_are_those_of_both(pairs):
    tokenizer = tiny_tokenizer()
    parts = [["w0 w1", "w2 " * 100], ["w3"]]
    first, second = (encode(tokenizer, part, part if pairs else None) for part in parts)
    texts = [*parts[0], *parts[1]]
    both, expected = joined(first, second), encode(tokenizer, texts, texts if pairs else None)
    assert both.input_ids == expected.input_ids
    assert both.token_type_ids == expected.token_type_ids
    assert both.lengths.tolist() == expected.lengths.tolist()
    assert both.truncated.tolist() == expected.truncated.tolist() == [False, True, False]


@pytest.mark.parametrize("pairs", [False, True])
def test_a_text_without_tokens_is_read_as_one_unknown_word(pairs):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = None  # nothing frames texts
    texts = ["w0", "", " ", "zzz"]
    encoded = encode(tokenizer, texts, texts if pairs else None)
    assert encoded.input_ids == [[5] * (1 + pairs), [1], [1], [1] * (1 + pairs)]
    assert encoded.lengths.tolist() == [1 + pairs, 1, 1, 1 + pairs]
    assert encoded.token_type_ids == ([[0, 1], [0], [0], [0, 1]] if pairs else None)
    assert not encoded.truncated.any()
    tokenizer.unk_token = None
    assert encode(tokenizer, [""]).input_ids == [[2]]
