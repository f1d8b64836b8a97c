"""Long texts that a cascade reads window by window: which member reads which window, and what is known so far.

For each window of long texts the cascade has a member, see :mod:`offramp.engine.encoder`; where texts are cut, none of
this is needed. How windows are combined is in :mod:`offramp.model.windows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.engine.encoder import Encoder

if TYPE_CHECKING:
    from offramp.engine.cascade import Cascade, Member


@dataclass(frozen=True, slots=True)
class SoFar:
    """What is known of rows that are read window by window.

    Attributes:
        said: what the windows before the present one say together, not calibrated, (rows, labels).
        ends: the exit at which each row has been read to its end, (rows,).
    """

    said: NDArray[np.float32]
    ends: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> "SoFar":
        """The same of some rows."""
        return SoFar(self.said[rows], self.ends[rows])


def nothing_so_far(cascade: "Cascade", rows: int) -> SoFar | None:
    """What is known of rows before anything has read them; None where long texts are cut."""
    if cascade.read_on is None:
        return None
    return SoFar(np.zeros((rows, len(cascade.labels)), np.float32), np.full(rows, len(cascade.places) - 1))


def goes_on(members: Sequence["Member"], member: int) -> bool:
    """Whether a member, by its index, reads the next window of what the member before it has read."""
    reading = members[member] if member < len(members) else None
    return isinstance(reading, Encoder) and reading.window > 1


def begins(members: Sequence["Member"], member: int) -> int:
    """The member that reads the first window of what a member reads; itself where texts are cut. Both by index."""
    return begins(members, member - 1) if goes_on(members, member) else member


def windows_of(members: Sequence["Member"]) -> tuple[Encoder, ...]:
    """The last encoder's members: one for each window of long texts, or one alone where they are cut."""
    first = begins(members, len(members) - 1)
    return tuple(member for member in members[first:] if isinstance(member, Encoder))


def ends(cascade: "Cascade", windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The exit at which each text has been read to its end, (rows,), given the number of its windows."""
    lasts = np.array([*cascade.first_exits[1:], len(cascade.places)]) - 1
    most = 1 if cascade.read_on is None else cascade.read_on.windows
    return lasts[len(cascade.members) - most + windows - 1]


def combined(member: "Member", before: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """What an exit says together with the windows before its own, (rows, labels); both not calibrated.

    Args:
        member: whose exit it is.
        before: what those windows say together.
        logits: of the exit, for its window alone.
    """
    if not isinstance(member, Encoder) or member.read_on is None:
        return logits
    return member.read_on.combined(before, logits, member.window)
