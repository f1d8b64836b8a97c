"""Reading labelled and unlabelled text from anywhere, and writing results."""

from offramp.data.columns import Columns
from offramp.data.labelled import (
    LabelledTexts,
    Split,
    UnlabelledTexts,
    check_trainable,
    encode_labels,
    fingerprint,
    read_labelled,
    read_texts,
    split_off_dev,
)
from offramp.data.reading import Row, read_rows
from offramp.data.seen import EPOCH, FITTING, is_point, point_of, remember, temperatures_of, uses_of
from offramp.data.sources import source_identity
from offramp.data.unfinished import Progress
from offramp.data.writing import Writer, result_writer

__all__ = [
    "EPOCH",
    "FITTING",
    "Columns",
    "LabelledTexts",
    "Progress",
    "Row",
    "Split",
    "UnlabelledTexts",
    "Writer",
    "check_trainable",
    "encode_labels",
    "fingerprint",
    "is_point",
    "point_of",
    "read_labelled",
    "read_rows",
    "read_texts",
    "remember",
    "result_writer",
    "source_identity",
    "split_off_dev",
    "temperatures_of",
    "uses_of",
]
