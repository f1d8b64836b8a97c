"""What a character is to a word: part of it, a word of its own, or what parts words."""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

ALONE = np.uint32(1 << 31)
"""This bit of a symbol says that the character is a word of its own."""

# Beyond lie private characters and tags, which part words.
_READ = 0x40000

# Scripts that put no spaces between words: Thai and Lao, Myanmar, Khmer, Tai, Javanese, Chinese and Japanese. Their
# characters are words of their own, so that what others call bigrams of words are bigrams of characters here.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x19FF),
    (0x1A20, 0x1AAF),
    (0x3005, 0x3007),
    (0x3040, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA980, 0xA9DF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)
# They choose between shapes of the character before them.
_VARIATION_SELECTORS = (0xFE00, 0xFE0F)


@cache
def symbols() -> NDArray[np.uint32]:
    """The symbol of each code point, (0x110000,): 0 where it parts words, else that of its lower case.

    Letters, digits and combining marks of every script make words. Emoji and other pictures are words of their own,
    as are the characters of scripts that put no spaces between words. What differs in case alone has one symbol; a
    letter whose other case is several letters, such as the German sharp s, keeps its own.
    """
    table = np.zeros(0x110000, np.uint32)
    for code in range(_READ):
        character = chr(code)
        category = unicodedata.category(character)
        if category[0] in "LNM":
            folded = character.casefold()
            table[code] = ord(folded if len(folded) == 1 else character.lower()[0])
        elif category == "So":
            table[code] = code | ALONE
    for first, last in _UNSPACED:
        part = table[first : last + 1]
        part[part != 0] |= ALONE
    table[slice(*_VARIATION_SELECTORS)] = 0
    table[_VARIATION_SELECTORS[1]] = 0
    return table
