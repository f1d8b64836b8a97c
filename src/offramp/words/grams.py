"""The words of many texts at once, their beginnings, and pairs that follow each other, as numbers.

Nothing here is done word by word. The characters of all texts lie in one array; sums of each character times a power
of some number, from the first one to any place, give the hash of any word as a difference of two of them (Karp and
Rabin, 1987). What is found in a text depends on that text alone.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from offramp.words.characters import ALONE, symbols

BITS = 22
BUCKETS = 1 << BITS
"""So many things can be told apart; two that share a number are the same to the model."""

# So many characters are read at a time: few enough for the caches of a core, and enough to be worth the calls.
READ_AT_ONCE = 1 << 15

# What longer words begin with is a word, too: forms of a word have it in common.
BEGINNING = 4

_BASE = 0x9E3779B97F4A7C15
_FIRST_MIXER, _SECOND_MIXER = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
# What a word is found in: a text, the second text of a pair, or both.
_SIDES = (np.uint64(0), np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F))
_SHIFT = np.uint64(31)
_TO_BUCKET = np.uint64(64 - BITS)


class Grams(NamedTuple):
    """What was found in texts, in no order; what occurs twice in a text is there twice.

    Attributes:
        rows: whose they are, int64 (grams,).
        buckets: what they are, int64 (grams,), in [0, ``BUCKETS``).
    """

    rows: NDArray[np.int64]
    buckets: NDArray[np.int64]


class _Words(NamedTuple):
    """Words in the order of their texts, and beginnings of the longer ones: the row and the hash of each."""

    rows: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    rows_of_beginnings: NDArray[np.int64]
    beginnings: NDArray[np.uint64]


def parts(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Iterator[slice]:
    """Cuts rows into parts to be read at once: of at most ``READ_AT_ONCE`` characters, or a single row."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    if text_pairs is not None:
        sizes += np.fromiter(map(len, text_pairs), np.int64, len(texts))
    ends = np.cumsum(sizes + 1)
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + READ_AT_ONCE, "right")))
        yield slice(start, stop)
        start = stop


def words_of(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Finds the words of any number of texts, alone.

    Returns:
        Whose each word is and its hash, (words,), in the order of the texts.
    """
    rows, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for part in parts(texts, None):
        found = _words(texts[part])
        rows.append(found.rows + part.start)
        hashes.append(found.hashes)
    return np.concatenate(rows), np.concatenate(hashes)


def grams(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Grams:
    """Finds words, their beginnings and pairs of words in one of the :func:`parts`.

    Those of the second text of a pair are others than those of the first, and words that both texts have count once
    more, as a third kind.
    """
    words = _words(texts)
    found = _of_side(words, 0)
    if text_pairs is not None:
        others = _words(text_pairs)
        found += [*_of_side(others, 1), _in_both(words, others)]
    return Grams(*map(np.concatenate, zip(*found, strict=True)))


def _of_side(words: _Words, side: int) -> list[Grams]:
    follows = words.rows[1:] == words.rows[:-1]
    pairs = words.hashes[:-1] * _SECOND_MIXER
    pairs += words.hashes[1:]
    return [
        Grams(words.rows, _bucket(words.hashes, side)),
        Grams(words.rows_of_beginnings, _bucket(words.beginnings, side)),
        Grams(words.rows[1:][follows], _bucket(_mixed(pairs[follows]), side)),
    ]


def _in_both(first: _Words, second: _Words) -> Grams:
    """The words that both texts of a row have, once each."""
    here, there = (one.rows << BITS | _bucket(one.hashes, 0) for one in (first, second))
    keys = np.intersect1d(here, there)
    return Grams(keys >> BITS, _bucket(_mixed((keys & (BUCKETS - 1)).astype(np.uint64)), 2))


def _words(texts: Sequence[str]) -> _Words:
    if len(texts) > 1 or len(texts[0]) <= READ_AT_ONCE:
        return _read(texts)
    return _Words(*map(np.concatenate, zip(*(_read([piece]) for piece in _pieces(texts[0])), strict=True)))


def _pieces(text: str) -> Iterator[str]:
    """Cuts a long text where there are spaces, or anywhere if there is none for long."""
    start = 0
    while start < len(text):
        stop = start + READ_AT_ONCE
        if stop < len(text):
            stop = text.rfind(" ", start, stop) + 1 or stop
        yield text[start:stop]
        start = stop


def _read(texts: Sequence[str]) -> _Words:
    powers, inverses = _powers()
    joined = "\n" + "\n".join(texts) + "\n"
    read = symbols().take(np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32))
    before, last = _edges(read)
    sums = np.multiply(read, powers[: len(read)], dtype=np.uint64)
    np.cumsum(sums, out=sums)

    def hashes(before: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.uint64]:
        return _mixed((sums[last] - sums[before]) * inverses[before])

    text_ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    counts = np.diff(np.searchsorted(before, text_ends), prepend=0)
    rows = np.repeat(np.arange(len(texts)), counts)
    longer = np.flatnonzero(last - before > BEGINNING)
    begins = before[longer]
    return _Words(rows, hashes(before, last), rows[longer], hashes(begins, begins + BEGINNING))


def _edges(read: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where words are in an array of symbols that begins and ends with none: the place before, and the last one."""
    is_word = read != 0
    joins = read - np.uint32(1) < ALONE - np.uint32(1)  # 0, which parts words, wraps around
    goes_on = joins[1:] & joins[:-1]
    return np.flatnonzero(is_word[1:] > goes_on), np.flatnonzero(is_word[:-1] > goes_on)


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Lets every bit depend on many; works in place."""
    hashes ^= hashes >> _SHIFT
    hashes *= _FIRST_MIXER
    hashes ^= hashes >> _SHIFT
    return hashes


def _bucket(hashes: NDArray[np.uint64], side: int) -> NDArray[np.int64]:
    return ((hashes ^ _SIDES[side]) * _SECOND_MIXER >> _TO_BUCKET).astype(np.int64)


@cache
def _powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Powers of the base and of its inverse, modulo 2 ** 64, for as many characters as are read at once."""
    size = READ_AT_ONCE + 2
    powers = (np.full(size, base, np.uint64) for base in (_BASE, pow(_BASE, -1, 1 << 64)))
    first, second = (np.multiply.accumulate(one) for one in powers)
    return first, second
