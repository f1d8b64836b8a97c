"""Tokenized rows to learn from, and the order in which they come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from offramp.data import LabeledTexts, Texts, encode_labels
from offramp.model import LoadedModel
from offramp.model.encoding import Encoded, encode, joined
from offramp.model.labels import MULTI_LABEL
from offramp.model.losses import UNLABELLED
from offramp.model.padding import batch_of

_BATCHES_IN_POOL = 50
# In place of a probability of 0, whose logarithm is none.
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Tokenized rows and what they teach.

    Attributes:
        targets: class indices (rows,) or 0/1 (rows, labels); ``UNLABELLED`` where there is none.
        beliefs: a teacher's logits, (rows, labels); None without a teacher.
    """

    encoded: Encoded
    targets: NDArray[Any]
    beliefs: NDArray[np.float32] | None = None


def rows_of(model: LoadedModel, texts: LabeledTexts | Texts) -> Rows:
    """Texts as a model reads them, with their labels if they have any.

    Raises:
        DataError: the model does not know a label.
    """
    config, multi_label = model.network.config, model.network.problem_type == MULTI_LABEL
    encoded = encode(model.tokenizer, texts.texts, texts.text_pairs)
    if isinstance(texts, Texts):
        return Rows(encoded, np.full((len(texts), config.num_labels) if multi_label else len(texts), UNLABELLED))
    return Rows(encoded, encode_labels(texts, config.labels, multi_label=multi_label))


def beliefs_of_rows(texts: LabeledTexts, labels: Sequence[str]) -> NDArray[np.float32] | None:
    """What another system believes of rows, (rows, labels) of logits in the order of the labels; None if nothing."""
    if texts.beliefs is None:
        return None
    shares = np.array([[shares.get(label, 0.0) for label in labels] for shares in texts.beliefs])
    return np.asarray(np.log(np.maximum(shares, _SMALLEST)), np.float32)


def with_unlabeled(train: Rows, unlabeled: Encoded) -> Rows:
    """The labeled rows, and after them others."""
    unknown = np.full((len(unlabeled), *train.targets.shape[1:]), UNLABELLED, train.targets.dtype)
    return Rows(joined(train.encoded, unlabeled), np.concatenate([train.targets, unknown]))


class RowSet(Dataset[dict[str, Any]]):
    """Rows as Trainer wants them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return self._rows.encoded.lengths

    def __len__(self) -> int:
        return len(self._rows.encoded)

    def __getitem__(self, row: int) -> dict[str, Any]:
        rows = self._rows
        item: dict[str, Any] = {"input_ids": rows.encoded.input_ids[row], "labels": rows.targets[row].tolist()}
        if rows.encoded.token_type_ids is not None:
            item["token_type_ids"] = rows.encoded.token_type_ids[row]
        if rows.beliefs is not None:
            item["beliefs"] = rows.beliefs[row].tolist()
        return item


def collate(items: Sequence[dict[str, Any]], padding_id: int) -> dict[str, Tensor]:
    """Rows of a :class:`RowSet` as a network reads them, and what they teach.

    Args:
        padding_id: the tokenizer's :func:`~offramp.model.padding.padding_id_of`.
    """
    ids = [item["input_ids"] for item in items]
    types = [item["token_type_ids"] for item in items] if "token_type_ids" in items[0] else None
    encoded = Encoded(ids, types, np.array([len(row) for row in ids]), np.zeros(len(ids), np.bool_))
    inputs = batch_of(encoded, np.arange(len(ids)), padding_id).inputs(torch.device("cpu"))
    taught = {name: torch.tensor([item[name] for item in items]) for name in ("labels", "beliefs") if name in items[0]}
    return inputs | taught


class LengthGrouped(Sampler[int]):
    """Batches in random order, each of rows of similar length.

    Trainer's own sampler draws from the global random state: resumed in the middle of an epoch it would draw another
    order, so that some rows came twice and others not at all. This one depends on the seed and the epoch only.
    """

    def __init__(self, lengths: NDArray[np.int64], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order; Trainer calls it before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self._seed, self._epoch])
        order = random.permutation(len(self))
        # Sorting within pools of many batches brings like lengths together and leaves each batch to chance.
        pool = _BATCHES_IN_POOL * self._batch_size
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            order[start : start + pool] = part[np.argsort(self._lengths[part], kind="stable")]
        batches = [order[start : start + self._batch_size] for start in range(0, len(order), self._batch_size)]
        random.shuffle(full := [batch for batch in batches if len(batch) == self._batch_size])
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        return iter(np.concatenate([*full, *rest]).tolist())
