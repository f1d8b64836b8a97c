"""Names of exits: by their layer, as ``layer 4``, or the name of the text stage that they end."""

import re
from collections.abc import Sequence


def layer_name(layers: int) -> str:
    """The name of an exit after this many layers of an encoder."""
    return f"layer {layers}"


def layer_of(name: str) -> int | None:
    """The layers of an exit that :func:`layer_name` named; None for exits of other names."""
    match = re.fullmatch(r"layer (\d+)", name)
    return None if match is None else int(match[1])


def in_column(names: Sequence[str]) -> tuple[str, list[str]]:
    """The header and the cells of a column of exits: ``after layer`` and ``4``, or ``after`` and the full names.

    Args:
        names: of all exits in the column; shortened only if all are names of layers.
    """
    layers = [layer_of(name) for name in names]
    return ("after", list(names)) if None in layers else ("after layer", [str(layer) for layer in layers])
