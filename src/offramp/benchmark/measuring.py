"""Times both scenarios for all contenders, in one process with one number of threads."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offramp.benchmark.contenders import Contender, Kind
from offramp.benchmark.running import Entrant, entrants
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET
from offramp.engine.reads import reads_of, tokens_of
from offramp.evaluation import Request, interleave, measure_stages
from offramp.policy import at_exits, row_costs
from offramp.progress import OnProgress

REPEATS = 5

# The share of the time at which each part has to end; time that a part leaves over goes to the next.
_TRYING, _OFFLINE, _SINGLE, _BOUNDING = 0.35, 0.7, 0.9, 1.0

# No larger token budget is tried once one was slower than the best by this factor; less is chance.
_WORSE = 1.03

Seconds = dict[Contender, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Task:
    """What one process measures.

    Attributes:
        model: the model folder.
        threads: processor threads for everything.
        token_budgets: to choose from, ascending.
        offline: texts passed all at once.
        single: texts passed one by one.
        seconds: the time for measuring, once everything is loaded.
    """

    model: str
    contenders: tuple[Contender, ...]
    threads: int
    token_budgets: tuple[int, ...]
    offline: Request
    single: Request
    seconds: float


@dataclass(frozen=True, slots=True)
class Tried:
    """Seconds for the offline texts with a token budget, from the better of two runs."""

    token_budget: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender's times, in seconds.

    Attributes:
        token_budget: the best of those tried; None for the pipeline, which counts texts.
        tried: empty if there was no choice, or no time for it.
        offline: all offline texts, (rounds,).
        busy_cores: processor time / wall-clock of the offline rounds.
        single: each text on its own, (rounds, texts).
        offline_bound, single_bound: the least possible for all texts; only for early exit, and if there was time.
    """

    token_budget: int | None
    tried: tuple[Tried, ...]
    offline: tuple[float, ...]
    busy_cores: float
    single: tuple[tuple[float, ...], ...]
    offline_bound: float | None
    single_bound: float | None


def measure(task: Task, on_progress: OnProgress) -> list[Timing]:
    """Measures both scenarios for every contender.

    Offline, a contender gets all texts at once, with the token budget that suits it best; a truncated network uses that
    of full depth. In the single stream, it gets one text after the other. After a warm-up round, all contenders run in
    turn several times. Every round has the same texts, so nothing is new to the contenders, as in a server that has
    been up for a while.

    Except for the first round of each scenario, everything keeps to the task's time: if it runs short, fewer token
    budgets are tried, there are fewer rounds, and bounds are left out.
    """
    entered = entrants(Path(task.model), task.contenders, task.threads)
    started = time.perf_counter()
    trying, until_offline, until_single, bounding = (
        started + share * task.seconds for share in (_TRYING, _OFFLINE, _SINGLE, _BOUNDING)
    )
    tried = _try_budgets(task, entered, on_progress, trying)
    budgets = {contender: _budget(contender, tried, task.token_budgets) for contender in entered}
    busy_cores, offline = _offline(task, entered, budgets, on_progress, until_offline)
    single = _single_stream(task, entered, on_progress, until_single)
    each = {contender: seconds.sum(axis=1) for contender, seconds in single.items()}
    offline_bounds = _bounds(entered, offline, [task.offline], budgets, (until_single + bounding) / 2)
    single_bounds = _bounds(entered, each, one_by_one(task.single), budgets, bounding)
    return [
        Timing(
            token_budget=budgets[contender],
            tried=tuple(tried.get(contender, ())),
            offline=tuple(offline[contender].tolist()),
            busy_cores=busy_cores[contender],
            single=tuple(map(tuple, single[contender].tolist())),
            offline_bound=offline_bounds.get(contender),
            single_bound=single_bounds.get(contender),
        )
        for contender in task.contenders
    ]


def one_by_one(texts: Request) -> list[Request]:
    """Makes each text a request of its own."""
    if texts.text_pairs is None:
        return [Request([text], None) for text in texts.texts]
    return [Request([first], [second]) for first, second in zip(texts.texts, texts.text_pairs, strict=True)]


def _try_budgets(
    task: Task, entered: Mapping[Contender, Entrant], on_progress: OnProgress, deadline: float
) -> dict[Contender, list[Tried]]:
    """Tries token budgets for full depth and for early exit by each rule, if there is a choice and time."""
    if len(task.token_budgets) == 1:
        return {}
    choosing = [contender for contender in entered if contender.kind in (Kind.FULL, Kind.EARLY_EXIT)]
    tried = {}
    for number, contender in enumerate(choosing):
        if time.perf_counter() >= deadline:
            break
        on_progress("token budgets", number, len(choosing))
        tried[contender] = _climb(entered[contender], task, deadline)
    return tried


