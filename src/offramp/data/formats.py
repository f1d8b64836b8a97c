"""Which file names stand for which format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["csv", "tsv", "jsonl", "parquet"]

WRITABLE: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
READABLE: dict[str, Kind] = {**WRITABLE, ".json": "jsonl"}


@dataclass(frozen=True, slots=True)
class Format:
    """What a file name says about the bytes inside."""

    kind: Kind
    compressed: bool


def format_of(path: Path, suffixes: dict[str, Kind]) -> Format | None:
    """The format that the end of ``path`` stands for, or None. All but parquet may end in ``.gz`` as well."""
    name = path.name.lower()
    compressed = name.endswith(".gz")
    kind = suffixes.get(Path(name.removesuffix(".gz")).suffix)
    if kind is None or (compressed and kind == "parquet"):
        return None
    return Format(kind, compressed)


def suffixes_in_words(suffixes: dict[str, Kind]) -> str:
    """The valid endings, for error messages."""
    return f"{', '.join(suffixes)} (all but .parquet also with .gz)"
