"""What a source named by the user is: standard input, files, a saved data set or a name on the Hugging Face hub."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import assert_never

from offramp.data.formats import READABLE, Kind, format_of, suffixes_in_words
from offramp.data.wording import did_you_mean, listing
from offramp.errors import DataError, OfframpError, OptionError, StorageError
from offramp.files import is_there

DEFAULT_SPLIT = "train"

_SELF = re.compile(r"self(?::(?P<shortest>\d+)-(?P<longest>\d+))?")
_HUB_ID = re.compile(r"(?P<name>\w[\w.-]*/[\w.-]+)(:(?P<config>[^:]+))??(:(?P<split>[^:]+))?")
# The front matter of a data set's card, with what it says of files or columns.
_DESCRIBED = re.compile(r"---\s*\n(?:(?!---).*\n)*?(?:configs|dataset_info):")
_SPLIT_OF_SHARD = re.compile(r"(train|validation|valid|val|dev|test)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Piped:
    """A stream whose format shows only in its first bytes. ``path`` is None for standard input."""

    path: Path | None


@dataclass(frozen=True, slots=True)
class Files:
    """One file, or the shards of a folder in reading order; all of one kind."""

    kind: Kind
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SavedFolder:
    """A folder written by ``save_to_disk`` of ``datasets``."""

    path: Path
    split: str | None


@dataclass(frozen=True, slots=True)
class HubFolder:
    """A folder that is laid out as a data set on the hub is, such as a clone of one."""

    path: Path
    config: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set on the Hugging Face hub, or its copy in the local cache."""

    name: str
    config: str | None
    split: str | None


@dataclass(frozen=True, slots=True)
class SelfMade:
    """Texts that a model is to make itself.

    Attributes:
        lengths: of the shortest and the longest, in tokens; None for such as the model was trained on.
    """

    lengths: tuple[int, int] | None


Source = Piped | Files | SavedFolder | HubFolder | HubDataset


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """Turns the operating system's errors about ``name`` into a :class:`StorageError`."""
    try:
        yield
    except OSError as error:
        cause = error.strerror or error
        raise StorageError(f"cannot read {name}: {cause}; check the path and its permissions", path=name) from error


def find_source(source: str) -> Source:
    """Finds out what ``source`` names. What exists on disk wins over the hub; nothing is opened yet.

    Raises:
        DataError: nothing has this name, or the file or folder holds no format that can be read.
        StorageError: the path may not be looked at.
    """
    if source == "-":
        return Piped(None)
    if not source:
        raise DataError(
            "the name of the input is empty; name a file, a folder, a data set on the hub, or '-'", value=source
        )
    if self_made(source) is not None:
        raise DataError(
            "texts that the model makes itself, 'self', cannot tell how sure it should be or how often it errs, so no "
            "temperature, no figure and no guarantee is taken from them: give real texts (they serve for `data` of "
            "export and attach alone)",
            value=source,
        )
    with reading_errors(source):
        if (place := _here(source)) is not None:
            return _on_disk(*place)
        match = _HUB_ID.fullmatch(source)
        if match is None or format_of(Path(match["name"]), READABLE) is not None:
            raise DataError(f"{source} does not exist{_neighbors(_local(source))}; check the path", path=source)
    return HubDataset(match["name"], match["config"], match["split"])


def self_made(data: object) -> SelfMade | None:
    """The wish for texts that the model makes itself, ``self`` or ``self:8-64``; None where data are something else.

    Raises:
        DataError: the lengths cannot be.
        StorageError: nobody may look whether there is a file of this name.
    """
    match = _SELF.fullmatch(data) if isinstance(data, str) else None
    if match is None or is_there(Path(match.string)):
        return None
    if match["shortest"] is None:
        return SelfMade(None)
    lengths = int(match["shortest"]), int(match["longest"])
    if not 1 <= lengths[0] <= lengths[1]:
        raise DataError(f"{data} asks for texts of {lengths[0]} to {lengths[1]} tokens; write  self:8-64", value=data)
    return SelfMade(lengths)


def hub_dataset(source: str) -> HubDataset | None:
    """The data set on the hub that a source names; None where it names something else, or nothing."""
    try:
        dataset = find_source(source)
    except OfframpError:
        return None
    return dataset if isinstance(dataset, HubDataset) else None


def check_apart(target: str, source: str, option: str = "output") -> None:
    """Makes sure that writing the file ``target``, which ``option`` names, does not change the data of ``source``.

    Raises:
        OptionError: it is one of the source's files, or lies in its folder.
        StorageError: nobody may look at what is there.
        As :func:`find_source`.
    """
    data, output = find_source(source), Path(target)
    exists = is_there(output)
    with reading_errors(source):
        for path in _files(data):
            if exists and output.samefile(path):
                raise OptionError(
                    f"the output {target} is the input, whose texts would be lost; choose another name",
                    option=option,
                    path=target,
                )
        folder, _ = _here(source) or (None, None)
        if folder is not None and folder.is_dir() and output.resolve().is_relative_to(folder.resolve()):
            raise OptionError(
                f"the output {target} lies in the input {folder}, and would be part of it; choose a place outside it",
                option=option,
                path=target,
            )


