"""Which rows are timed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from offramp.policy import Replay


def distinct(replays: Sequence[Replay]) -> list[Replay]:
    """The replays that differ: thresholds at which every row takes the same exit are the same computation."""
    return list({replay.exits.tobytes(): replay for replay in replays}.values())


def representative_rows(
    replays: Sequence[Replay], tokens: NDArray[np.int64], size: int, seed: int
) -> NDArray[np.int64]:
    """Chooses rows whose mean cost is, at every threshold, about that of all rows.

    Rows are sorted by the stages they run over all thresholds, then by length, and taken at even distances from a
    random start. A plain random sample of a few dozen rows could be much easier or harder than the whole.

    Args:
        replays: one for each threshold.
        tokens: tokens of each row, (rows,).
        size: rows to choose, at most all.
        seed: of the random start.

    Returns:
        Row indices in ascending order, (size,).
    """
    stages_over_thresholds = np.sum([replay.exits for replay in distinct(replays)], axis=0)
    start = np.random.default_rng(seed).random()
    places = ((np.arange(size) + start) * len(tokens) / size).astype(np.int64)
    return np.sort(np.lexsort((tokens, stages_over_thresholds))[places])
