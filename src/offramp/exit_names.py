"""Names of exits: by their layer, as ``layer 4``, or the name of the text stage that they end.

In a chain of models the number of the model follows: ``layer 4 of model 2``.
"""

import re
from collections import Counter
from collections.abc import Sequence


def layer_name(layers: int) -> str:
    """The name of an exit after this many layers of an encoder."""
    return f"layer {layers}"


def layer_of(name: str) -> int | None:
    """The layers of an exit that :func:`layer_name` named; None for exits of other names."""
    match = re.fullmatch(r"layer (\d+)", name)
    return None if match is None else int(match[1])


def names_in_chain(models: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What the exits of models are called in a chain: those after layers, and names that several have, by model.

    Args:
        models: the names that the exits of each model have on its own.
    """
    if len(models) == 1:
        return tuple(models[0])
    times = Counter(name for names in models for name in names)
    return tuple(
        name if layer_of(name) is None and times[name] == 1 else f"{name} of model {number}"
        for number, names in enumerate(models, 1)
        for name in names
    )


def name_in_model(name: str) -> str:
    """What an exit is called in its model, given what it is called in a chain of models."""
    return re.sub(r" of model \d+$", "", name)


def in_column(names: Sequence[str]) -> tuple[str, list[str]]:
    """The header and the cells of a column of exits: ``after layer`` and ``4``, or ``after`` and the full names.

    Args:
        names: of all exits in the column; shortened only if all are names of layers.
    """
    layers = [layer_of(name) for name in names]
    return ("after", list(names)) if None in layers else ("after layer", [str(layer) for layer in layers])
