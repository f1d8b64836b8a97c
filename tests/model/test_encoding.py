import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedTokenizer

from conftest import WORDS, tiny_tokenizer
from helpers.tokenizer_kinds import KINDS, texts_of, wrapped
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


@pytest.fixture(scope="module", params=KINDS)
def kinds(request):
    """Tokenizers of a kind that cut on either side, framing texts as BERT does, as RoBERTa does, or not at all."""
    made = [wrapped(request.param, side, frame) for side in ("left", "right") for frame in (True, False)]
    like_roberta = wrapped(request.param, "right")
    frame = [(token, like_roberta.convert_tokens_to_ids(token)) for token in ("[SEP]", "[CLS]")]
    like_roberta.backend_tokenizer.post_processor = processors.RobertaProcessing(*frame)
    return [*made, like_roberta]


@settings(max_examples=40)
@given(data=st.data(), limit=st.integers(4, 20), pairs=st.booleans(), split=st.booleans())
def test_ids_are_those_that_the_tokenizer_gives(kinds, data, limit, pairs, split):
    tokenizer = data.draw(st.sampled_from(kinds))
    tokenizer.model_max_length, tokenizer.split_special_tokens = limit, split
    texts = data.draw(st.lists(texts_of(8, [1, 1, 2]), min_size=1, max_size=4))
    seconds = data.draw(st.lists(texts_of(8, [1, 1, 2]), min_size=len(texts), max_size=len(texts))) if pairs else None
    given = tokenizer(
        texts, seconds, truncation="longest_first", max_length=limit, return_token_type_ids=True, verbose=False
    )
    encoded = encode(tokenizer, texts, seconds)
    assert encoded.input_ids == [ids or [tokenizer.unk_token_id] for ids in given["input_ids"]]
    if pairs:
        assert encoded.token_type_ids == [types or [0] for types in given["token_type_ids"]]
    lost = [bool(encoding.overflowing) for encoding in given.encodings]
    assert encoded.truncated.tolist() == lost


def test_a_tokenizer_written_in_python_is_read_as_well():
    class Words(PreTrainedTokenizer):
        vocab_size = 9

        def get_vocab(self):
            return {"[UNK]": 0, "w0": 1, "w1": 2}

        def _tokenize(self, text):
            return text.split()

        def _convert_token_to_id(self, token):
            return self.get_vocab().get(token, 0)

    encoded = encode(Words(unk_token="[UNK]", model_max_length=3), ["w0 w1", "", "w0 w1 w0 w1"])
    assert encoded.input_ids == [[1, 2], [0], [1, 2, 1]]
    assert encoded.truncated.tolist() == [False, False, True]
