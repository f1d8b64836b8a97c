import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.toys import EXIT_NAMES
from offramp.backends import REFERENCE, Engine
from offramp.benchmark import measuring
from offramp.benchmark.contenders import Kind, entries
from offramp.benchmark.measuring import REPEATS, measure, one_by_one
from offramp.benchmark.running import Entrant, entrants, open_engine
from offramp.evaluation import Request
from offramp.policy import StageCosts


def test_every_contender_is_timed_in_both_scenarios(task):
    timings = dict(zip(task.contenders, measure(task, lambda *_: None), strict=True))
    for contender, timing in timings.items():
        assert len(timing.offline) == REPEATS
        assert np.shape(timing.single) == (REPEATS, 3)
        assert min(*timing.offline, *timing.single[0], timing.busy_cores) > 0
        assert (timing.token_budget is None) == (contender.kind is Kind.PIPELINE)
        early = contender.kind is Kind.EARLY_EXIT
        assert (timing.offline_bound is not None, timing.single_bound is not None) == (early, early)
        assert bool(timing.tried) == (contender.kind in (Kind.FULL, Kind.EARLY_EXIT))
        if timing.tried:
            best = min(timing.tried, key=lambda one: one.seconds)
            assert timing.token_budget == best.token_budget
    full = next(timing for contender, timing in timings.items() if contender.kind is Kind.FULL)
    for contender, timing in timings.items():
        if contender.kind is Kind.TRUNCATED:
            assert timing.token_budget == full.token_budget


def test_one_token_budget_needs_no_search(task):
    for contender, timing in zip(
        task.contenders, measure(replace(task, token_budgets=(64,)), lambda *_: None), strict=True
    ):
        assert timing.tried == ()
        assert timing.token_budget == (None if contender.kind is Kind.PIPELINE else 64)


def test_other_engines_run_beside_the_reference(task, monkeypatch):
    # The protocol is all that counts: PyTorch stands in for another backend.
    monkeypatch.setattr(
        "offramp.benchmark.running.open_engine", lambda model, engine, threads: open_engine(model, REFERENCE, threads)
    )
    rule = next(one.rule for one in task.contenders if one.rule is not None)
    entered = tuple(entries([REFERENCE, Engine("openvino", "int8")], EXIT_NAMES, [rule], {}))
    timings = measure(replace(task, contenders=entered, token_budgets=(64,)), lambda *_: None)
    assert len(timings) == len(entered) == 9


def test_progress_is_told(task):
    told = []
    measure(task, lambda *what: told.append(what))
    assert told[:3] == [("token budgets", place, 3) for place in range(3)]
    runs = len(task.contenders) * (REPEATS + 1)
    assert told[3 : 3 + runs] == [("offline", done, runs) for done in range(1, runs + 1)]
    assert told[-1] == ("single stream", 3 * runs, 3 * runs)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({10: 4.0, 20: 3.0, 40: 3.5, 80: 1.0}, [10, 20, 40]),
        ({10: 4.0, 20: 4.1, 40: 3.0, 80: 2.9}, [10, 20, 40, 80]),
        ({10: 4.0, 20: 5.0, 40: 1.0, 80: 1.0}, [10, 20]),
    ],
)
def test_token_budgets_are_tried_until_it_gets_slower(task, monkeypatch, seconds, expected):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(measuring, "tokens_of", lambda cascade, texts, pairs: np.full(100, 10))
    classifier = SimpleNamespace(runner=SimpleNamespace(cascade=None))
    classifier.with_token_budget = lambda budget: SimpleNamespace(token_budget=budget)

    def predict(classifier, request):
        clock.now += seconds[classifier.token_budget]

    tried = measuring._climb(Entrant(classifier, predict), replace(task, token_budgets=(10, 20, 40, 80)))
    assert [one.token_budget for one in tried] == expected
    assert [one.seconds for one in tried] == pytest.approx([seconds[budget] for budget in expected])


def test_no_larger_budget_is_tried_once_all_texts_are_one_batch(task):
    timings = measure(replace(task, token_budgets=(4096, 8192)), lambda *_: None)
    for timing in timings:
        assert [one.token_budget for one in timing.tried] in ([], [4096])


def test_requests_of_one_text():
    assert one_by_one(Request(["a", "b"], None)) == [Request(["a"], None), Request(["b"], None)]
    assert one_by_one(Request(["a"], ["b"])) == [Request(["a"], ["b"])]


@pytest.fixture
def clock(monkeypatch):
    """Stands still but for contenders that run: a second a text."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)

    def pretend(model, entered, threads):
        def predict(classifier, request):
            clock.now += len(request.texts)

        return {one: Entrant(entrant.classifier, predict) for one, entrant in entrants(model, entered, threads).items()}

    def stages(classifier, requests, repeats):
        clock.now += 2 * (repeats + 1) * sum(len(request.texts) for request in requests)
        return StageCosts((0.3, 0.3, 0.4), 1.0)

    monkeypatch.setattr(measuring, "entrants", pretend)
    monkeypatch.setattr(measuring, "measure_stages", stages)
    return clock


@pytest.mark.parametrize("seconds", [250, 400, 700, 1000, 2000, 20_000])
def test_a_time_budget_is_kept(task, clock, seconds):
    """Six contenders: a round of 12 texts at once takes 72 seconds, one of 3 texts one by one 18."""
    timings = measure(replace(task, seconds=seconds), lambda *_: None)
    assert clock.now - 1000 <= seconds
    rounds = {len(timing.offline) for timing in timings} | {len(timing.single) for timing in timings}
    assert (rounds == {REPEATS}) == (seconds >= 1000)


@pytest.mark.parametrize("seconds", [0.01, 60])
def test_one_round_is_measured_whatever_the_time(task, clock, seconds):
    timings = measure(replace(task, seconds=seconds), lambda *_: None)
    assert {len(timing.offline) for timing in timings} == {len(timing.single) for timing in timings} == {1}
    assert {timing.offline_bound for timing in timings} == {None}
    assert clock.now - 1000 <= seconds + 2 * (72 + 18)


def test_where_time_is_short_token_budgets_are_not_tried(task, clock):
    timings = measure(replace(task, seconds=100, token_budgets=(4096, 8192)), lambda *_: None)
    tried = [timing for timing in timings if timing.tried]
    assert len(tried) == 2
    assert {timing.token_budget for timing in timings} == {None, 4096}
