"""Narrower layers from unlabeled texts, without gradients through the encoder: the ``compress`` verb."""

from typing import TYPE_CHECKING

from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.compressing.compression import compress as compress
    from offramp.compressing.summary import Compressed as Compressed

__all__ = ["Compressed", "compress"]

_HOMES = {"Compressed": "summary", "compress": "compression"}
__getattr__ = lazy(__name__, _HOMES)
