"""Windows of long texts."""

import numpy as np
import pytest

from conftest import WORDS, tiny_tokenizer
from offramp.errors import OptionError
from offramp.model.encoding import encode, joined
from offramp.model.windows import LongTexts, ReadOn

READ_ON = ReadOn(windows=3, overlap=1)


def text_of(words):
    return " ".join(WORDS[:words])


def test_windows_overlap_and_are_framed_each():
    encoded = encode(tiny_tokenizer(6), [text_of(7), text_of(4), text_of(30)], read_on=READ_ON)
    assert encoded.input_ids == [[2, 5, 6, 7, 8, 3]] * 3
    assert encoded.further[0] == [[2, 8, 9, 10, 11, 3]]
    assert encoded.further[1] == []
    assert encoded.further[2] == [[2, 8, 9, 10, 11, 3], [2, 11, 12, 13, 14, 3]]
    assert encoded.truncated.tolist() == [False, False, True]
    assert encoded.windows.tolist() == [2, 1, 3]
    assert encoded.tokens.tolist() == [[6, 6, 6], [6, 0, 6], [0, 0, 6]]


def test_the_next_window_of_rows_is_read_like_the_first():
    texts = [text_of(7), text_of(4), text_of(30)]
    encoded = encode(tiny_tokenizer(6), texts, read_on=READ_ON)
    onward = joined(encoded.alone(2), encoded.alone(0)).next_windows(np.array([0, 1]))
    assert onward.input_ids == [[2, 8, 9, 10, 11, 3]] * 2
    assert onward.windows.tolist() == [2, 1]
    last = onward.next_windows(np.array([0]))
    assert last.input_ids == [[2, 11, 12, 13, 14, 3]]
    assert last.truncated.tolist() == [True]


def test_texts_far_longer_than_all_windows_give_the_same_windows():
    long = " ".join(WORDS * 40)
    first, again = (encode(tiny_tokenizer(6), [text], read_on=READ_ON) for text in (long, " ".join(WORDS)))
    assert (first.input_ids, first.further) == (again.input_ids, again.further)


def test_where_texts_are_cut_at_their_beginning_windows_go_backwards():
    tokenizer = tiny_tokenizer(6)
    tokenizer.truncation_side = "left"
    encoded = encode(tokenizer, [text_of(7)], read_on=READ_ON)
    assert encoded.input_ids == [[2, 8, 9, 10, 11, 3]]
    assert encoded.further[0] == [[2, 5, 6, 7, 8, 3]]


def test_windows_say_together_what_the_mean_or_the_maximum_of_their_logits_does():
    alone = np.random.default_rng(0).normal(size=(7, 5, 3)).astype(np.float32)  # an exit before, three windows of two
    for combination, together in (("mean", np.mean), ("maximum", np.max)):
        found = ReadOn(windows=3, overlap=0, combination=combination).combined_exits(alone, 2)
        np.testing.assert_array_equal(found[:3], alone[:3])
        np.testing.assert_allclose(found[4], together(alone[[2, 4]], axis=0), atol=1e-6)
        np.testing.assert_allclose(found[5], together(alone[[2, 4, 5]], axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long": "read_on"}, "use 'cut' or 'read-on'"),
        ({"long": "read-on", "windows": 0}, "windows is 0; use a number from 2 to 32"),
        ({"long": "read-on", "overlap": -1}, "overlap is -1"),
        ({"long": "cut", "windows": 3}, "windows is 3, which does nothing unless"),
        ({"overlap": 3}, "overlap is 3, which does nothing unless"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        LongTexts(**options)


def test_what_is_left_out_stays_as_it_is():
    assert LongTexts().reading(tiny_tokenizer(), READ_ON) == READ_ON
    assert LongTexts(long="cut").reading(tiny_tokenizer(), READ_ON) is None
    for length, overlap in ((18, 4), (512, 32)):
        reading = LongTexts(long="read-on", windows=2).reading(tiny_tokenizer(length), READ_ON)
        assert reading == ReadOn(windows=2, overlap=overlap)
