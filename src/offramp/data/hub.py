"""Reading through ``datasets``: folders written by ``save_to_disk``, and data sets on the Hugging Face hub."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from offramp.data.sources import HubDataset, SavedFolder, choose_split
from offramp.data.tables import BATCH_ROWS, Record, require_columns
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
        raise DataError(f"{name} is not a whole saved data set ({_one_line(error)}); save it again") from None
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
            f"({_one_line(error)}); check the name, the network and HF_HUB_OFFLINE, or name a local file"
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
        raise DataError(f"{name} is saved without splits and has no {split!r}; leave out ':{split}'")
    require_columns(wanted, table.column_names, name)
    readers = [_reader(table.features[column]) for column in wanted]
    number = 0
    plain = table.with_format(None).select_columns(list(dict.fromkeys(wanted)))
    for batch in plain.iter(BATCH_ROWS):
        columns = [map(read, batch[column]) for read, column in zip(readers, wanted, strict=True)]
        for values in zip(*columns, strict=True):
            number += 1
            yield Record(values, name, "row", number)


def _reader(feature: Any) -> Callable[[Any], object]:
    """Turns a value of ``feature`` into what it stands for: class numbers into names, all else into itself."""
    from datasets import ClassLabel

    if isinstance(feature, ClassLabel):
        # Unlabelled rows are stored as -1.
        return lambda value: None if value is None or value < 0 else feature.int2str(value)
    if isinstance(inner := getattr(feature, "feature", None), ClassLabel):
        return lambda values: None if values is None else [inner.int2str(value) for value in values]
    return lambda value: value


def _one_line(error: Exception, width: int = 300) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= width else text[: width - 3] + "..."
