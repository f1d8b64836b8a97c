import time

import numpy as np
import pytest

from offramp.evaluation.timing import interleave, ratio


class Clock:
    """Moves only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", clock)
    return clock


def test_actions_run_in_turn_after_one_round_to_warm_up(clock):
    order, told = [], []

    def action(name):
        def act():
            order.append(name)
            clock.now += len(order)

        return act

    seconds = interleave({"a": action("a"), "b": action("b")}, 3, lambda: told.append(len(order)))
    assert order == ["a", "b"] * 4
    assert told == list(range(1, 9))
    # The warm-up took 1 and 2 seconds and is not among the results.
    assert seconds["a"].tolist() == [3, 5, 7]
    assert seconds["b"].tolist() == [4, 6, 8]


def test_time_spent_on_telling_is_not_counted(clock):
    def tell():
        clock.now += 1000

    def act():
        clock.now += 1

    assert interleave({1: act}, 2, tell)[1].tolist() == [1, 1]


@pytest.mark.parametrize(("deadline", "rounds"), [(130, 2), (139.9, 2), (140, 3), (999, 5)])
def test_a_round_begins_only_if_it_can_end_in_time(clock, deadline, rounds):
    """A round takes 10 seconds, and so does the one to warm up."""

    def act():
        clock.now += 5

    seconds = interleave({"a": act, "b": act}, 5, deadline=deadline)
    assert seconds["a"].tolist() == seconds["b"].tolist() == [5] * rounds
    assert clock.now <= deadline


@pytest.mark.parametrize("deadline", [99, 105, 119])
def test_without_time_for_a_second_round_the_first_counts(clock, deadline):
    seconds = iter((3, 4))

    def act():
        clock.now += next(seconds) * 2

    found = interleave({"a": act, "b": act}, 5, deadline=deadline)
    assert (found["a"].tolist(), found["b"].tolist()) == ([6], [8])


def test_ratios_are_taken_round_by_round():
    # In each round the other takes half the time, though the machine slows down tenfold.
    same = ratio(np.array([1.0, 10.0, 2.0]), np.array([0.5, 5.0, 1.0]))
    assert (same.low, same.median, same.high) == (2, 2, 2)


def test_the_spread_of_a_ratio_is_its_quartiles():
    spread = ratio(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.ones(5))
    assert (spread.low, spread.median, spread.high) == (2, 3, 4)
