"""Times exit rules, cut networks and full depth in turn, on the same rows."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from offramp.evaluation.bound import Request, costs_of, stage_seconds
from offramp.evaluation.timed import Timed
from offramp.evaluation.timing import Ratio, interleave, ratio
from offramp.policy import ExitAnswers, Threshold, criterion_name
from offramp.progress import OnProgress

if TYPE_CHECKING:
    from offramp.engine import Classifier

REPEATS = 5

# So few rows cost little time, and fewer would hardly make a batch.
_LEAST_ROWS = 32


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed of a setting.

    Attributes:
        ratio: how many times faster it is than full depth; without quartiles if it was computed.
        bound: how many times faster it could be at most: an estimate, raised to ``ratio`` if that is higher.
        texts_per_second: all texts at once: full depth's median over the runs, times ``ratio``. Paired runs are more
            reliable than two medians if the machine changes its pace.
        computed: whether it was computed from the times of the stages instead of timed.
    """

    ratio: Ratio
    bound: float
    texts_per_second: float
    computed: bool = False


@dataclass(frozen=True, slots=True)
class Speeds:
    """The speeds measured on some rows.

    Attributes:
        repeats: how often everything ran.
        rules: of each rule.
        ending: of the network that ends after each exit, (exits,); the last is full depth.
    """

    repeats: int
    rules: tuple[Speed, ...]
    ending: tuple[Speed, ...]


def rows_within(seconds: float, answers: ExitAnswers, exits: Sequence[NDArray[np.int64]], timed: Timed) -> int:
    """The number of rows for which :func:`measure_speeds` takes about the given time: at least 32, at most all.

    Args:
        seconds: the time it may take.
        answers: of all rows, with the costs of the stages.
        exits: that the rows take by each rule, (rules, rows).
        timed: what is timed.
    """
    # Full depth runs in one go, and once stage by stage.
    ends = [*timed.cuts, len(answers.layers) - 1, len(answers.layers) - 1]
    ways = [
        *{exits[index].tobytes(): exits[index] for index in timed.rules}.values(),
        *(np.full(len(answers), end) for end in ends),
    ]
    row_seconds = (REPEATS + 1) * sum(map(answers.seconds, ways))
    return int(np.clip(seconds / row_seconds, min(_LEAST_ROWS, len(answers)), len(answers)))


def measure_speeds(
    classifier: "Classifier",
    rows: Request,
    answers: ExitAnswers,
    rules: Sequence[Threshold],
    exits: Sequence[NDArray[np.int64]],
    timed: Timed,
    on_progress: OnProgress,
    places: NDArray[np.int64] | None = None,
) -> Speeds:
    """Measures wall-clock from texts in to predictions out; everything runs in turn, several times.

    Where few rows are timed, one more or less that goes on makes a fast rule much slower or faster. So the time that a
    rule took is brought to all rows: by the time of the stages that these run, over that of the rows that were timed.

    What is not timed is computed: the time of the stages that the rows run, over the share of the speed possible at
    most that timed rules reach, those as cheap and those as dear. Where all rows leave at one exit batches stay whole,
    as they do where the stages are measured: a cut network reaches all of it.

    Args:
        rows: that are timed.
        answers: of all rows.
        exits: that all rows take by each rule, (rules, rows).
        timed: what is timed; rules that compute the same share their time.
        places: of the rows that are timed among all; None if these are all.
    """
    texts, pairs, last = rows.texts, rows.text_pairs, len(classifier.exits) - 1
    places = np.arange(len(answers)) if places is None else places
    sampled = [taken[places] for taken in exits]
    kinds = [(criterion_name(rule.criterion), taken.tobytes()) for rule, taken in zip(rules, sampled, strict=True)]
    stages: list[NDArray[np.float64]] = []
    actions: dict[Hashable, Callable[[], object]] = {
        **{kinds[index]: partial(classifier.predict, texts, pairs, rule=rules[index]) for index in timed.rules},
        **{index: partial(classifier.predict_truncated, texts, pairs, exit_index=index) for index in timed.cuts},
        last: partial(classifier.predict_full, texts, pairs),
        "stages": lambda: stages.append(stage_seconds(classifier, [rows])),
    }
    total, done = len(actions) * (REPEATS + 1), count(1)
    seconds = interleave(actions, REPEATS, lambda: on_progress("timing", next(done), total))
    full = seconds[last]
    answers = replace(answers, costs=costs_of(stages[1:], full, len(texts)))
    measured = answers.subset(places)
    costs, sample_costs = [answers.cost(taken) for taken in exits], [measured.cost(taken) for taken in sampled]
    ends = [measured.cost(np.full(len(texts), index)) for index in (0, last)]
    alone = [cost_alone(classifier, measured, index) for index in range(last + 1)]
    timed_costs, efficiencies = _efficiencies(
        [(sample_costs[index], ratio(full, seconds[kinds[index]]).median) for index in timed.rules], ends
    )

    def speed(action: Hashable, cost: float, efficiency: float, sample_cost: float) -> Speed:
        if action in seconds:
            return speed_of(full, seconds[action] * (cost / sample_cost), 1 / cost, len(texts))
        return computed_speed(full, cost, efficiency, len(texts))

    rule_speeds = [
        speed(kind, cost, float(np.interp(cost, timed_costs, efficiencies)), sample_cost)
        for kind, cost, sample_cost in zip(kinds, costs, sample_costs, strict=True)
    ]
    return Speeds(
        repeats=REPEATS,
        rules=tuple(bounded_alike(rule_speeds, costs)),
        ending=tuple(speed(index, cost, 1.0, cost) for index, cost in enumerate(alone)),
    )