def source_identity(source: str) -> str | None:
    """Names the state of a source without reading it: its files, their sizes and when they were changed.

    The name of a data set on the hub is all that is looked at there. None stands for a stream, such as standard input:
    it cannot be read again.

    Raises:
        As :func:`find_source`.
    """
    data = find_source(source)
    if isinstance(data, HubDataset):
        return source
    paths = _files(data)
    if not paths or not all(path.is_file() for path in paths):
        return None
    part = (data.config, data.split) if isinstance(data, HubFolder) else getattr(data, "split", None)
    with reading_errors(source):
        states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return f"sha256:{hashlib.sha256(repr((part, states)).encode()).hexdigest()[:16]}"


def _files(source: Source) -> list[Path]:
    """The files on this disk that a source is read from, in a fixed order; none for standard input and the hub."""
    match source:
        case HubDataset():
            return []
        case Piped():
            return [] if source.path is None else [source.path]
        case Files():
            return list(source.paths)
        case SavedFolder() | HubFolder():
            return sorted(path for path in source.path.rglob("*") if path.is_file())
        case _:
            assert_never(source)


def choose_split(asked: str | None, splits: list[str], name: str) -> str:
    """The split to read: the one asked for, else ``train``.

    Raises:
        DataError: ``there`` does not hold it.
    """
    split = asked or DEFAULT_SPLIT
    if split not in splits:
        raise DataError(
            f"{name} has no split {split!r}{did_you_mean(split, splits)}; its splits are {listing(splits)}: "
            f"write {name}:SPLIT",
            path=name,
            value=split,
        )
    return split


def _here(source: str) -> tuple[Path, list[str]] | None:
    """The path on this disk that ``source`` names, and up to two parts after it; None where there is nothing."""
    name, parts = source, list[str]()
    while not _local(name).exists():
        name, _, part = name.rpartition(":")
        parts.insert(0, part)
        if not name or len(parts) > 2:
            return None
    return _local(name), parts


def _local(source: str) -> Path:
    try:
        return Path(source).expanduser()
    except RuntimeError:  # "~name" where no such user exists
        return Path(source)


def _on_disk(path: Path, parts: list[str]) -> Source:
    split = parts[-1] if parts else None
    if path.is_dir() and not _is_saved(path) and _is_like_on_hub(path):
        return HubFolder(path, parts[0] if len(parts) > 1 else None, split)
    if len(parts) > 1:
        raise DataError(
            f"{path} has no configurations such as {parts[0]!r}; leave out ':{parts[0]}'", path=path, value=parts[0]
        )
    if path.is_dir():
        return SavedFolder(path, split) if _is_saved(path) else _shards(path, split)
    if split is not None:
        raise DataError(
            f"{path} is a single file and has no split {split!r}; leave out ':{split}'", path=path, value=split
        )
    if (file_format := format_of(path, READABLE)) is not None:
        return Files(file_format.kind, (path,))
    if path.is_file():
        raise DataError(
            f"{path} ends in none of the known suffixes {suffixes_in_words(READABLE)}; rename or convert it", path=path
        )
    return Piped(path)


def _is_saved(folder: Path) -> bool:
    return (folder / "state.json").exists() or (folder / "dataset_dict.json").exists()


def _is_like_on_hub(folder: Path) -> bool:
    """Whether the card of a folder describes its data, or the data lie in folders of their own."""
    card = folder / "README.md"
    if card.is_file() and _DESCRIBED.match(card.read_text(encoding="utf-8", errors="replace")):
        return True
    holds_files = any(format_of(path, READABLE) for path in folder.iterdir() if path.is_file())
    return not holds_files and any(
        format_of(path, READABLE)
        for inner in folder.iterdir()
        if inner.is_dir() and inner.name[0] not in "._"
        for path in inner.iterdir()
        if path.is_file()
    )


def _shards(folder: Path, split: str | None) -> Files:
    formats = {path: format_of(path, READABLE) for path in sorted(folder.iterdir()) if path.name[0] not in "._"}
    kinds = {path: known.kind for path, known in formats.items() if known is not None and path.is_file()}
    if not kinds:
        raise DataError(
            f"the folder {folder} holds no data; put files there that end in {suffixes_in_words(READABLE)}", path=folder
        )
    if len(set(kinds.values())) > 1:
        raise DataError(
            f"{folder} mixes {' and '.join(sorted(set(kinds.values())))} files; name one file, or move the rest",
            path=folder,
        )
    kind = next(iter(kinds.values()))
    return Files(kind, tuple(_shards_of_split(list(kinds), folder, split)))


def _shards_of_split(paths: list[Path], folder: Path, split: str | None) -> list[Path]:
    # Naming a folder with train.csv and test.csv in it must never mean training on both.
    by_split: dict[str, list[Path]] = {}
    for path in paths:
        match = _SPLIT_OF_SHARD.match(path.name.lower())
        by_split.setdefault(match[0] if match else "", []).append(path)
    if split is None and len(by_split) == 1:
        return paths
    return by_split[choose_split(split, [name for name in by_split if name], str(folder))]


def _neighbors(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor does the folder {path.parent})"
    close = get_close_matches(path.name, [other.name for other in path.parent.iterdir()])
    return f" (did you mean {' or '.join(close)}?)" if close else ""
