"""Reading labeled and unlabeled text from anywhere, and writing results."""

from offramp.data.cells import text_of
from offramp.data.columns import Columns
from offramp.data.labeled import (
    LabeledTexts,
    Split,
    check_dev_fraction,
    check_trainable,
    encode_labels,
    fingerprint,
    read_labeled,
    split_off_dev,
)
from offramp.data.memory import Data
from offramp.data.reading import Row, begun, read_rows
from offramp.data.seen import (
    check_disjoint,
    check_unseen,
    check_untrained,
    distinct,
    is_point,
    point_of,
    remember,
    temperatures_of,
    uses_for,
    uses_of,
)
from offramp.data.sources import check_apart, hub_dataset, source_identity
from offramp.data.unfinished import Progress
from offramp.data.unlabeled import Texts, read_any, read_texts
from offramp.data.wording import DataWarning
from offramp.data.writing import Writer, check_target, result_writer

__all__ = [
    "Columns",
    "Data",
    "DataWarning",
    "LabeledTexts",
    "Progress",
    "Row",
    "Split",
    "Texts",
    "Writer",
    "begun",
    "check_apart",
    "check_dev_fraction",
    "check_disjoint",
    "check_target",
    "check_trainable",
    "check_unseen",
    "check_untrained",
    "distinct",
    "encode_labels",
    "fingerprint",
    "hub_dataset",
    "is_point",
    "point_of",
    "read_any",
    "read_labeled",
    "read_rows",
    "read_texts",
    "remember",
    "result_writer",
    "source_identity",
    "split_off_dev",
    "temperatures_of",
    "text_of",
    "uses_for",
    "uses_of",
]
