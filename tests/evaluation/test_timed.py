from dataclasses import replace

import numpy as np
import pytest

from helpers.evaluations import answers_of
from offramp.calibration import Problem
from offramp.evaluation import LOSSES
from offramp.evaluation.timed import SETTINGS, choose_timed
from offramp.policy import Confidence, StageCosts, Threshold, replay

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.75, 0.8, 0.84, 0.87, 0.89, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 0.999, 1.01)
CUTS = (0.2, 0.4, 0.7)


def made(thresholds=THRESHOLDS, seed=0):
    answers = replace(answers_of(seed=seed), costs=StageCosts((0.2, 0.2, 0.3, 0.3), 1.0))
    rule = Confidence(Problem.SINGLE_LABEL)
    return answers, [replay(answers.probabilities, Threshold(threshold, rule)) for threshold in thresholds]


def accuracy(answers, taken):
    return answers.right(taken.probabilities).mean()


@pytest.mark.parametrize("seed", range(5))
def test_the_fastest_within_each_loss_is_timed(seed):
    answers, replays = made(seed=seed)
    timed = choose_timed(answers, replays, CUTS, (), LOSSES)
    full = answers.accuracies[-1]
    for loss in LOSSES:
        within = [place for place, taken in enumerate(replays) if accuracy(answers, taken) >= full - loss - 1e-9]
        assert min(within, key=lambda place: answers.cost(replays[place].exits)) in timed.rules
        cut = [place for place in range(3) if answers.accuracies[place] >= full - loss - 1e-9]
        assert not cut or min(cut) in timed.cuts


def test_a_cut_network_may_cost_less_than_one_that_ends_before():
    answers, replays = made()
    # As in a chain, where a later encoder does without those before it.
    assert choose_timed(answers, replays, (0.9, 0.8, 0.1), (), (1.0,)).cuts == (2,)


def test_what_is_wanted_is_timed_and_the_others_differ_from_it():
    answers, replays = made()
    timed = choose_timed(answers, replays, CUTS, (3, 4, 5), LOSSES)
    assert {3, 4, 5} <= set(timed.rules)
    assert SETTINGS <= len(timed.rules) <= 3 + len(LOSSES)


def test_what_is_added_lies_between_what_is_known():
    answers, replays = made()
    wanted = choose_timed(answers, replays, CUTS, (), ()).rules
    costs = [answers.cost(replays[place].exits) for place in wanted]
    # Where all rows leave at the first exit, or at the last, the stages tell what it costs.
    assert 0.2 < min(costs) < max(costs) < 1.0
    assert np.diff(sorted(costs)).min() > 0.02


def test_all_are_timed_where_there_are_few():
    assert choose_timed(*made((0.6, 0.7, 0.9)), CUTS, (), LOSSES).rules == (0, 1, 2)


def test_settings_that_cost_the_same_are_not_added():
    assert choose_timed(*made((1.01, 1.02, 1.03)), CUTS, (), LOSSES).rules == (0,)
    assert len(choose_timed(*made((1.01, 1.02, 1.03)), CUTS, (), ()).rules) == 1


def test_a_network_with_one_exit_has_no_cuts():
    answers = replace(answers_of(layers=(6,)), costs=StageCosts((1.0,), 1.0))
    taken = replay(answers.probabilities, Threshold(0.9, Confidence(Problem.SINGLE_LABEL)))
    assert np.all(taken.exits == 0)
    timed = choose_timed(answers, [taken], (), (), LOSSES)
    assert (timed.rules, timed.cuts) == ((0,), ())
