"""After which layers of an encoder exits sit."""

import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

from offramp.errors import OptionError

# The paper's own choices for BERT-base and BERT-large, and the same spread on six layers.
_DEFAULT_EXITS = {6: (1, 2, 4, 6), 12: (1, 4, 7, 12), 24: (1, 5, 13, 24)}


def default_exits(depth: int) -> tuple[int, ...]:
    """Four exits spread as in the paper: after the first layer, near a quarter, past the middle, and at full depth."""
    spread = (1, 1 + round(0.25 * (depth - 1)), 1 + round(0.54 * (depth - 1)), depth)
    return _DEFAULT_EXITS.get(depth, tuple(sorted(set(spread))))


def resolve_exits(exits: Sequence[int | str] | str | None, depth: int) -> tuple[int, ...]:
    """Turns what a user wrote into exits of a ``depth``-layer encoder.

    Args:
        exits: numbers of layers run before each exit, the same as text (``"1,2,4"``), ``"all"``, or None for the
            default. Full depth is added where it is missing: the last exit is the whole network.
        depth: layers of the encoder.

    Raises:
        OptionError: not numbers, outside 1..depth, or one is there twice.
    """
    if exits is None:
        return default_exits(depth)
    layers = numbers_of(exits)
    if layers is None:
        return tuple(range(1, depth + 1))
    wrong = sorted(layer for layer in layers if not 1 <= layer <= depth)
    if wrong:
        listed = ", ".join(map(str, wrong))
        raise OptionError(
            f"no exit fits after layer {listed}: this encoder has {depth} layers, so use 1 to {depth}",
            option="exits",
            value=exits,
        )
    return tuple(sorted(layers | {depth}))


def numbers_of(exits: Sequence[int | str] | str) -> set[int] | None:
    """The numbers that a user wrote; None for ``"all"``.

    Raises:
        OptionError: not numbers, or one is there twice.
    """
    if exits == "all":
        return None
    try:
        numbers: Sequence[Any] = exits
        layers = list(map(int, exits.split(",")) if isinstance(exits, str) else map(operator.index, numbers))
    except (TypeError, ValueError):
        raise OptionError(
            f"exits {exits!r} are not layer numbers; write them as 1,2,4 or 'all', perhaps with words: words,1,2,4",
            option="exits",
            value=exits,
        ) from None
    if repeated := sorted(layer for layer, times in Counter(layers).items() if times > 1):
        raise OptionError(
            f"exits name layer {', '.join(map(str, repeated))} more than once; name each layer once",
            option="exits",
            value=exits,
        )
    return set(layers)


def check_cut(layers: int, depth: int) -> None:
    """Makes sure that a ``depth``-layer encoder can be cut off after so many layers.

    Raises:
        OptionError: it has not as many, or none would be left.
    """
    if not 1 <= layers <= depth:
        raise OptionError(
            f"layers is {layers}: this encoder has {depth} layers, so use 1 to {depth}", option="layers", value=layers
        )


def check_new_exits(exits: Sequence[int]) -> None:
    """Makes sure that there are exits before the last, which is the head that a classifier has already.

    Raises:
        OptionError: there are none.
    """
    if len(exits) < 2:
        raise OptionError(
            f"exits are {list(exits)}: the classifier itself; name at least one layer before it",
            option="exits",
            value=exits,
        )
