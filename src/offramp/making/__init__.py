"""From labeled texts, or from a classifier and texts, to a fast model folder with a promise: the ``make`` verb."""

from offramp.making.parts import TEST_SHARE as TEST_SHARE
from offramp.making.parts import Parts as Parts
from offramp.making.run import Made as Made
from offramp.making.run import make as make

__all__ = ["TEST_SHARE", "Made", "Parts", "make"]
