"""Fits a model of words to labeled texts, or to what another model says of texts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offramp.calibration import Problem
from offramp.calibration.problem import Labels
from offramp.errors import DataError
from offramp.words.grams import BUCKETS, grams, parts
from offramp.words.linear import Layer, fit_layer, loss_of
from offramp.words.weighing import counted, rarities, weighed
from offramp.words.words import AboutWords, Words, most_features

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Strengths to choose from, in turn until a larger one is worse."""

_FOLDS = 5
# As many rows held out tell which strength is best; where a fold has fewer, several are held out in turn.
_HELD_OUT = 2000


def fit(
    texts: Sequence[str],
    targets: Labels,
    *,
    labels: Sequence[str],
    problem: Problem,
    text_pairs: Sequence[str] | None = None,
    seed: int = 0,
) -> Words:
    """Fits a model of words; how much the texts count against the penalty is chosen on rows that are held out in turn.

    Args:
        texts: at least one.
        targets: indices of labels, int (rows,); or for each label 0, 1 or a probability, (rows, labels), as another
            model's :meth:`~offramp.calibration.Problem.probabilities`, for which no label need be known.
        labels: names of the outputs.
        problem: whether a text has one label, or several.
        text_pairs: second texts of pairs, one for each text.
        seed: decides which rows are held out.

    Raises:
        DataError: there are no texts, or targets or pairs do not go with them.
    """
    wanted = _probabilities(targets, len(texts), len(labels), problem)
    if text_pairs is not None and len(text_pairs) != len(texts):
        raise DataError(f"there are {len(text_pairs)} second texts for {len(texts)} texts; give one for each")
    everything = vstack([_counts(texts, text_pairs, part) for part in parts(texts, text_pairs)], format="csr")
    buckets = _kept(everything, len(labels))
    counts = everything[:, buckets]
    strength = _best_strength(counts, wanted, problem, seed)
    weights = _rarities(counts)
    layer = fit_layer(weighed(counts, weights), wanted, problem, strength)
    return Words.from_layer(AboutWords(tuple(labels), problem.type, len(texts), strength), buckets, weights, layer)


def _probabilities(targets: Labels, rows: int, labels: int, problem: Problem) -> NDArray[np.float32]:
    """Targets of any kind as probabilities, (rows, labels)."""
    given = np.asarray(targets)
    if rows == 0:
        raise DataError("there are no texts to fit a model of words to; hand in some")
    if given.shape == (rows,) and not problem.multi_label and given.dtype.kind in "iu":
        if (given < 0).any() or (given >= labels).any():
            raise DataError(f"every target has to be an index of a label, from 0 to {labels - 1}; {given} has others")
        return np.asarray(np.eye(labels)[given], np.float32)
    if given.shape != (rows, labels):
        raise DataError(f"targets have shape {given.shape}, but {rows} texts and {labels} labels need {(rows, labels)}")
    wanted = given.astype(np.float32)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise DataError("every target has to be a probability, from 0 to 1")
    if not problem.multi_label and (np.abs(wanted.sum(axis=1) - 1) > 1e-3).any():
        raise DataError("the probabilities of a text's labels have to sum to 1 where a text has one label")
    return wanted


def _counts(texts: Sequence[str], text_pairs: Sequence[str] | None, part: slice) -> csr_array:
    read = texts[part]
    return counted(*grams(read, None if text_pairs is None else text_pairs[part]), (len(read), BUCKETS))


def _kept(counts: csr_array, labels: int) -> NDArray[np.int64]:
    """The buckets that occur, in order; those in most texts if they would not all fit into a file."""
    texts_with = np.bincount(counts.indices, minlength=BUCKETS)
    most = most_features(labels)
    commonest = np.argsort(-texts_with, kind="stable")[:most]
    return np.sort(commonest[texts_with[commonest] > 0])


def _rarities(counts: csr_array) -> NDArray[np.float32]:
    """Rarities as they are kept in the file."""
    found = rarities(np.bincount(counts.indices, minlength=counts.shape[1]), counts.shape[0])
    return found.astype(np.float16).astype(np.float32)


def _best_strength(counts: csr_array, targets: NDArray[np.float32], problem: Problem, seed: int) -> float:
    """The strength under which rows that were held out are likeliest; features are weighed without them, too."""
    rows = counts.shape[0]
    folds = np.array_split(np.random.default_rng(seed).permutation(rows), _FOLDS)
    folds = folds[: max(1, -(-_HELD_OUT * _FOLDS // rows))]
    if rows < 2 * _FOLDS:
        return STRENGTHS[len(STRENGTHS) // 2]
    held = [_Held(counts, targets, problem, fold) for fold in folds]
    losses: list[float] = []
    for strength in STRENGTHS:
        losses.append(sum(one.loss(strength) for one in held))
        if losses[-1] > min(losses):
            break
    return STRENGTHS[int(np.argmin(losses))]


class _Held:
    """Rows that are held out, and a layer that is fitted to the others, again and again from where it was."""

    def __init__(
        self, counts: csr_array, targets: NDArray[np.float32], problem: Problem, rows: NDArray[np.int64]
    ) -> None:
        others = np.setdiff1d(np.arange(counts.shape[0]), rows)
        weights = _rarities(counts[others])
        self._problem = problem
        self._seen = weighed(counts[others], weights), targets[others]
        self._unseen = weighed(counts[rows], weights), targets[rows]
        self._layer: Layer | None = None

    def loss(self, strength: float) -> float:
        """The loss on the rows held out."""
        self._layer = fit_layer(*self._seen, self._problem, strength, self._layer)
        features, targets = self._unseen
        return loss_of(self._layer.logits(features), targets, self._problem)[0]
