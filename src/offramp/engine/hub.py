"""Model folders on the Hugging Face hub: found in the cache or fetched, and pushed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HFValidationError, HTTPError, RevisionResolutionError
from huggingface_hub.utils import are_progress_bars_disabled as progress_bars_are_disabled
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars, validate_repo_id

from offramp.errors import ModelFolderError, OptionError, StorageError, first_line
from offramp.files import is_there, storage_errors

if TYPE_CHECKING:
    from offramp.engine.classifier import Classifier

# Halves of files that are being written, and whatever else is nobody's business.
_HIDDEN = [".*", "**/.*"]


def folder_of(name: str | Path, **options: Any) -> Path:
    """The model folder that a path or a hub id names: what is on this disk comes first.

    Args:
        name: a folder, or as a string ``owner/name``, whose files are fetched into the hub's cache unless they lie
            there.
        options: of :func:`huggingface_hub.snapshot_download`, such as ``revision`` and ``token``.

    Raises:
        ModelFolderError: it is a hub id, and the hub does not give a model of that name.
        StorageError: the cache cannot be written, or the folder not be looked at.
    """
    if not isinstance(name, str) or is_there(Path(name)) or not is_hub_id(name):
        return Path(name)
    shown = not progress_bars_are_disabled()
    disable_progress_bars()  # a library does not write to the terminal
    try:
        with storage_errors(Path(f"the cache of {name}")):
            return Path(snapshot_download(name, library_name="offramp", **options))
    except (OSError, ValueError, RevisionResolutionError) as error:
        raise ModelFolderError(
            f"there is no folder {name}, and the Hugging Face hub did not give a model of that name "
            f"({first_line(error)}); check the name, the network and HF_HUB_OFFLINE, or give the folder that 'offramp "
            "train' wrote",
            path=name,
        ) from error
    finally:
        if shown:
            enable_progress_bars()


def is_hub_id(name: str) -> bool:
    """Whether a string is ``owner/name`` as the hub has it."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def from_pretrained(
    cls: "type[Classifier]",
    /,
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    **options: Any,
) -> "Classifier":
    """Loads a model folder, or a model on the Hugging Face hub, as :func:`offramp.load` does.

    Args:
        name: a folder, or a hub id as ``owner/name`` if there is no folder of that name.
        revision, token, cache_dir, force_download, local_files_only: how it is fetched; as everywhere at Hugging
            Face's.
        options: of :func:`offramp.load`.

    Raises:
        ModelFolderError, OptionError, MissingExtraError, StorageError: as :func:`offramp.load`.
    """
    from offramp.engine.loading import load

    folder = folder_of(
        name,
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
    )
    return load(folder, **options)


def push_to_hub(
    classifier: "Classifier",
    repo_id: str,
    *,
    commit_message: str = "Upload an early-exit classifier",
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
) -> str:
    """Uploads the model folder to the Hugging Face hub: with its card, its operating points and what was exported.

    Hidden files stay behind; the rest is one commit.

    Args:
        repo_id: ``owner/name``; is made if it is not there.
        commit_message: what the upload is called.
        private: whether a new repository is; by default as the owner has it.
        token: of the hub; by default the one that ``hf auth login`` keeps.
        revision: the branch that it goes to; by default the main one.
        create_pr: offer it as a pull request.

    Returns:
        The address of the commit.

    Raises:
        OptionError: the classifier was not loaded from a folder, or that is no name on the hub.
        StorageError: the hub does not take it.
    """
    folder = classifier.folder
    if folder is None:
        raise OptionError("this classifier is in memory alone; load it from its model folder, and push that")
    try:
        api = HfApi(token=token, library_name="offramp")
        repository = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        return str(
            api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message=commit_message,
                revision=revision,
                create_pr=create_pr,
                ignore_patterns=_HIDDEN,
            )
        )
    except HFValidationError as error:
        raise OptionError(
            f"{repo_id!r} is no name on the hub ({first_line(error)}); give one as owner/name",
            option="repo_id",
            value=repo_id,
        ) from error
    except (OSError, HTTPError, RevisionResolutionError) as error:
        raise StorageError(
            f"cannot push {folder} to {repo_id} on the Hugging Face hub ({first_line(error)}); check the name, the "
            "network and HF_HUB_OFFLINE, and log in with  hf auth login",
            path=folder,
        ) from error
