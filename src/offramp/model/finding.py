"""Whether a checkpoint is there: one look at the disk or the hub, before anything is imported that could read it."""

from pathlib import Path

from offramp.errors import BackboneError, first_line
from offramp.model.folder import CONFIG

ADAPTER = "adapter_config.json"


def check_checkpoint(name: str, what: str = "encoder") -> None:
    """Makes sure that there is a checkpoint of this name; whether it is whole shows when it is loaded.

    transformers asks the hub for one file after the other, each several times, until it believes that there is none.

    Args:
        name: a folder, or a hub id if there is no folder of that name.
        what: is wanted.

    Raises:
        BackboneError: there is none, or the hub cannot be reached and has not been asked for it before.
    """
    if flaw := _flaw_on_disk(Path(name), what) if name and Path(name).exists() else _flaw_on_hub(name):
        raise BackboneError(f"cannot load the {what} {name!r}: {flaw}")


def _flaw_on_disk(path: Path, what: str) -> str | None:
    cure = f"give the folder of a Hugging Face {what} ({CONFIG}, model.safetensors, tokenizer files)"
    if not path.is_dir():
        return f"it is a file; {cure}"
    if not any((path / file).exists() for file in (CONFIG, ADAPTER)):
        return f"there is no {CONFIG} in it; {cure}"
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
