"""What is found in texts is what is found in each of them word by word, in any script and any company."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.slow_words import grams_of, is_word_character, words_of
from offramp.words import grams as module
from offramp.words.characters import symbols
from offramp.words.grams import BUCKETS, grams, parts

# Any character at all, lone surrogates too, and those of a few scripts and signs more often.
CHARACTERS = st.one_of(
    st.characters(exclude_categories=()),
    st.sampled_from("abcAB 01.,'\n\0_éÉßİΣςσ\u0301\u00ad\u200d\ufe0fไทย漢字かなカ한글हिन्दी😀🏽❤\ud800\udfff"),
)
TEXT = st.text(CHARACTERS, max_size=40)
TEXTS = st.lists(TEXT, max_size=8)


def found_in(texts, text_pairs=None):
    """What is found in each text, counted."""
    found = [Counter() for _ in texts]
    for part in parts(texts, text_pairs):
        rows, buckets = grams(texts[part], None if text_pairs is None else text_pairs[part])
        for row, bucket in zip(rows.tolist(), buckets.tolist(), strict=True):
            found[part.start + row][bucket] += 1
    return found


@given(TEXTS)
@example([])
@example([""])
@example(["", "a", ""])
@example(["one two", "", "three one"])
def test_each_text_has_its_words_their_beginnings_and_pairs(texts):
    assert found_in(texts) == [grams_of(text) for text in texts]


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
@example([("a man sleeps", "A man is awake")])
def test_pairs_have_the_words_of_either_text_and_those_of_both(pairs):
    texts, seconds = [first for first, _ in pairs], [second for _, second in pairs]
    assert found_in(texts, seconds) == [grams_of(first, second) for first, second in pairs]


def test_texts_that_are_read_in_several_goes_have_the_same_words(monkeypatch):
    texts = ["", "a few words of no length " * 9, "漢字" * 50, "x" * 300, "short", "a" * 15 + " b", *"abc", ""]
    whole = found_in(texts)
    monkeypatch.setattr(module, "READ_AT_ONCE", 64)
    assert found_in(texts[:3]) == whole[:3]
    assert found_in(texts[4:]) == whole[4:]
    assert len(list(parts(texts, None))) > 3
    alone = found_in(["x" * 300])  # a word that is longer than what is read at once is cut
    assert found_in(texts)[3] == alone[0]


def test_a_text_of_millions_of_characters_is_read_to_its_end():
    beginning = "many words and more \u00e9 " * 400_000
    (found,) = found_in([beginning + "lastly"])
    assert found[next(iter(grams_of("last")))] == 1
    assert found[next(iter(grams_of("words")))] == 400_000


def test_parts_are_all_rows_in_order_and_none_is_large_but_for_single_rows():
    texts = ["x" * size for size in (0, 5, 40_000, 3, 20_000, 20_000, 70_000, 70_000)] + [""] * 50_000
    found = list(parts(texts, texts))
    assert [part.start for part in found] == [0, *(part.stop for part in found[:-1])]
    assert found[-1].stop == len(texts)
    for part in found:
        assert part.stop - part.start == 1 or sum(2 * len(t) + 1 for t in texts[part]) <= module.READ_AT_ONCE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop", ["don", "t", "stop"]),
        ("ÉTÉ été", ["été", "été"]),
        ("ΟΔΟΣ οδος οδός", ["οδοσ", "οδοσ", "οδόσ"]),
        ("cafe\u0301 1,5", ["cafe\u0301", "1", "5"]),
        ("Straße", ["straße"]),
        ("漢字とカナ", [*"漢字とカナ"]),
        ("ไทย ok", [*"ไทย", "ok"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("so good😀😀!", ["so", "good", "😀", "😀"]),
        ("❤\ufe0f a\0b \ud800c", ["❤", "a", "b", "c"]),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_of(text, words):
    assert ["".join(chr(symbol & 0x1FFFFF) for symbol in word) for word in words_of(text)] == words


def test_letters_digits_and_marks_of_all_scripts_are_in_words():
    """But for those that choose between shapes, and for what lies beyond all scripts."""
    codes = [code for code in range(0x3FFFF) if not 0xFE00 <= code <= 0xFE0F]
    assert all(symbols()[code] != 0 for code in codes if is_word_character(chr(code)))
    assert not symbols()[[0, 9, 10, 32, 46, 0xD800, 0xDFFF, 0x200D, 0x10FFFF]].any()


def test_buckets_are_spread_evenly():
    numbers = [str(number) for number in range(200_000)]
    buckets = np.concatenate([grams(numbers[part], None).buckets for part in parts(numbers, None)])
    words = {bucket for number in numbers[:20_000] for bucket in grams_of(number)}
    assert len(words) > 19_900
    assert np.bincount(buckets * 64 // BUCKETS, minlength=64).max() < 2 * len(buckets) / 64
