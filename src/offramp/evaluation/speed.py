"""The clock of an evaluation: exit rules, truncations and full depth in turn, on the same rows."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.evaluation.bound import Request, measure_stages
from offramp.evaluation.sampling import distinct
from offramp.evaluation.timing import Ratio, interleave, ratio
from offramp.policy import ExitAnswers, Replay, Threshold, criterion_name
from offramp.progress import OnProgress

if TYPE_CHECKING:
    from offramp.engine import Classifier

REPEATS = 5

# Few rows more do not cost much time, and with fewer there is hardly a batch.
_LEAST_ROWS = 32


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast something is.

    Attributes:
        measured: how many times faster than full depth.
        bound: how many times faster it could be at most. What was reached is possible, so the estimate, which is as
            uncertain as every time, gives way where more was measured.
        texts_per_second: all texts at once: full depth's median over the runs, times ``measured``. Paired runs tell
            more of that than two medians do, which a machine that changes its pace sets apart.
    """

    measured: Ratio
    bound: float
    texts_per_second: float


@dataclass(frozen=True, slots=True)
class Speeds:
    """What was measured on some rows.

    Attributes:
        repeats: how often everything ran.
        rules: one for each.
        ending: of the network that ends after each exit, (exits,); the last of them is full depth.
    """

    repeats: int
    rules: tuple[Speed, ...]
    ending: tuple[Speed, ...]


def rows_within(seconds: float, answers: ExitAnswers, replays: Sequence[Replay]) -> int:
    """Gives the number of rows for which :func:`measure_speeds` takes about some time, at least 32 or all.

    Args:
        seconds: that it may take.
        answers: of all rows, with the costs of the stages.
        replays: one for each rule.
    """
    everywhere = [np.full(len(answers), index) for index in range(len(answers.layers))]
    # Full depth and all stages run once more, where the stages are measured.
    ways = [*(taken.exits for taken in distinct(replays)), *everywhere, everywhere[-1], everywhere[-1]]
    row_seconds = (REPEATS + 1) * sum(map(answers.seconds, ways))
    return int(np.clip(seconds / row_seconds, min(_LEAST_ROWS, len(answers)), len(answers)))


def measure_speeds(
    classifier: "Classifier",
    rows: Request,
    answers: ExitAnswers,
    rules: Sequence[Threshold],
    on_progress: OnProgress,
) -> Speeds:
    """Measures wall-clock from texts in to predictions out; everything runs in turn, several times.

    Args:
        answers: of the same rows.
    """
    texts, pairs = rows.texts, rows.text_pairs
    # A trial run of each rule tells which of them compute the same; those are timed once.
    trials = [classifier.predict(texts, pairs, rule=rule) for rule in rules]
    kinds = [(criterion_name(rule.criterion), trial.exits.tobytes()) for rule, trial in zip(rules, trials, strict=True)]
    exits = range(len(classifier.exits))
    actions: dict[Hashable, Callable[[], object]] = {
        **{kind: partial(classifier.predict, texts, pairs, rule=rule) for kind, rule in zip(kinds, rules, strict=True)},
        **{index: partial(classifier.predict_truncated, texts, pairs, exit_index=index) for index in exits[:-1]},
        exits[-1]: partial(classifier.predict_full, texts, pairs),
    }
    total, done = len(actions) * (REPEATS + 1), count(1)
    seconds = interleave(actions, REPEATS, lambda: on_progress("timing", next(done), total))
    full = seconds[exits[-1]]
    measured = replace(answers, costs=measure_stages(classifier, [rows], REPEATS))

    def speed(action: Hashable, taken: NDArray[np.int64]) -> Speed:
        return speed_of(full, seconds[action], 1 / measured.cost(taken), len(texts))

    return Speeds(
        repeats=REPEATS,
        rules=tuple(speed(kind, trial.exits) for kind, trial in zip(kinds, trials, strict=True)),
        ending=tuple(speed(index, np.full(len(texts), index)) for index in exits),
    )


def speed_of(full: NDArray[np.float64], seconds: NDArray[np.float64], estimate: float, texts: int) -> Speed:
    """Puts together the seconds of full depth and of something else, (repeats,), and an estimate of what is possible.

    Args:
        estimate: how many times faster than full depth the other could be at most.
        texts: that each run classified.
    """
    measured = ratio(full, seconds)
    return Speed(measured, max(estimate, measured.median), measured.median * texts / float(np.median(full)))
