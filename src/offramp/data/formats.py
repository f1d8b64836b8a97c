"""Which file names stand for which format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["csv", "tsv", "jsonl", "parquet", "arrow"]

WRITABLE: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
READABLE: dict[str, Kind] = {**WRITABLE, ".json": "jsonl", ".arrow": "arrow", ".feather": "arrow"}
# Tables of Apache Arrow are compressed inside.
_PACKED: tuple[Kind, ...] = ("parquet", "arrow")


@dataclass(frozen=True, slots=True)
class Format:
    """What a file name says about the bytes inside."""

    kind: Kind
    compressed: bool


def format_of(path: Path, suffixes: dict[str, Kind]) -> Format | None:
    """The format that the end of ``path`` stands for, or None. Text may end in ``.gz`` as well."""
    name = path.name.lower()
    compressed = name.endswith(".gz")
    kind = suffixes.get(Path(name.removesuffix(".gz")).suffix)
    if kind is None or (compressed and kind in _PACKED):
        return None
    return Format(kind, compressed)


def suffixes_in_words(suffixes: dict[str, Kind]) -> str:
    """The valid endings, for error messages."""
    return f"{', '.join(suffixes)} (all but .parquet also with .gz)"
