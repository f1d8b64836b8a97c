"""The clock of an evaluation: exit rules, truncations and full depth in turn, on the same rows."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from offramp.engine import Classifier
from offramp.evaluation.bound import Request, measure_costs
from offramp.evaluation.sampling import distinct, share_of_full
from offramp.evaluation.timing import OnProgress, Ratio, interleave, ratio
from offramp.policy import Replay, Threshold, criterion_name

REPEATS = 5

# Few rows more do not cost much time, and with fewer there is hardly a batch.
_LEAST_ROWS = 32
_FULL = "full depth"


@dataclass(frozen=True, slots=True)
class Speed:
    """How many times faster than full depth: measured, and possible at most."""

    measured: Ratio
    bound: float


@dataclass(frozen=True, slots=True)
class Speeds:
    """What was measured on some rows.

    Attributes:
        repeats: how often everything ran.
        full_seconds: for all rows at full depth.
        rules: one for each.
        truncated: of the network cut off behind each exit but the last, (exits - 1,).
    """

    repeats: int
    full_seconds: float
    rules: tuple[Speed, ...]
    truncated: tuple[Ratio, ...]


def rows_within(
    seconds: float, row_seconds: float, layers: Sequence[int], replays: Sequence[Replay], tokens: NDArray[np.int64]
) -> int:
    """Gives the number of rows for which :func:`measure_speeds` takes about some time, at least 32 or all.

    Args:
        seconds: that it may take.
        row_seconds: of one row at full depth.
        layers: run before each exit, (exits,).
        replays: one for each rule.
        tokens: of each row, (rows,).
    """
    everywhere = [np.full(len(tokens), index) for index in range(len(layers))]
    # Full depth runs once more, where the parts that no row can skip are measured.
    ways = [*(taken.exits for taken in distinct(replays)), *everywhere, everywhere[-1]]
    row_seconds *= (REPEATS + 1) * sum(share_of_full(layers, exits, tokens) for exits in ways)
    return int(np.clip(seconds / row_seconds, min(_LEAST_ROWS, len(tokens)), len(tokens)))


def measure_speeds(
    classifier: Classifier, rows: Request, rules: Sequence[Threshold], on_progress: OnProgress
) -> Speeds:
    """Measures wall-clock from texts in to predictions out; everything runs in turn, several times."""
    texts, pairs = rows.texts, rows.text_pairs
    # A trial run of each rule tells which of them compute the same; those are timed once.
    trials = [classifier.predict(texts, pairs, rule=rule) for rule in rules]
    kinds = [(criterion_name(rule.criterion), trial.exits.tobytes()) for rule, trial in zip(rules, trials, strict=True)]
    early_exits = range(len(classifier.exits) - 1)
    actions: dict[Hashable, Callable[[], object]] = {
        **{kind: partial(classifier.predict, texts, pairs, rule=rule) for kind, rule in zip(kinds, rules, strict=True)},
        **{index: partial(classifier.predict_truncated, texts, pairs, exit_index=index) for index in early_exits},
        _FULL: partial(classifier.predict_full, texts, pairs),
    }
    total, done = len(actions) * (REPEATS + 1), count(1)
    seconds = interleave(actions, REPEATS, lambda: on_progress("timing", next(done), total))
    full = seconds[_FULL]
    costs = measure_costs(classifier, [rows], float(np.median(full)), REPEATS)
    return Speeds(
        repeats=REPEATS,
        full_seconds=costs.full,
        rules=tuple(
            Speed(ratio(full, seconds[kind]), costs.full / costs.bound(trial.exits, classifier.exits, trial.tokens))
            for kind, trial in zip(kinds, trials, strict=True)
        ),
        truncated=tuple(ratio(full, seconds[index]) for index in early_exits),
    )
