"""What shows of a checkpoint before anything is imported that could load it, which takes seconds."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from offramp.errors import BackboneError, first_line
from offramp.files import check_folder_readable, is_there, unreadable
from offramp.folder import CHAIN, CONFIG
from offramp.model.exits import check_cut, check_new_exits, numbers_of, resolve_exits
from offramp.model.folder import MODEL_TYPE
from offramp.model.labels import labels_of, problem_type_of

ADAPTER = "adapter_config.json"
SUPPORTED = (
    "BERT, RoBERTa, XLM-RoBERTa, ELECTRA, DistilBERT, ALBERT, MPNet, DeBERTa-v2/v3, ModernBERT "
    "and encoders that are built like them"
)
ADAPTER_ALONE = (
    "it holds an adapter only; merge it into the model that it was trained on (merge_and_unload of peft), save that "
    "with its tokenizer, and give that folder"
)
FOREIGN_CODE = (
    "it brings program code of its own, and code from checkpoints is never run; give one of a kind that transformers "
    f"knows: {SUPPORTED}"
)

# What families call the number of their layers.
_DEPTHS = ("num_hidden_layers", "n_layers")

Declared = Mapping[str, Any]
"""What the configuration of a checkpoint says; empty where it is not on this disk yet."""


def check_checkpoint(name: str, what: str = "encoder") -> Declared:
    """Makes sure that there is a checkpoint of this name; whether it is whole shows when it is loaded.

    transformers asks the hub for one file after the other, each several times, until it believes that there is none.

    Args:
        name: a folder, or a hub id if there is no folder of that name.
        what: is wanted.

    Raises:
        BackboneError: there is none, or the hub cannot be reached and has not been asked for it before; or it is an
            adapter alone, or needs code of its own.
        StorageError: the folder or its configuration may not be read.
    """
    local = bool(name) and is_there(Path(name))
    if flaw := _flaw_on_disk(Path(name), what) if local else _flaw_on_hub(name):
        raise BackboneError(f"cannot load the {what} {name!r}: {flaw}", path=name)
    declared = _declared(name)
    if _needs_code(declared):
        raise BackboneError(f"cannot load the {what} {name!r}: {FOREIGN_CODE}", path=name)
    return declared


def check_classifier(name: str, labels: Sequence[str] | None = None) -> Declared:
    """Makes sure that there is a fine-tuned classifier of this name, as far as its configuration tells.

    Args:
        name: a folder, or a hub id if there is no folder of that name.
        labels: names for its outputs; None for its own.

    Raises:
        BackboneError: as :func:`check_checkpoint`; or it predicts a number, or its own names cannot be used.
        OptionError: there are not as many ``labels`` as outputs, or not all different.
        StorageError: its configuration may not be read.
    """
    declared = check_checkpoint(name, "classifier")
    if (outputs := outputs_of(declared)) is not None:
        problem_type_of(declared.get("problem_type"), len(outputs), name)
        labels_of(outputs, name, labels)
    return declared


def check_exits(
    declared: Declared, exits: Sequence[int | str] | str | None, *, layers: int | None = None, own_head: bool = False
) -> None:
    """Makes sure that exits fit an encoder, as far as its configuration tells.

    Args:
        declared: what :func:`check_checkpoint` gave.
        exits: see :func:`~offramp.model.exits.resolve_exits`.
        layers: where the encoder is cut off; None leaves it whole.
        own_head: whether the last exit is there already, so that it takes others.

    Raises:
        OptionError: they do not fit.
    """
    depth = _depth(declared)
    if depth is None:
        if exits is not None:
            numbers_of(exits)
        return
    if layers is not None:
        check_cut(layers, depth)
        depth = layers
    chosen = resolve_exits(exits, depth)
    if own_head:
        check_new_exits(chosen)


def _declared(name: str) -> Declared:
    path = Path(name, CONFIG)
    if not Path(name).exists():
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, CONFIG)
        if not isinstance(cached, str):
            return {}
        path = Path(cached)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # transformers says where the damage is
    except OSError as error:
        raise unreadable(path, error) from error
    return content if isinstance(content, dict) else {}


def _depth(declared: Declared) -> int | None:
    """Layers of the encoder; None where the configuration does not say, or not in words that are known here."""
    encoder = declared.get("backbone_config") if declared.get("model_type") == MODEL_TYPE else declared
    if not isinstance(encoder, Mapping):
        return None
    layers = next((encoder[name] for name in _DEPTHS if name in encoder), None)
    return layers if isinstance(layers, int) and layers > 0 else None


def outputs_of(declared: Declared) -> dict[int, object] | None:
    """Names of a classifier's outputs by their numbers, as transformers reads them; None where it may read others."""
    named = declared.get("id2label", {})
    if not named and declared:
        number = declared.get("num_labels", 2)
        return {place: f"LABEL_{place}" for place in range(number)} if isinstance(number, int) else None
    try:
        return {int(number): name for number, name in named.items()} or None
    except (AttributeError, ValueError):
        return None


def _needs_code(declared: Declared) -> bool:
    """Whether a checkpoint is of a kind that transformers does not know, and brings code for it."""
    brings = declared.get("auto_map")
    if not isinstance(brings, Mapping) or "AutoConfig" not in brings:
        return False
    kind = str(declared.get("model_type", "")).replace("-", "_")
    # Some kinds live in the folder of another whose name theirs begins with, as data2vec-text does.
    return kind != MODEL_TYPE and not any(kind.startswith(known) for known in _kinds())


@cache
def _kinds() -> frozenset[str]:
    """Folders of transformers, one for each kind of model, looked up without importing it."""
    spec = find_spec("transformers")
    places = [] if spec is None else spec.submodule_search_locations or []
    return frozenset(path.name for place in places for path in Path(place, "models").iterdir() if path.is_dir())


def _flaw_on_disk(path: Path, what: str) -> str | None:
    cure = f"give the folder of a Hugging Face {what} ({CONFIG}, model.safetensors, tokenizer files)"
    if not path.is_dir():
        return f"it is a file; {cure}"
    check_folder_readable(path)
    if (path / CHAIN.name).exists():
        return f"it is a chain of models, and has no {what} of its own; give that of one model, as {path / 'model-1'}"
    if not (path / CONFIG).exists():
        return ADAPTER_ALONE if (path / ADAPTER).exists() else f"there is no {CONFIG} in it; {cure}"
    return None


def _flaw_on_hub(name: str) -> str | None:
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    try:
        if not isinstance(try_to_load_from_cache(name, CONFIG), str):
            get_hf_file_metadata(hf_hub_url(name, CONFIG))
    except errors.EntryNotFoundError:
        pass  # an adapter perhaps, which is told when it is loaded
    except errors.HFValidationError:
        return "there is no such folder, and it is no name on the Hugging Face hub; check the path"
    except errors.OfflineModeIsEnabled:
        return (
            "there is no such folder, and no copy of it from the Hugging Face hub, which HF_HUB_OFFLINE forbids to "
            "ask; check the name; without a network, give a local folder"
        )
    except errors.GatedRepoError:
        return "its owner lets in whom they choose; ask on its page on the hub, and log in with  hf auth login"
    except errors.RepositoryNotFoundError:
        return (
            "there is no such folder, and no such name on the Hugging Face hub, or it is private; check the name, or "
            "log in with  hf auth login"
        )
    except Exception as error:  # whatever a network can do
        return (
            f"there is no such folder, and the Hugging Face hub does not answer ({first_line(error)}); check the name; "
            "without a network, give a local folder"
        )
    return None
