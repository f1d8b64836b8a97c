"""Reading labeled and unlabeled text from anywhere, and writing results.

Names are imported when they are first used: numpy is not needed to look at options.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.data.cells import text_of as text_of
    from offramp.data.columns import Columns as Columns
    from offramp.data.labeled import LabeledTexts as LabeledTexts
    from offramp.data.labeled import Split as Split
    from offramp.data.labeled import check_dev_fraction as check_dev_fraction
    from offramp.data.labeled import check_trainable as check_trainable
    from offramp.data.labeled import encode_labels as encode_labels
    from offramp.data.labeled import fingerprint as fingerprint
    from offramp.data.labeled import read_labeled as read_labeled
    from offramp.data.labeled import split_off_dev as split_off_dev
    from offramp.data.memory import Data as Data
    from offramp.data.reading import Row as Row
    from offramp.data.reading import begun as begun
    from offramp.data.reading import peeked as peeked
    from offramp.data.reading import read_rows as read_rows
    from offramp.data.records import EVERYTHING as EVERYTHING
    from offramp.data.seen import check_disjoint as check_disjoint
    from offramp.data.seen import check_unseen as check_unseen
    from offramp.data.seen import check_untrained as check_untrained
    from offramp.data.seen import distinct as distinct
    from offramp.data.seen import is_point as is_point
    from offramp.data.seen import point_of as point_of
    from offramp.data.seen import remember as remember
    from offramp.data.seen import temperatures_of as temperatures_of
    from offramp.data.seen import uses_for as uses_for
    from offramp.data.seen import uses_of as uses_of
    from offramp.data.sources import SelfMade as SelfMade
    from offramp.data.sources import check_apart as check_apart
    from offramp.data.sources import hub_dataset as hub_dataset
    from offramp.data.sources import self_made as self_made
    from offramp.data.sources import source_identity as source_identity
    from offramp.data.taught import Taught as Taught
    from offramp.data.taught import read_judging as read_judging
    from offramp.data.taught import read_taught as read_taught
    from offramp.data.unfinished import Progress as Progress
    from offramp.data.unlabeled import Texts as Texts
    from offramp.data.unlabeled import read_any as read_any
    from offramp.data.unlabeled import read_texts as read_texts
    from offramp.data.wording import DataWarning as DataWarning
    from offramp.data.writing import Writer as Writer
    from offramp.data.writing import check_target as check_target
    from offramp.data.writing import result_writer as result_writer

_HOMES = {
    "Columns": "columns",
    "Data": "memory",
    "DataWarning": "wording",
    "EVERYTHING": "records",
    "LabeledTexts": "labeled",
    "Progress": "unfinished",
    "Row": "reading",
    "SelfMade": "sources",
    "Split": "labeled",
    "Taught": "taught",
    "Texts": "unlabeled",
    "Writer": "writing",
    "begun": "reading",
    "check_apart": "sources",
    "check_dev_fraction": "labeled",
    "check_disjoint": "seen",
    "check_target": "writing",
    "check_trainable": "labeled",
    "check_unseen": "seen",
    "check_untrained": "seen",
    "distinct": "seen",
    "encode_labels": "labeled",
    "fingerprint": "labeled",
    "hub_dataset": "sources",
    "is_point": "seen",
    "peeked": "reading",
    "point_of": "seen",
    "read_any": "unlabeled",
    "read_judging": "taught",
    "read_labeled": "labeled",
    "read_rows": "reading",
    "read_taught": "taught",
    "read_texts": "unlabeled",
    "remember": "seen",
    "result_writer": "writing",
    "self_made": "sources",
    "source_identity": "sources",
    "split_off_dev": "labeled",
    "temperatures_of": "seen",
    "text_of": "cells",
    "uses_for": "seen",
    "uses_of": "seen",
}
__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy(__name__, _HOMES)
