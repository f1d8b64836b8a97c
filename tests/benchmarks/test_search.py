"""Searches for thresholds side by side, on made-up answers."""

import numpy as np
import pytest

from benchmarks import search
from benchmarks.searching import SEARCHES, SURE, Cached, Goal
from helpers.cached import exit_answers
from offramp.policy import Risk, Threshold, replay

ROWS = exit_answers(n_rows=700, n_exits=4)
GOAL = Goal(Risk.DISAGREEMENT, 0.1)


@pytest.mark.parametrize(
    "choose", [*SEARCHES.values(), *SURE.values()], ids=[*SEARCHES, *(f"{one}, sure" for one in SURE)]
)
def test_a_search_keeps_its_goal_roughly_and_saves_time(choose):
    everything, order = Cached.of(ROWS), np.random.default_rng(0).permutation(700)
    choice = choose(everything.subset(order[:500]), GOAL)
    speedup, loss = everything.outcome(choice, GOAL.risk, order[500:])
    assert speedup > 1
    assert loss < 0.2


def test_an_outcome_is_that_of_a_replay():
    everything, rows = Cached.of(ROWS), np.arange(300, 700)
    choice = SEARCHES["gate, cross-fitted"](everything.subset(np.arange(300)), GOAL)
    taken = replay(ROWS.subset(rows).probabilities, Threshold(choice.thresholds[0], choice.criterion))
    speedup, loss = everything.outcome(choice, GOAL.risk, rows)
    assert speedup == pytest.approx(1 / ROWS.subset(rows).cost(taken.exits))
    assert loss == pytest.approx((~ROWS.subset(rows).agree(taken.probabilities)).mean())


def test_tables_name_every_search():
    lines = search.search_all("made up", ROWS, 200, 2)
    assert {(line.sure, line.search) for line in lines} == {
        *((False, name) for name in SEARCHES),
        *((True, name) for name in SURE),
    }
    assert all(0 <= line.exceeded <= 1 for line in lines)
    table = search.tables(lines, 2)
    assert table.startswith("Means over 2 draws")
    assert all(f"| {name} |" in table for name in (*SEARCHES, *SURE))


def test_kept_answers_belong_to_the_same_rows():
    rows = search.answers_of("sst2 words+6")
    assert rows.layers == (0, 1, 2, 4, 6)
    assert rows.names == ("words", "layer 1", "layer 2", "layer 4", "layer 6")  # as those of a model are called
    assert rows.costs.full == 1.0
    assert sum(rows.costs.stages) == pytest.approx(1 + 1 / 150)
    assert rows.accuracies[0] > 0.8
