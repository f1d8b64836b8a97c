"""Rows that another system has answered, such as a large language model: what exits are to learn in place of labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offramp.data.arrow import plain
from offramp.data.cells import label_of
from offramp.data.columns import Columns
from offramp.data.labeled import LabeledTexts, check_known, labeled_rows, read_labeled
from offramp.data.memory import Data, name_of
from offramp.data.reading import Row, read_rows
from offramp.data.records import MissingColumn
from offramp.data.unlabeled import Texts
from offramp.errors import DataError, OptionError

# Probabilities are written with few digits, and add up to 1 but for these.
_ROUNDING = 0.02


@dataclass(frozen=True, slots=True)
class Taught:
    """The same rows twice.

    Attributes:
        said: with what the other system said; where it gave probabilities, the likeliest label and its ``beliefs``.
        judging: with the labels that dev rows are judged by: their own, or where there is no such column what was said.
    """

    said: LabeledTexts
    judging: LabeledTexts


def read_judging(data: Data, columns: Columns, column: str | None) -> LabeledTexts:
    """Reads rows with the labels that they are judged by; without a column they are plainly labeled."""
    return read_labeled(data, columns) if column is None else read_taught(data, columns, column).judging


def read_taught(data: Data, columns: Columns, column: str) -> Taught:
    """Reads rows with what another system said of them, and with their labels if there is a column of these.

    Args:
        column: holds for each row a label, a list of labels, or an object with the probability of each label, in csv as
            JSON.

    Raises:
        DataError: as :func:`offramp.data.read_labeled`; or an answer is missing or none of these, some rows have
            probabilities and others none, or it names a label that the rows' own labels lack.
        OptionError: as :func:`offramp.data.read_labeled`; or there is no such column in rows in memory.
    """
    if isinstance(data, LabeledTexts | Texts):
        raise OptionError(
            f"there is no column {column!r} beside texts and labels; give a source, or a table in memory",
            option="teacher_column",
            value=column,
        )
    if column in (columns.text, columns.text_pair, columns.label):
        raise OptionError(
            f"the column {column!r} is named for what a teacher said and for something else; name another for either",
            option="teacher_column",
            value=column,
        )
    source = name_of(data)
    try:
        rows, labeled = list(read_rows(data, columns, labeled=True, keep=[column])), columns.label is not None
    except MissingColumn as missing:
        if missing.value != columns.label or columns.label != Columns().label or data == "-":
            raise
        rows, labeled = list(read_rows(data, columns, labeled=False, keep=[column])), False
    said = _said(rows, columns, column, source)
    if not labeled:
        return Taught(said, said)
    judging = labeled_rows(rows, [row.label for row in rows], columns.label or "", source)
    if said.multi_label != judging.multi_label:
        raise DataError(
            f"{source}: a row has a list of labels in one of the columns {columns.label!r} and {column!r}, and one "
            "label in the other; make them alike",
            option="teacher_column",
            path=source,
        )
    check_known(said, judging.label_names(), f"the column {columns.label!r}")
    return Taught(said, judging)


def _said(rows: Sequence[Row], columns: Columns, column: str, source: str) -> LabeledTexts:
    places = [f"{source}, row {number}" for number in range(1, len(rows) + 1)]
    answers = [
        _answer(row.kept[0], columns.label_separator, column, place) for row, place in zip(rows, places, strict=True)
    ]
    beliefs = [answer for answer in answers if isinstance(answer, Mapping)]
    if 0 < len(beliefs) < len(answers):
        raise DataError(
            f"{source}: some rows have probabilities in column {column!r} and others labels; make all rows alike",
            option="teacher_column",
            path=source,
        )
    labels = [
        max(answer, key=lambda name: answer[name]) if isinstance(answer, Mapping) else answer for answer in answers
    ]
    return labeled_rows(rows, labels, column, source, beliefs or None)


def _answer(
    value: object, separator: str | None, column: str, place: str
) -> str | tuple[str, ...] | Mapping[str, float]:
    """A label, several, or the probability of each label."""
    value = plain(value)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            raise DataError(
                f'{place}: {value!r:.60} in column {column!r} is no JSON; write {{"label": 0.9, …}}'
            ) from None
    if not isinstance(value, Mapping):
        return label_of(value, separator, column, place)
    shares = {str(name): share for name, share in value.items() if share is not None}
    known = all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares.values())
    if not known or not abs(sum(shares.values()) - 1) <= _ROUNDING:
        raise DataError(
            f"{place}: {value!r:.80} in column {column!r} are no probabilities; give numbers from 0 to 1 that add up "
            "to 1",
            value=value,
        )
    return shares
