"""A model of words answers alike in any company, and a file gives it back bit for bit."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from helpers.damage import halve
from helpers.slow_words import logits_of
from helpers.toys import LABELS, single
from offramp.calibration import Problem
from offramp.errors import ModelFolderError
from offramp.folder import WORDS
from offramp.words import Words, fit
from offramp.words.linear import Layer
from offramp.words.words import MOST_BYTES, AboutWords, most_features

TEXTS = [row["text"] for row in single(60)]
TARGETS = np.array([LABELS.index(row["label"]) for row in single(60)])
STRANGE = ["", "w1", "W1 é 漢字 w4 w4 w4 \ud800", "w7 " * 30, "\0", "nothing known", "w1" * 40_000, "w2 😀" * 9_000]


@pytest.fixture(scope="module")
def words():
    return fit(TEXTS, TARGETS, labels=LABELS, problem=Problem.SINGLE_LABEL)


@pytest.fixture(scope="module")
def words_of_pairs():
    return fit(TEXTS, TARGETS, labels=LABELS, problem=Problem.SINGLE_LABEL, text_pairs=TEXTS[::-1])


@settings(max_examples=50)
@given(st.lists(st.sampled_from(TEXTS + STRANGE) | st.text(max_size=30), max_size=20), st.randoms())
def test_the_answer_is_the_same_in_any_company_bit_for_bit(words, words_of_pairs, texts, randomly):
    together = words.logits(texts)
    order = randomly.sample(range(len(texts)), len(texts))
    np.testing.assert_array_equal(words.logits([texts[row] for row in order]), together[order])
    for text, logits in zip(texts, together, strict=True):
        np.testing.assert_array_equal(words.logits([text]), logits[None])
    pairs = texts[::-1]
    together = words_of_pairs.logits(texts, pairs)
    for text, pair, logits in zip(texts, pairs, together, strict=True):
        np.testing.assert_array_equal(words_of_pairs.logits([text], [pair]), logits[None])


@given(st.lists(st.sampled_from(TEXTS[:5] + STRANGE[:6]) | st.text("w123 é漢", max_size=30), max_size=5))
def test_the_answer_is_that_of_weights_and_words_read_one_by_one(words, words_of_pairs, texts):
    expected = np.array([logits_of(words, text) for text in texts]).reshape(-1, len(LABELS))
    np.testing.assert_allclose(words.logits(texts), expected, atol=1e-4)
    expected = np.array([logits_of(words_of_pairs, text, TEXTS[0]) for text in texts]).reshape(-1, len(LABELS))
    np.testing.assert_allclose(words_of_pairs.logits(texts, [TEXTS[0]] * len(texts)), expected, atol=1e-4)


def test_without_a_known_word_a_text_gets_what_is_likely_without_looking(words):
    found = words.logits(["", "  \n\0", "unknown"])
    np.testing.assert_array_equal(found, np.tile(found[0], (3, 1)))
    assert np.isfinite(found).all()
    assert words.logits([]).shape == (0, 3)


def test_a_file_gives_the_model_back_bit_for_bit(words, tmp_path):
    words.save(tmp_path)
    again = Words.load(str(tmp_path))
    np.testing.assert_array_equal(again.logits(TEXTS + STRANGE), words.logits(TEXTS + STRANGE))
    assert again.about == words.about
    assert again.fingerprint() == words.fingerprint()
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / WORDS).read_bytes() == (tmp_path / WORDS).read_bytes()
    assert "labels a, b, c" in repr(again)


def test_the_fingerprint_tells_models_apart(words, words_of_pairs):
    renamed = Words(AboutWords(("x", "y", "z"), *_rest(words)), words._arrays)
    assert len({words.fingerprint(), words_of_pairs.fingerprint(), renamed.fingerprint()}) == 3


def test_the_largest_model_fits_into_the_file(tmp_path):
    labels = tuple(f"{'a long name ' * 20}{number}" for number in range(150))
    size = most_features(len(labels))
    layer = Layer(np.ones((size, len(labels)), np.float32), np.zeros(len(labels), np.float32))
    about = AboutWords(labels, Problem.SINGLE_LABEL, 1, 1.0)
    Words.from_layer(about, np.arange(size), np.ones(size), layer).save(tmp_path)
    assert 0.95 * MOST_BYTES < (tmp_path / WORDS).stat().st_size <= MOST_BYTES


def test_a_label_that_no_word_speaks_for_has_weights_of_zero():
    layer = Layer(np.array([[1, 0], [-2, 0]], np.float32), np.array([0.5, -3], np.float32))
    about = AboutWords(("yes", "no"), Problem.MULTI_LABEL, 1, 1.0)
    found = Words.from_layer(about, np.array([3, 9]), np.ones(2), layer)
    np.testing.assert_allclose(found._layer.weights, layer.weights, atol=2 / 127)
    np.testing.assert_array_equal(found.logits(["a"]), [[0.5, -3]])


def damaged(folder, about=None, **changes):
    """Changes what is in the file of a model of words; a tensor that becomes None is left out."""
    with safe_open(folder / WORDS, "numpy") as content:
        stored = json.loads(content.metadata()["words"])
    tensors = {name: array for name, array in (load_file(folder / WORDS) | changes).items() if array is not None}
    save_file(tensors, folder / WORDS, {"words": json.dumps(stored | (about or {}))})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"weights": None}, "it holds biases, buckets, rarities, scales, not biases,"),
        ({"weights": np.zeros((2, 3), np.int8)}, r"its weights are int8 \(2, 3\), not int8"),
        ({"biases": np.zeros(3)}, r"its biases are float64 \(3,\), not float32 \(3,\)"),
        ({"scales": np.array([1, np.nan, 1], np.float32)}, "some of its scales are not finite"),
        ({"buckets": np.array(7, np.uint32)}, r"its buckets are uint32 \(\), not"),
        ({"about": {"schema": 99}}, "its schema is 99, and this version of offramp reads 1"),
        ({"about": {"problem": "regression"}}, "problem is 'regression', not one of"),
        ({"about": {"labels": ["a"]}}, "not int8 .*, 1"),
    ],
)
def test_a_damaged_file_gives_one_clear_error(words, tmp_path, changes, told):
    words.save(tmp_path)
    damaged(tmp_path, **changes)
    with pytest.raises(ModelFolderError, match=rf"{WORDS} is damaged \(.*{told}.*; restore it or") as error:
        Words.load(tmp_path)
    assert "\n" not in str(error.value)


def test_buckets_out_of_order_are_damage(words, tmp_path):
    words.save(tmp_path)
    damaged(tmp_path, buckets=words._arrays["buckets"][::-1].copy())
    with pytest.raises(ModelFolderError, match="its buckets do not increase from 0 to 4194303"):
        Words.load(tmp_path)


def test_half_a_file_none_and_another_are_told(words, tmp_path):
    with pytest.raises(ModelFolderError, match=f"has no {WORDS}; restore it or train"):
        Words.load(tmp_path)
    words.save(tmp_path)
    halve(tmp_path / WORDS)
    with pytest.raises(ModelFolderError, match=f"{WORDS} is damaged"):
        Words.load(tmp_path)
    save_file({"weights": np.zeros(3)}, tmp_path / WORDS)
    with pytest.raises(ModelFolderError, match=r"is damaged \(it is None, not an object\)"):
        Words.load(tmp_path)
    os.truncate(tmp_path / WORDS, 0)
    with pytest.raises(ModelFolderError, match=f"{WORDS} is damaged"):
        Words.load(tmp_path)


def _rest(words):
    return words.about.problem, words.about.rows, words.about.strength
