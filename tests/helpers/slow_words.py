"""What a model of words reads, said plainly: word by word, and slow."""

import math
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np

from offramp.words.characters import ALONE, symbols
from offramp.words.grams import BEGINNING, BITS

_BASE, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
_MIXERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SIDES = (0, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F)


def words_of(text):
    """The words of a text, each as its symbols."""
    words, open_word = [], False
    for character in text:
        symbol = int(symbols()[ord(character)])
        alone = bool(symbol & int(ALONE))
        if symbol and (alone or not open_word):
            words.append([])
        if symbol:
            words[-1].append(symbol)
        open_word = symbol != 0 and not alone
    return words


def grams_of(text, text_pair=None):
    """The buckets of all that is found in a text, or in a pair, with how often it is there."""
    found = _of_side(text, 0)
    if text_pair is not None:
        found += _of_side(text_pair, 1)
        both = {_bucket(_hash(word), 0) for word in words_of(text)} & {
            _bucket(_hash(w), 0) for w in words_of(text_pair)
        }
        found += [_bucket(_mixed(one), 2) for one in both]
    return Counter(found)


def logits_of(words, text, text_pair=None):
    """What a model of words says of a text, up to rounding."""
    arrays = words._arrays
    places = {bucket: place for place, bucket in enumerate(arrays["buckets"].tolist())}
    values = {
        places[bucket]: (1 + math.log(count)) * float(arrays["rarities"][places[bucket]])
        for bucket, count in grams_of(text, text_pair).items()
        if bucket in places
    }
    length = math.sqrt(sum(value**2 for value in values.values())) or 1
    weights = arrays["weights"] * arrays["scales"].astype(np.float64)
    return arrays["biases"] + sum((value / length * weights[place] for place, value in values.items()), 0.0)


def is_word_character(character):
    return unicodedata.category(character)[0] in "LNM"


def _of_side(text, side):
    words = words_of(text)
    hashes = [_hash(word) for word in words]
    beginnings = [_hash(word[:BEGINNING]) for word in words if len(word) > BEGINNING]
    pairs = [_mixed((first * _MIXERS[1] + second) & _MASK) for first, second in pairwise(hashes)]
    return [_bucket(one, side) for one in hashes + beginnings + pairs]


def _hash(word):
    return _mixed(sum(symbol * pow(_BASE, place + 1, 1 << 64) for place, symbol in enumerate(word)) & _MASK)


def _mixed(number):
    number ^= number >> 31
    number = number * _MIXERS[0] & _MASK
    return number ^ number >> 31


def _bucket(number, side):
    return ((number ^ _SIDES[side]) * _MIXERS[1] & _MASK) >> (64 - BITS)
