"""Words and small networks before the exits of a network, on answers and times made by hand."""

import numpy as np
import pytest

from benchmarks.paper import cascades
from benchmarks.paper.times import Cost, Lot, RealSpeed
from helpers.cached import exit_answers
from offramp.policy import Outcomes

TOKENS = np.array([10, 30])
WORDS = Lot(2, Cost(1e-3, 0.0), (Cost(1e-3, 0.0),), (), ())
REAL = (RealSpeed(1.0, 0.8, 0.8, 0.8, 1.0), RealSpeed(0.0, 2.0, 2.0, 2.0, 2.0))
SMALL = Lot(2, Cost(0.0, 2e-3), (Cost(0.0, 1e-3), Cost(0.0, 1e-3)), (), ())
LARGE = Lot(2, Cost(0.0, 10e-3), (Cost(0.0, 5e-3), Cost(0.0, 5e-3)), (), REAL)


def spent(lots, taken):
    sizes = [len(lot.stages) for lot in lots]
    return cascades.spent(lots, [TOKENS] * len(lots), sizes, np.array(taken))


def test_a_row_pays_for_the_members_that_it_reaches():
    assert spent([WORDS, SMALL], [[0, 0]]) == pytest.approx(np.array([[1e-3, 1e-3]]))
    assert spent([WORDS, SMALL], [[1, 2]]) == pytest.approx(np.array([[1e-3 + 10e-3, 1e-3 + 60e-3]]))
    chain = [WORDS, SMALL, LARGE]
    assert spent(chain, [[0, 3]]) == pytest.approx(np.array([[1e-3, 1e-3 + 60e-3 + 150e-3]]))


def test_what_a_network_takes_beyond_its_stages_is_that_of_the_rows_that_reach_it():
    # The second row alone reaches the network, at full depth: its speed-up is 1 there, and on the clock 0.8.
    assert spent([WORDS, LARGE], [[0, 2]]) == pytest.approx(np.array([[1e-3, 1e-3 + 300e-3 / 0.8]]))
    # Where nothing comes before, it is what all outcomes of the network are timed with.
    taken = np.array([[0, 1], [1, 1]])
    sums = np.take_along_axis(LARGE.shares(TOKENS), taken, axis=0)
    timed = LARGE.timed(Outcomes(np.ones(taken.shape), sums)).costs
    assert spent([LARGE], taken) / LARGE.full.of(TOKENS).mean() == pytest.approx(timed)


def test_exits_of_the_first_network_alone_may_add_what_words_said():
    words, small, large = (exit_answers(n_rows=50, n_exits=exits) for exits in (1, 2, 3))
    answers = cascades.joined([words, small, large], added=True)
    assert answers.sources == (-1, 0, 0, -1, -1, -1)
    assert len(answers.logits) == len(answers.names) == len(set(answers.names)) == 6
    assert cascades.joined([words, small], added=False).sources == ()
    with pytest.raises(ValueError, match="other rows"):
        cascades.joined([words, exit_answers(n_rows=40, n_exits=2)], added=False)
