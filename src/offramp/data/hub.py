"""Reading through ``datasets``: folders written by ``save_to_disk``, and data sets on the Hugging Face hub."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from offramp.data.arrow import BATCH_ROWS, arrow_records
from offramp.data.records import Record, named_columns, require_columns
from offramp.data.sources import HubDataset, HubFolder, SavedFolder, choose_split
from offramp.errors import DataError


def saved_records(source: SavedFolder, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a saved data set; class numbers become class names.

    Raises:
        DataError: the folder is damaged, or has no such split or column.
    """
    import datasets

    name = str(source.path)
    try:
        loaded = datasets.load_from_disk(name)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{name} is not a whole saved data set ({_one_line(error)}); save it again", path=name
        ) from None
    yield from _records(loaded, source.split, name, wanted)


def folder_records(source: HubFolder, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a folder like those on the hub; class numbers become class names.

    Raises:
        DataError: `datasets` cannot make a data set of it, or it has no such configuration, split or column.
    """
    import datasets

    name = str(source.path)
    try:
        loaded = datasets.load_dataset(name, source.config)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{name} is no whole data set ({_one_line(error)}); name one of its files", path=name) from None
    yield from _records(loaded, source.split, name, wanted)


def hub_records(source: HubDataset, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a data set on the hub; class numbers become class names.

    The data set is fetched once into the local cache, and read from there, offline too, ever after.

    Raises:
        DataError: there is no such data set, configuration, split or column, or no network.
    """
    import datasets

    try:
        loaded = datasets.load_dataset(source.name, source.config)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"{source.name} is no file or folder here, and the Hugging Face hub did not give a data set of that name "
            f"({_one_line(error)}); check the name, the network and HF_HUB_OFFLINE, or name a local file",
            path=source.name,
        ) from None
    yield from _records(loaded, source.split, source.name, wanted)


def _records(loaded: Any, split: str | None, name: str, wanted: Sequence[str]) -> Iterator[Record]:
    import datasets

    if isinstance(loaded, datasets.DatasetDict):
        chosen = choose_split(split, list(loaded), name)
        table, name = loaded[chosen], f"{name}:{chosen}"
    elif split is None or split == str(loaded.split):
        table = loaded
    else:
        raise DataError(
            f"{name} is saved without splits and has no {split!r}; leave out ':{split}'", path=name, value=split
        )
    yield from dataset_records(table, name, wanted)


def dataset_records(table: Any, name: str, wanted: Sequence[str]) -> Iterator[Record]:
    """Reads the columns ``wanted`` of a ``datasets.Dataset``; class numbers become class names.

    Raises:
        DataError: a column is missing or twice there.
    """
    require_columns(wanted, table.column_names, name)
    chosen = table.with_format("arrow").select_columns(named_columns(wanted, table.column_names))
    batches = chain.from_iterable(part.to_batches() for part in chosen.iter(BATCH_ROWS))
    # The schema of the features, as what the table itself says of its columns may be of an older state.
    from_csv = table.info.builder_name == "csv"  # whose empty fields `datasets` turns into nulls
    yield from arrow_records(batches, chosen.features.arrow_schema, wanted, name, empty_is_none=from_csv)


def _one_line(error: Exception, width: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= width else text[: width - 3] + "..."
