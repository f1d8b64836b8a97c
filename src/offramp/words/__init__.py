"""A model of words, which reads raw texts before anything is tokenized, and is fitted in seconds."""

from typing import TYPE_CHECKING

from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.words.fitting import fit as fit
    from offramp.words.grams import words_of as words_of
    from offramp.words.trial import WordsTrial as WordsTrial
    from offramp.words.trial import words_trial as words_trial
    from offramp.words.words import Words as Words

_HOMES = {"Words": "words", "WordsTrial": "trial", "fit": "fitting", "words_of": "grams", "words_trial": "trial"}
__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy(__name__, _HOMES)