def _climb(entrant: Entrant, task: Task, deadline: float = math.inf) -> list[Tried]:
    """Tries token budgets from small to large, until it gets slower, all texts make one batch or time is up."""
    from offramp.engine.batching import plan  # with it comes PyTorch, which takes seconds

    lengths = tokens_of(entrant.classifier.runner.cascade, task.offline.texts, task.offline.text_pairs)
    tried: list[Tried] = []
    for budget in task.token_budgets:
        seconds = min(_seconds(entrant, task.offline, budget) for _ in range(2))
        tried.append(Tried(budget, seconds))
        if seconds > _WORSE * min(trial.seconds for trial in tried) or len(plan(lengths, budget)) == 1:
            break
        if time.perf_counter() >= deadline:
            break
    return tried


def _seconds(entrant: Entrant, texts: Request, token_budget: int) -> float:
    started = time.perf_counter()
    entrant.run(texts, token_budget)
    return time.perf_counter() - started


def _budget(contender: Contender, tried: Mapping[Contender, list[Tried]], token_budgets: Sequence[int]) -> int | None:
    if contender.kind is Kind.PIPELINE:
        return None
    if len(token_budgets) == 1:
        return token_budgets[0]
    like = Contender(Kind.FULL, contender.engine) if contender.end is not None else contender
    if like not in tried:
        return min(token_budgets, key=lambda budget: abs(budget - DEFAULT_TOKEN_BUDGET))
    return min(tried[like], key=lambda trial: trial.seconds).token_budget


def _offline(
    task: Task,
    entered: Mapping[Contender, Entrant],
    budgets: Mapping[Contender, int | None],
    on_progress: OnProgress,
    deadline: float,
) -> tuple[dict[Contender, float], Seconds]:
    """Busy cores and seconds (rounds,) for all texts at once."""
    processor_seconds: dict[Contender, list[float]] = {contender: [] for contender in entered}

    def act(contender: Contender) -> None:
        started = time.process_time()
        entered[contender].run(task.offline, budgets[contender])
        processor_seconds[contender].append(time.process_time() - started)

    done, total = count(1), len(entered) * (REPEATS + 1)
    actions = {contender: partial(act, contender) for contender in entered}
    seconds = interleave(actions, REPEATS, lambda: on_progress("offline", next(done), total), deadline=deadline)
    # The warm-up round comes first, and counts only if there is no other.
    busy = {key: sum(processor_seconds[key][-len(rounds) :]) / float(rounds.sum()) for key, rounds in seconds.items()}
    return busy, seconds


def _single_stream(
    task: Task, entered: Mapping[Contender, Entrant], on_progress: OnProgress, deadline: float
) -> Seconds:
    """Seconds of each text on its own, (rounds, texts)."""
    requests = one_by_one(task.single)
    done, total = count(1), len(entered) * len(requests) * (REPEATS + 1)
    actions = {
        (contender, place): partial(entrant.run, request)
        for contender, entrant in entered.items()
        for place, request in enumerate(requests)
    }
    seconds = interleave(actions, REPEATS, lambda: on_progress("single stream", next(done), total), deadline=deadline)
    places = range(len(requests))
    return {contender: np.stack([seconds[contender, place] for place in places], axis=1) for contender in entered}


def _bounds(
    entered: Mapping[Contender, Entrant],
    seconds: Seconds,
    requests: Sequence[Request],
    budgets: Mapping[Contender, int | None],
    deadline: float,
) -> dict[Contender, float]:
    """The least seconds in which early exit could serve the requests, given those of full depth, (rounds,).

    Engines that no time is left for are left out.
    """
    bounds = {}
    whole = [contender for contender in entered if contender.kind is Kind.FULL]
    for place, full in enumerate(whole):
        classifier = entered[full].classifier.with_token_budget(budgets[full] or DEFAULT_TOKEN_BUDGET)
        seconds_of_full = float(np.median(seconds[full]))
        # Each repeat is a pass at full depth and one through all stages; one more repeat is the warm-up.
        repeats = (deadline - time.perf_counter()) / (len(whole) - place) / seconds_of_full / 2 - 1
        if repeats < 1:
            continue
        costs = measure_stages(classifier, requests, int(min(repeats, REPEATS)))
        texts = [text for request in requests for text in request.texts]
        pairs = [text for request in requests for text in request.text_pairs or ()] or None
        shares = row_costs(costs.stages, reads_of(classifier.runner.cascade, texts, pairs), costs.full)
        for contender in entered:
            if contender.engine == full.engine and contender.rule is not None:
                exits = classifier.predict(texts, pairs, rule=contender.rule).exits
                bounds[contender] = seconds_of_full * float(at_exits(shares, exits[None]).mean())
    return bounds
