"""Long lists of texts, a portion after the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from offramp.engine.ahead import ahead
from offramp.engine.choosing import WINDOW

_Made = TypeVar("_Made")
_Portion = tuple[Sequence[str], Sequence[str] | None]


def by_portions(
    make: Callable[[Sequence[str], Sequence[str] | None], _Made],
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
) -> Iterator[_Made]:
    """What ``make`` makes of each portion; where there are several, the next is made while one is worked on."""
    made = (make(*portion) for portion in portions(texts, text_pairs))
    return ahead(made) if len(texts) > WINDOW else made  # a thread for one text would cost more than it saves


def portions(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Iterator[_Portion]:
    """Texts that are sorted and batched together; at least one portion, be it empty."""
    for start in range(0, max(1, len(texts)), WINDOW):
        stop = start + WINDOW
        yield texts[start:stop], None if text_pairs is None else text_pairs[start:stop]