def bounded_alike(speeds: Sequence[Speed], costs: Sequence[float]) -> list[Speed]:
    """The speeds of rules with bounds that fall as costs rise: what a dearer rule reached, a cheaper one can reach.

    Otherwise a bound that was raised to what was measured could exceed that of a rule whose stages cost less. What was
    computed keeps its share of what it can reach.

    Args:
        speeds: of each rule.
        costs: of the stages that each runs, in the same unit.
    """
    bounds = [max(other.bound for other, dear in zip(speeds, costs, strict=True) if dear >= cost) for cost in costs]
    return [_bounded(one, bound) for one, bound in zip(speeds, bounds, strict=True)]


def _bounded(speed: Speed, bound: float) -> Speed:
    if not speed.computed:
        return replace(speed, bound=bound)
    raised = bound / speed.bound
    exactly = Ratio(*[raised * speed.ratio.median] * 3)
    return replace(speed, ratio=exactly, bound=bound, texts_per_second=raised * speed.texts_per_second)


def cost_alone(classifier: "Classifier", answers: ExitAnswers, index: int) -> float:
    """What all rows cost up to an exit in a network that ends there.

    Nothing runs that reads the texts before it, but for the exit whose answer it adds to its own.
    """
    from offramp.engine.windows import begins  # with it comes PyTorch, which takes seconds

    cascade, source = classifier.runner.cascade, classifier.runner.cascade.source(index)
    first = cascade.first_exits[begins(cascade.members, cascade.places[index][0])] if source is None else source
    before = answers.cost(np.full(len(answers), first - 1)) if first else 0.0
    return answers.cost(np.full(len(answers), index)) - before


def speed_of(full: NDArray[np.float64], seconds: NDArray[np.float64], estimate: float, texts: int) -> Speed:
    """The speed of a setting, from the seconds of full depth and its own, (repeats,).

    Args:
        estimate: how many times faster than full depth it could be at most.
        texts: number of texts in each run.
    """
    measured = ratio(full, seconds)
    return Speed(measured, max(estimate, measured.median), measured.median * texts / float(np.median(full)))


def computed_speed(full: NDArray[np.float64], cost: float, efficiency: float, texts: int) -> Speed:
    """The speed of what was not timed.

    Args:
        full: seconds of full depth, (repeats,).
        cost: of the stages that run; 1 is full depth in one go.
        efficiency: the share of the speed possible at most that is reached.
        texts: that each run classified.
    """
    speedup = efficiency / cost
    exactly = Ratio(speedup, speedup, speedup)
    return Speed(exactly, 1 / cost, speedup * texts / float(np.median(full)), computed=True)


def _efficiencies(rules: Iterable[tuple[float, float]], ends: Iterable[float]) -> tuple[list[float], list[float]]:
    """Costs in ascending order, and the share of the speed possible at most that is reached at such a cost.

    Args:
        rules: cost and speed-up of each that was timed.
        ends: costs at which all of it is reached.
    """
    reached = sorted([*((cost, min(1.0, speedup * cost)) for cost, speedup in rules), *((end, 1.0) for end in ends)])
    return [cost for cost, _ in reached], [efficiency for _, efficiency in reached]
