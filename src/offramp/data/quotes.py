"""Whether quotes in a table of text hold fields together or are part of the texts."""

import re
from collections.abc import Iterable, Iterator, Sequence

# So many lines that look like rows may follow a quote before it counts as one that nobody closes.
_MOST_LINES = 1000
# Why a program that quotes only where it must puts a field into quotes; a comma is a reason of Excel's.
_REASONS = re.compile(r'[\t\r\n",]')
_QUOTED = r'"[^"]*(?:""[^"]*)*"'


def quotes_hold_fields(lines: Iterable[str]) -> bool:
    """Whether all rows of a tsv file look as a program writes them that quotes: otherwise quotes are text.

    In such a file a quote stands at the ends of a field or doubled inside, and a field in quotes needs them (it has a
    tab, a line end, a quote or a comma), unless every row has some. No row may look like several; see
    :func:`may_be_several`.
    """
    source = iter(lines)
    tabs = None
    any_quoted, all_quoted, all_needed = False, True, True
    for line in source:
        tabs = line.count("\t") if tabs is None else tabs
        if '"' not in line:
            all_quoted = all_quoted and not line.strip("\r\n")
            continue
        row = _row(line, source, tabs)
        fields = _quoted_fields("".join(row), "\t")
        if not fields or (len(row) > 1 and may_be_several(row, "\t", tabs + 1)):
            return False
        any_quoted = True
        all_needed = all_needed and any(map(_REASONS.search, fields))
    return any_quoted and (all_needed or all_quoted)


def may_be_several(lines: Sequence[str], delimiter: str, fields: int) -> bool:
    """Whether ``lines`` that quotes make one row may as well be rows of their own, as long as the header.

    No rows of their own are meant where all fields are in quotes, not only those that chance may have put there.
    """
    if fields > 1 and len(_quoted_fields("".join(lines), delimiter)) == fields:
        return False
    return all(line.count(delimiter) == fields - 1 for line in lines)


def _row(line: str, following: Iterator[str], tabs: int) -> list[str]:
    """The lines of the row that begins with ``line``: up to the one that closes its last quote."""
    row, quotes, like_rows = [line], line.count('"'), line.count("\t") == tabs
    while quotes % 2 and not (like_rows and len(row) > _MOST_LINES) and (line := next(following, "")):
        row.append(line)
        quotes += line.count('"')
        like_rows = like_rows and line.count("\t") == tabs
    return row


def _quoted_fields(row: str, delimiter: str) -> list[str]:
    """What is in quotes, of each field that is; nothing if a quote stands anywhere else."""
    field = rf'(?:{_QUOTED}|[^"{delimiter}]*)'
    if not re.fullmatch(rf"{field}(?:{delimiter}{field})*\r?\n?", row):
        return []
    return [field[1:-1] for field in re.findall(_QUOTED, row)]
