"""The ``chain`` verb: several models in a row, the small ones first, as one model."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from offramp.data.wording import count
from offramp.errors import OptionError, StorageError, check_path
from offramp.files import replacing, write_json
from offramp.folder import CARD, CHAIN, CONFIG, Chain
from offramp.model.folder import CHAIN_TYPE, check_chain, check_single
from offramp.model.origin import Origin, card_front, card_use, origin_of
from offramp.progress import OnProgress, unheard
from offramp.training.checks import check_output

_CARD = """---
{front}
---

# Early-exit text classifiers in a row

{count} in a row, the first one first: {models}. A text leaves at the first exit that is sure enough, by the default
operating point of `operating_points.json`, if there is one, or at a calibrated confidence of 0.9, or less if
the last model is seldom as sure; where no exit of a model is sure, the next model reads it. Full depth is that of the
last model.

{use}

Each model lies in a folder of its own, {folders}, with a card that says what it was made of. `transformers` reads each
of them, at full depth and without temperatures, once `offramp` is imported; it does not read the chain.
"""


@dataclass(frozen=True, slots=True)
class Chained:
    """What was written.

    Attributes:
        folder: of the chain.
        models: the folders of its models in it, in the order in which texts pass them.
        labels: names in the order of the chain's answers, which is that of the last model.
    """

    folder: Path
    models: tuple[Path, ...]
    labels: tuple[str, ...]


def chain(
    models: Sequence[str | Path], *, output: str | Path, overwrite: bool = False, on_progress: OnProgress = unheard
) -> Chained:
    """Puts models in a row as one: a text goes on to the next model where no exit of those before was sure of it.

    Full depth is that of the last model. The folder that is written holds a whole copy of each model, with its own
    tokenizer, temperatures and exports, and is a model folder like any other: :func:`offramp.tune` finds thresholds
    over all exits, with one guarantee against the last model's answers. Labels are matched by name; the chain has the
    order of the last model.

    Args:
        models: two model folders or more, or hub ids; the cheapest first.
        output: the model folder to write.
        overwrite: replace an existing model folder.
        on_progress: is told what is being done, how many of how many parts.

    Raises:
        ModelFolderError: a folder is missing, not an offramp model, a chain itself, or damaged; or the models have
            other labels, or are for other kinds of texts.
        OptionError: there are fewer than two models, one is named twice, or the output exists or lies in one of them.
        StorageError: a folder cannot be read or written.

    Example:
        >>> chained = offramp.chain(["small-model", "model"], output="new-chain")
        >>> chained.labels
        ('bad', 'good')
        >>> offramp.load("new-chain").exit_names
        ('layer 1 of model 1', ..., 'layer 4 of model 1', 'layer 1 of model 2', ..., 'layer 4 of model 2')
    """
    folder = Path(output)
    names = _checked(models)
    check_output(folder, overwrite)
    from offramp.engine.hub import folder_of

    folders = [folder_of(name) for name in names]
    _check_apart(folders, folder)
    known = {str(folder): check_single(folder) for folder in folders}
    check_chain(known)
    last = known[str(folders[-1])]
    places = tuple(f"model-{number}" for number in range(1, len(folders) + 1))
    with replacing(folder) as new:
        new.mkdir()
        for number, (source, place) in enumerate(zip(folders, places, strict=True)):
            on_progress("copying models", number, len(folders))
            _copy(source, new / place)
        CHAIN.write(new, Chain(places))
        # transformers, and whoever looks at the folder with it, is told what it is.
        write_json(new / CONFIG, {"model_type": CHAIN_TYPE, "models": list(places)})
        (new / CARD).write_text(_card(names, folders, places, pairs=last.takes_pairs), encoding="utf-8")
    return Chained(folder, tuple(folder / place for place in places), last.labels)


def _checked(models: Sequence[str | Path]) -> list[str | Path]:
    """The models as they were named, which are several."""
    if isinstance(models, str | Path):
        raise OptionError(f"models is {str(models)!r}, one model; give a list of two or more", option="models")
    for model in models:
        check_path("models", model)
    if len(models) < 2:
        raise OptionError(f"a chain takes two models or more, not {count(len(models), 'model')}; name others")
    return list(models)


def _check_apart(folders: Sequence[Path], output: Path) -> None:
    """Refuses a model that is named twice, and an output that is one of the models or lies in one."""
    places = [folder.resolve() for folder in folders]
    for number, (folder, place) in enumerate(zip(folders, places, strict=True)):
        if place in places[:number]:
            raise OptionError(f"the model {folder} is named twice; name it once: it would only repeat itself")
        if place in (output.resolve(), *output.resolve().parents):
            raise OptionError(
                f"output {output} is or lies in the model {folder}, which would be lost or changed; choose another",
                option="output",
                path=output,
            )
        if output.resolve() in place.parents:
            raise OptionError(
                f"the model {folder} lies in output {output}, which would be replaced; choose another output",
                option="output",
                path=output,
            )


def _copy(source: Path, target: Path) -> None:
    """Copies a model folder, but for what is hidden: a chain goes on where a model of before is changed or gone."""
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))
    except shutil.Error as error:
        (name, _, cause), *_ = error.args[0]
        raise StorageError(f"cannot copy {name}: {cause}; check its permissions and the space on the disk") from error


def _card(names: Sequence[str | Path], folders: Sequence[Path], places: Sequence[str], *, pairs: bool) -> str:
    """The card of a chain, with what the cards of its models say of where they come from."""
    origins = [origin_of(str(folder)) for folder in folders]
    licenses = list(dict.fromkeys(replace(origin, base_model=None) for origin in origins))
    base_models = dict.fromkeys(origin.base_model for origin in origins if origin.base_model is not None)
    return _CARD.format(
        front=card_front(licenses[0] if len(licenses) == 1 else Origin(), list(base_models)),
        count=count(len(folders), "classifier"),
        models=", ".join(f"`{Path(name).name.replace('`', chr(39))}`" for name in names),
        folders=" and ".join(f"`{place}`" for place in places),
        use=card_use(pairs=pairs),
    )
