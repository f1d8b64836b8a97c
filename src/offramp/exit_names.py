"""What exits are called: by their layer, as ``layer 4``, or as the stage of texts that they end calls itself."""

import re
from collections.abc import Sequence


def layer_name(layers: int) -> str:
    """What an exit after so many layers of an encoder is called."""
    return f"layer {layers}"


def layer_of(name: str) -> int | None:
    """The layers of an exit that :func:`layer_name` named; None for exits of other names."""
    found = re.fullmatch(r"layer (\d+)", name)
    return None if found is None else int(found[1])


def in_column(names: Sequence[str]) -> tuple[str, list[str]]:
    """What stands over a column of exits, and what in it: ``after layer`` and ``4``, or ``after`` and a name.

    Args:
        names: of all exits in the column; they stand in full where not all of them are of layers.
    """
    layers = [layer_of(name) for name in names]
    return ("after", list(names)) if None in layers else ("after layer", [str(layer) for layer in layers])
