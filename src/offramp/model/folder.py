"""What a model folder holds, as far as that shows without PyTorch, which takes seconds to import."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from offramp.errors import ModelFolderError
from offramp.files import RESTORE, check_folder_readable, check_readable, is_there, read_json, write_json
from offramp.folder import CHAIN, CONFIG, TOKENIZER, WEIGHTS, models_of
from offramp.model.labels import MULTI_LABEL
from offramp.model.windows import ReadOn

MODEL_TYPE = "offramp"
CHAIN_TYPE = "offramp_chain"
_SHOWN = 20  # labels


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the configuration of a model folder says of the model.

    Attributes:
        labels: label names in the order of the probabilities.
        takes_pairs: whether it was trained on pairs of texts.
        multi_label: whether it gives any number of labels.
        reads_on: whether it reads long texts window by window.
        experts: whether each of its tokens runs through one of several feed-forward blocks.
    """

    labels: tuple[str, ...]
    takes_pairs: bool
    multi_label: bool
    reads_on: bool = False
    experts: bool = False


def check_folder(folder: Path) -> ModelFacts:
    """Makes sure that a folder is a model of ours with all its files; what is in them shows when they are loaded.

    Of a chain all models are looked at, and the last tells what is true of the chain.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or lacks a file; or the models of a chain do not
            go together.
        StorageError: the folder or the weights may not be read.
    """
    models = models_of(folder)
    if models == (folder,):
        return check_single(folder)
    known = {str(model): check_single(model) for model in models}
    check_chain(known)
    return known[str(models[-1])]


def check_chain(models: Mapping[str, ModelFacts]) -> None:
    """Makes sure that models can stand in a row: the same labels, by name and in any order, for the same texts.

    Args:
        models: what is known of each, by what it is called.

    Raises:
        ModelFolderError: they cannot.
    """
    last, expected = list(models.items())[-1]
    for name, facts in list(models.items())[:-1]:
        if facts.reads_on:
            raise ModelFolderError(
                f"{name} reads long texts window by window, which only the last model of a chain can; run  offramp "
                f"calibrate {name} --long cut  first"
            )
    for name, facts in models.items():
        if _kind(facts) != _kind(expected):
            raise ModelFolderError(
                f"{name} {_kind(facts)}, and {last} {_kind(expected)}; the models of a chain have to be of one kind"
            )
        if set(facts.labels) != set(expected.labels):
            raise ModelFolderError(
                f"{name} has the labels {_told(facts, beside=expected)}, and {last} has "
                f"{_told(expected, beside=facts)}; the models of a chain need the same names, in any order: train them "
                "on the same labels, or name outputs alike with 'offramp attach --labels'"
            )


def _kind(facts: ModelFacts) -> str:
    texts = "pairs of texts" if facts.takes_pairs else "single texts"
    return f"gives {texts} {'any number of labels' if facts.multi_label else 'one label'}"


def _told(facts: ModelFacts, beside: ModelFacts) -> str:
    """Some label names; those that the other model lacks come first."""
    labels = sorted(facts.labels, key=lambda label: label in beside.labels)
    return ", ".join(labels[:_SHOWN]) + (f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else "")


def store_reading(folder: Path, read_on: ReadOn | None) -> None:
    """Writes into the configuration of a model folder how long texts are read window by window; None for cut.

    Raises:
        ModelFolderError: the configuration is damaged.
        StorageError: it cannot be written.
    """
    config = read_json(folder / CONFIG)
    config["read_on"] = None if read_on is None else asdict(read_on)
    write_json(folder / CONFIG, config)


def check_single(folder: Path) -> ModelFacts:
    """Looks at a folder as :func:`check_folder`, and refuses chains.

    Raises:
        ModelFolderError, StorageError: as there; or it is a chain.
    """
    if not is_there(folder) or not folder.is_dir():
        raise ModelFolderError(f"there is no folder {folder}; give the folder that 'offramp train' wrote", path=folder)
    check_folder_readable(folder)
    if is_there(folder / CHAIN.name):
        raise ModelFolderError(f"{folder} is a chain itself; name the models in it instead, as {folder / 'model-1'}")
    if not (folder / CONFIG).is_file():
        raise ModelFolderError(f"{folder} is not an offramp model: it has no {CONFIG}", path=folder)
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")
    if kind == CHAIN_TYPE:
        raise ModelFolderError(f"{folder} is a chain without {CHAIN.name}; {CHAIN.cure}", path=folder / CHAIN.name)
    if kind != MODEL_TYPE:
        raise ModelFolderError(
            f"{folder} is a {kind!r} model, not an offramp one; train exits on an encoder with "
            f"'offramp train --model {folder}', or put them on a fine-tuned classifier with 'offramp attach {folder}'",
            path=folder,
            value=kind,
        )
    for name in (WEIGHTS, TOKENIZER):
        if not (folder / name).is_file():
            raise ModelFolderError(f"{folder} has no {name}; {RESTORE}", path=folder / name)
    check_readable(folder / WEIGHTS)
    names = config.get("id2label")
    labels = tuple(map(str, names.values())) if isinstance(names, dict) else ()
    pairs, several = bool(config.get("text_pair")), config.get("problem_type") == MULTI_LABEL
    reads_on, experts = (config.get(name) is not None for name in ("read_on", "experts"))
    return ModelFacts(labels, pairs, several, reads_on, experts)
