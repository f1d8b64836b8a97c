"""What is watched of texts that were answered: no labels are needed for it, and no run to full depth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.drift.vocabulary import Vocabulary
from offramp.policy import ExitRule

Values = NDArray[np.float64]

BY_EXIT = frozenset({"confidence", "disagreement"})
"""What is compared with the calibration texts that took the same exit."""


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What is watched of texts, (texts,) each; NaN where there is nothing to see.

    Attributes:
        exits: index of the exit taken.
        confidence: of the answer.
        disagreement: among the exits passed, see :func:`exit_disagreement`.
        characters: of the text, or of both texts of a pair.
        unknown: share of words that are not among those of calibration texts.
        pieces: tokens a word, where the last encoder read the text.
    """

    exits: NDArray[np.int64]
    confidence: Values
    disagreement: Values
    characters: Values
    unknown: Values
    pieces: Values


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How texts are looked at that leave by a rule.

    Attributes:
        problem: one label or a set of labels.
        asked: exits that the rule asks, (exits,); what others say may never have been computed.
        tokenized: exits at which the number of tokens is known, (exits,).
        vocabulary: known words.
    """

    problem: Problem
    asked: NDArray[np.bool_]
    tokenized: NDArray[np.bool_]
    vocabulary: Vocabulary

    @classmethod
    def at(cls, rule: ExitRule, problem: Problem, tokenized: Sequence[bool], vocabulary: Vocabulary) -> "View":
        """The view of a model's texts at an operating point."""
        *early, _ = range(len(tokenized))
        asked = np.array([*map(rule.asks, early), True])
        return cls(problem, asked, np.array(tokenized, np.bool_), vocabulary)

    def disagreement(self, passed: Values) -> Values:
        """Disagreement among the exits passed that the rule asks, (texts,); ``passed`` is (exits, texts, labels)."""
        return exit_disagreement(passed[self.asked[: len(passed)]], self.problem)

    def disagreement_by_exit(
        self, exits: NDArray[np.int64], passed: Callable[[int, NDArray[np.int64]], Values]
    ) -> Values:
        """:meth:`disagreement` of texts that left at several exits, (texts,).

        Args:
            exits: index of the exit taken, (texts,).
            passed: gives, for an exit and the positions of the texts that took it, what the exits up to it said of
                them, (exits, texts, labels).
        """
        found = np.full(len(exits), np.nan)
        for taken in np.unique(exits).tolist():
            texts = np.flatnonzero(exits == taken)
            found[texts] = self.disagreement(passed(taken, texts))
        return found

    def observed(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        exits: NDArray[np.int64],
        probabilities: Values,
        disagreement: Values,
        tokens: NDArray[np.int64],
    ) -> Observed:
        """Looks at texts that were answered.

        Args:
            exits: index of the exit taken, (texts,).
            probabilities: calibrated answers, (texts, labels).
            disagreement: see :meth:`disagreement`.
            tokens: read of each text where it left, (texts,).
        """
        characters = np.fromiter(map(len, texts), np.float64, len(texts))
        if text_pairs is not None:
            characters += np.fromiter(map(len, text_pairs), np.float64, len(texts))
        counted = self.vocabulary.count(texts, text_pairs)
        words = np.where(counted.words > 0, counted.words, np.nan)
        return Observed(
            exits=exits,
            confidence=self.problem.confidence(probabilities, exits),
            disagreement=disagreement,
            characters=characters,
            unknown=counted.unknown / words,
            pieces=np.where(self.tokenized[exits], tokens, np.nan) / words,
        )


def exit_disagreement(passed: Values, problem: Problem) -> Values:
    """Mean total variation between what two exits say of a text, over all pairs of exits; NaN where there is one exit.

    For sets of labels it is the mean over the labels, each of which holds or not.

    Args:
        passed: calibrated probabilities, (exits, texts, labels).

    Returns:
        (texts,), from 0 to 1.

    Source: Shi et al., arXiv 2011.07748 (disagreement of an ensemble as a sign of foreign inputs), carried over.
    """
    exits, texts, labels = passed.shape
    if exits < 2:
        return np.full(texts, np.nan)
    # Summed over pairs, the differences of numbers are the numbers in order, each times a weight of its own.
    weights = 2.0 * np.arange(exits) - (exits - 1)
    apart = np.tensordot(weights, np.sort(passed, axis=0), 1).sum(axis=-1) / (exits * (exits - 1) / 2)
    return np.asarray(apart / (labels if problem.multi_label else 2))
