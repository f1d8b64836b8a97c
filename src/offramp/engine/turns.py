"""Which rows of those on their way through a member run next."""

from collections import deque
from collections.abc import Iterable

from offramp.engine.cascade import Cascade
from offramp.engine.encoder import Encoder
from offramp.engine.pool import Pool
from offramp.engine.steps import InFlight, Parted


class Turns:
    """Which rows run next, first in, first out: what was begun is ended before the next batch is begun.

    The deepest stage with a full batch goes first. So the state of a batch that goes on as a whole, which lies in the
    backend's memory, is read before the stage that gave it runs again.
    """

    def __init__(self, cascade: Cascade, member: int, begun: Iterable[InFlight], token_budget: int) -> None:
        self._begun = iter(begun)
        self._first = cascade.first_exits[member]
        self._pools: dict[int, Pool] = {}
        if isinstance(encoder := cascade.members[member], Encoder):
            for stage in range(1, len(encoder.layers)):
                self._pools[self._first + stage] = Pool(encoder.stages, token_budget)
        self._ready: dict[int, deque[InFlight]] = {exit_index: deque() for exit_index in reversed(self._pools)}

    def next(self) -> tuple[int, InFlight] | None:
        """The exit that comes next, and the rows that run up to it; None when no row is left."""
        for exit_index, ready in self._ready.items():
            if ready:
                return exit_index, ready.popleft()
        if (rows := next(self._begun, None)) is not None:
            return self._first, rows
        for exit_index, pool in self._pools.items():
            for rest in pool.rest():
                return exit_index, rest
        return None

    def stay(self, exit_index: int, parted: Parted) -> list[InFlight]:
        """Takes the rows that did not leave at an exit; gives them back if it was the member's last."""
        rows, staying = parted.rows, parted.staying
        if not len(staying):
            return []
        if (pool := self._pools.get(exit_index + 1)) is None:
            return [InFlight(rows.ids[staying], rows.lengths[staying], rows.passed.take(staying, axis=1), None)]
        self._ready[exit_index + 1] += pool.add(rows, staying)
        return []
