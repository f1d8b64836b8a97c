"""What a model folder holds, as far as that shows without PyTorch, which takes seconds to import."""

from dataclasses import dataclass
from pathlib import Path

from offramp.errors import ModelFolderError
from offramp.files import RESTORE, check_folder_readable, check_readable, is_there, read_json
from offramp.folder import CONFIG, TOKENIZER, WEIGHTS
from offramp.model.labels import MULTI_LABEL

MODEL_TYPE = "offramp"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the configuration of a model folder says of the model.

    Attributes:
        labels: label names in the order of the probabilities.
        takes_pairs: whether it was trained on pairs of texts.
        multi_label: whether it gives any number of labels.
    """

    labels: tuple[str, ...]
    takes_pairs: bool
    multi_label: bool


def check_folder(folder: Path) -> ModelFacts:
    """Makes sure that a folder is a model of ours with all its files; what is in them shows when they are loaded.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, or lacks a file.
        StorageError: the folder or the weights may not be read.
    """
    if not is_there(folder) or not folder.is_dir():
        raise ModelFolderError(f"there is no folder {folder}; give the folder that 'offramp train' wrote", path=folder)
    check_folder_readable(folder)
    if not (folder / CONFIG).is_file():
        raise ModelFolderError(f"{folder} is not an offramp model: it has no {CONFIG}", path=folder)
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")
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
    return ModelFacts(labels, bool(config.get("text_pair")), config.get("problem_type") == MULTI_LABEL)
