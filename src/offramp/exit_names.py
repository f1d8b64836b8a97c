"""Names of exits: by their layer, as ``layer 4``, or the name of the text stage that they end.

Where long texts are read window by window, the number of the window follows: ``layer 4 of window 2``; in a chain of
models, that of the model: ``layer 4 of model 2``.
"""

import re
from collections import Counter
from collections.abc import Sequence

WORDS = "words"
"""The exit of a model of words before an encoder."""


def layer_name(layers: int) -> str:
    """The name of an exit after this many layers of an encoder."""
    return f"layer {layers}"


def layer_of(name: str) -> int | None:
    """The layers of an exit that :func:`layer_name` named; None for exits of other names."""
    match = re.fullmatch(r"layer (\d+)", name)
    return None if match is None else int(match[1])


def in_window(name: str, window: int) -> str:
    """What an exit is called in a window, by its number from 1, of a model that reads long texts so."""
    return f"{name} of window {window}"


def window_of(name: str) -> int | None:
    """The window that an exit's name tells; None if it tells none."""
    match = re.search(r" of window (\d+)$", name)
    return None if match is None else int(match[1])


def in_window_before(names: Sequence[str]) -> list[int | None]:
    """Of each exit the index of the exit after the same layer in the window before; None where there is none."""
    places = {name: place for place, name in enumerate(names)}
    found: list[int | None] = []
    for name in names:
        window = window_of(name)
        found.append(None if window is None else places.get(in_window(_without_window(name), window - 1)))
    return found


def _without_window(name: str) -> str:
    return re.sub(r" of window \d+$", "", name)


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


def _model_of(name: str) -> str | None:
    """The model that an exit's name in a chain tells, as ``model 2``; None if it tells none."""
    match = re.search(r" of (model \d+)$", name)
    return None if match is None else match[1]


def stands_alone(names: Sequence[str], exit_index: int) -> bool:
    """Whether nothing is cut in two where everything ends after an exit.

    That is after a text stage, a whole model of a chain, or a whole window of long texts.

    Args:
        names: of all exits.
        exit_index: of an exit that is not the last.
    """
    here, following = names[exit_index], names[exit_index + 1]
    if layer_of(_without_window(name_in_model(here))) is None:
        return True
    return _model_of(here) != _model_of(following) or window_of(here) != window_of(following)


def part_of(names: Sequence[str]) -> list[int]:
    """Of each exit the part that it belongs to, counted from 0: a text stage, or an encoder with all its windows."""
    parts = [0]
    for place, name in enumerate(names[1:]):
        reads_on = window_of(name) is not None and window_of(name) != 1
        parts.append(parts[-1] + (stands_alone(names, place) and not reads_on))
    return parts


def is_rival(names: Sequence[str], exit_index: int) -> bool:
    """Whether what ends after an exit, not the last, is what one would run otherwise.

    That is something that :func:`stands_alone`, or a network that is cut off and reads the beginning of texts.
    """
    return window_of(names[exit_index]) in {None, 1} or stands_alone(names, exit_index)


def end_of_first_window(names: Sequence[str]) -> int:
    """The index of the exit at which the first window of long texts has been read; the last where they are cut."""
    return max((index for index, name in enumerate(names) if window_of(name) == 1), default=len(names) - 1)


def alone(name: str) -> str:
    """What is left if everything ends after an exit that :func:`stands_alone`.

    Such as ``words alone``, ``model 1 alone``, ``window 1 alone``, ``windows 1 to 2 alone``.
    """
    if (window := window_of(name)) is not None:
        return f"window{'' if window == 1 else 's 1 to'} {window} alone"
    whole_model = layer_of(name_in_model(name)) is not None
    return f"{_model_of(name) if whole_model else name} alone"


def in_column(names: Sequence[str]) -> tuple[str, list[str]]:
    """The header and the cells of a column of exits: ``after layer`` and ``4``, or ``after`` and the full names.

    Args:
        names: of all exits in the column; shortened only if all are names of layers.
    """
    layers = [layer_of(name) for name in names]
    return ("after", list(names)) if None in layers else ("after layer", [str(layer) for layer in layers])
