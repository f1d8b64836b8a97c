"""A model of words, which reads raw texts before anything is tokenized, and is fitted in seconds."""

from offramp.words.fitting import fit
from offramp.words.words import Words

__all__ = ["Words", "fit"]
