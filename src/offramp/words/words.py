"""A model of words: what it has learnt, what it says of texts, and the file that it lies in."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from offramp import exit_names
from offramp.calibration import ProblemType
from offramp.errors import ModelFolderError, first_line
from offramp.files import RESTORE, check_readable, is_there, replacing
from offramp.folder import WORDS
from offramp.records import Flaw, from_json, to_json
from offramp.words.grams import BUCKETS, grams, parts
from offramp.words.linear import Layer
from offramp.words.weighing import counted, weighed

MOST_BYTES = 8_000_000
"""Size that the file of a model of words may have."""

SCHEMA = 1
_HEADER_BYTES = 100_000
_STEPS = 127
_TYPES: dict[str, np.dtype[Any]] = {
    "buckets": np.dtype(np.uint32),
    "rarities": np.dtype(np.float16),
    "weights": np.dtype(np.int8),
    "scales": np.dtype(np.float32),
    "biases": np.dtype(np.float32),
}


@dataclass(frozen=True, slots=True)
class AboutWords:
    """What stands in the file beside the arrays.

    Attributes:
        labels: names of the outputs, in order.
        problem: whether a text has one of them, or several.
        rows: texts that it was fitted on.
        strength: how much these counted against the penalty; see :func:`offramp.words.linear.fit_layer`.
        schema: changes whenever older files can no longer be read, or would be read as something else.
    """

    labels: tuple[str, ...]
    problem: ProblemType
    rows: int
    strength: float
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"its schema is {self.schema}, and this version of offramp reads {SCHEMA}")


class Words:
    """One linear layer on the words of a text: a :class:`~offramp.engine.cascade.TextStage`.

    It reads the whole text, in any script. What it says of a text is the same in any company, bit for bit. Of arrays
    it has one row for each thing that it knows: a word, the beginning of one, or two words that follow each other.

    Args:
        about: what stands in the file beside the arrays.
        arrays: ``buckets`` (features,), increasing; ``rarities`` (features,); ``weights`` (features, labels), whole
            numbers of ``scales`` (labels,); ``biases`` (labels,).

    Raises:
        ValueError: the arrays do not go together.
    """

    name = exit_names.WORDS

    def __init__(self, about: AboutWords, arrays: Mapping[str, NDArray[Any]]) -> None:
        if flaw := _flaw(arrays, len(about.labels)):
            raise ValueError(flaw)
        self.about = about
        self._arrays = dict(arrays)
        self._rarities = arrays["rarities"].astype(np.float32)
        self._layer = Layer(arrays["weights"] * arrays["scales"], arrays["biases"])
        self._features = np.full(BUCKETS, -1, np.int32)
        self._features[arrays["buckets"]] = np.arange(len(arrays["buckets"]))

    def __repr__(self) -> str:
        return f"Words({self.features:,} features, labels {', '.join(self.about.labels)})"

    @property
    def features(self) -> int:
        """How many things it knows."""
        return len(self._rarities)

    @classmethod
    def from_layer(cls, about: AboutWords, buckets: NDArray[np.int64], rarities: NDArray[Any], layer: Layer) -> "Words":
        """Rounds a fitted layer to one byte a weight, which moves a logit by a hundredth of the largest weight."""
        scales = np.maximum(np.abs(layer.weights).max(axis=0, initial=0) / _STEPS, np.finfo(np.float32).tiny)
        arrays = {
            "buckets": buckets,
            "rarities": rarities,
            "weights": np.rint(layer.weights / scales),
            "scales": scales,
            "biases": layer.biases,
        }
        return cls(about, {name: array.astype(_TYPES[name]) for name, array in arrays.items()})

    def fingerprint(self) -> str:
        """Names all that its answers depend on: SHA-256 of what is in its file."""
        return self._fingerprint

    def logits(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> NDArray[np.float32]:
        """What it says of each text, (rows, labels)."""
        answers = [
            self._logits(texts[part], None if text_pairs is None else text_pairs[part])
            for part in parts(texts, text_pairs)
        ]
        return np.concatenate([np.empty((0, len(self.about.labels)), np.float32), *answers])

    def save(self, folder: Path) -> None:
        """Writes ``words.safetensors``, replacing the one that is there at once or not at all.

        Raises:
            StorageError: the folder cannot be written.
        """
        with replacing(folder / WORDS) as new:
            new.write_bytes(self._content)

    @classmethod
    def load(cls, folder: str | Path) -> "Words":
        """Reads ``words.safetensors`` of a model folder.

        Raises:
            ModelFolderError: it is missing or damaged.
            StorageError: it may not be read.

        Example::

            words = Words.load("model")
            answers = [words.about.labels[best] for best in words.logits(texts).argmax(axis=1)]
        """
        file = Path(folder) / WORDS
        if not is_there(file):
            raise ModelFolderError(f"{folder} has no {WORDS}; {RESTORE}")
        check_readable(file)
        try:
            with safe_open(file, "numpy") as content:
                about = from_json(AboutWords, json.loads((content.metadata() or {}).get("words", "null")))
                return cls(about, {name: content.get_tensor(name) for name in content.keys()})  # noqa: SIM118
        except (SafetensorError, Flaw, ValueError, OSError) as error:
            raise ModelFolderError(f"{file} is damaged ({first_line(error)}); {RESTORE}") from error

    def _logits(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.float32]:
        rows, buckets = grams(texts, text_pairs)
        features = self._features.take(buckets)
        known = np.flatnonzero(features >= 0)
        counts = counted(rows[known], features[known].astype(np.int64), (len(texts), self.features))
        return self._layer.logits(weighed(counts, self._rarities))

    @cached_property
    def _content(self) -> bytes:
        # One entry: several would be written in any order, and the fingerprint would change from time to time.
        return save(self._arrays, {"words": json.dumps(to_json(self.about))})

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256(self._content).hexdigest()


def most_features(labels: int) -> int:
    """How many features fit into the file."""
    names = ("buckets", "rarities", *["weights"] * labels)
    return min(BUCKETS, (MOST_BYTES - _HEADER_BYTES) // sum(_TYPES[name].itemsize for name in names))


def _flaw(arrays: Mapping[str, NDArray[Any]], labels: int) -> str | None:
    """What is wrong with the arrays of a model of words, if anything."""
    if arrays.keys() != _TYPES.keys():
        return f"it holds {', '.join(sorted(arrays)) or 'nothing'}, not {', '.join(sorted(_TYPES))}"
    features = len(arrays["buckets"].ravel())
    shapes = {
        "buckets": (features,),
        "rarities": (features,),
        "weights": (features, labels),
        "scales": (labels,),
        "biases": (labels,),
    }
    for name, shape in shapes.items():
        found = arrays[name]
        if (found.shape, found.dtype) != (shape, _TYPES[name]):
            return f"its {name} are {found.dtype} {found.shape}, not {_TYPES[name]} {shape}"
        if not np.isfinite(found).all():
            return f"some of its {name} are not finite"
    buckets = arrays["buckets"].astype(np.int64)
    if (np.diff(buckets) <= 0).any() or (buckets >= BUCKETS).any():
        return f"its buckets do not increase from 0 to {BUCKETS - 1} at most"
    return None
