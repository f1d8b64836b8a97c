"""What all cards say: where a model comes from, its license, and how it is used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData, hf_hub_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.repocard import metadata_load
from huggingface_hub.utils import validate_repo_id

from offramp.data import hub_dataset
from offramp.files import is_there
from offramp.folder import CARD

_USE = """```python
import offramp

classifier = offramp.load("path/to/this/folder")
classifier.predict([{example}])[0]                # or with threshold=0.9, or at= a name in classifier.points
```"""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a checkpoint comes from, as the front matter of a model card has it; None for what is not known.

    Attributes:
        base_model: id on the hub of the checkpoint or, if it lies in a folder, of what that was made from.
        license: as the hub names it; ``license_name`` and ``license_link`` belong to licenses that it has no name for.
    """

    base_model: str | None = None
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None


def card_front(origin: Origin, base_models: Sequence[str] = (), sources: Sequence[str] = ()) -> str:
    """What the hub reads of a card; only what is known.

    Args:
        origin: whose license it has; and the one model that it was made from, where there are no others.
        base_models: the models that it was made from, where those are several.
        sources: names of the data that it learned from; those on the hub are told.
    """
    datasets = dict.fromkeys(dataset.name for source in sources if (dataset := hub_dataset(source)) is not None)
    return ModelCardData(
        base_model=list(base_models) or origin.base_model,
        datasets=list(datasets) or None,
        library_name="offramp",
        license=origin.license,
        license_name=origin.license_name,
        license_link=origin.license_link,
        pipeline_tag="text-classification",
        tags=["early-exit", "text-classification"],
    ).to_yaml()


def card_use(*, pairs: bool) -> str:
    """How a model folder is used, for its card."""
    example = '"a text"], ["its pair"' if pairs else '"a text"'
    return _USE.format(example=example)


def origin_of(source: str) -> Origin:
    """Reads the card of a folder or a hub id; a card that is not there, or cannot be read, says nothing."""
    folder = Path(source).expanduser()
    if is_there(folder):
        told = _front_matter(folder / CARD)
        return _origin(told, told.get("base_model"))
    try:
        validate_repo_id(source)
    except HFValidationError:
        return Origin()
    try:
        told = _front_matter(Path(hf_hub_download(source, CARD, library_name="offramp")))
    except Exception:  # no network, no card, no right to read it: whatever it is, the license is not known
        told = {}
    return _origin(told, source)


def _front_matter(card: Path) -> dict[str, Any]:
    try:
        return metadata_load(card) or {}
    except Exception:  # files of others may hold anything
        return {}


def _origin(told: dict[str, Any], base_model: Any) -> Origin:
    names = ("license", "license_name", "license_link")
    return Origin(_text(base_model), *(_text(told.get(name)) for name in names))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
