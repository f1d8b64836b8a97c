import numpy as np
import pytest

from conftest import tiny_model
from helpers.toys import single
from offramp.calibration import Calibration, Problem
from offramp.engine import torch_classifier
from offramp.evaluation import Request, speed
from offramp.evaluation.speed import Speed, bounded_alike, measure_speeds, rows_within, speed_of
from offramp.evaluation.timed import Timed
from offramp.evaluation.timing import Ratio
from offramp.policy import Confidence, ExitAnswers, Lead, StageCosts, Threshold

FIRST = np.zeros(1000, np.int64)


def answers(stages=(0.0005, 0.0005, 0.001), rows=1000):
    return ExitAnswers(
        logits=np.zeros((3, rows, 3)),
        temperatures=(1.0,) * 3,
        problem=Problem.SINGLE_LABEL,
        targets=None,
        tokens=np.full(rows, 10),
        truncated=np.zeros(rows, bool),
        layers=(1, 2, 4),
        names=("layer 1", "layer 2", "layer 4"),
        costs=StageCosts(stages, sum(stages)),
    )


def rows(seconds, exits=(FIRST,), stages=(0.0005, 0.0005, 0.001), cuts=(0, 1)):
    return rows_within(seconds, answers(stages), exits, Timed(tuple(range(len(exits))), cuts))


def test_the_rows_are_as_many_as_the_time_allows():
    assert rows(20) == pytest.approx(2 * rows(10), abs=1)
    assert rows(10, stages=(0.001, 0.001, 0.002)) == pytest.approx(rows(10) / 2, abs=1)
    # To the end twice, the network cut off after 1 and 2 layers, and all rows at the first exit.
    assert rows(10) == pytest.approx(10 / 0.002 / (speed.REPEATS + 1) / (2 + 0.5 + 0.25 + 0.25), abs=1)
    assert rows(10, cuts=()) == pytest.approx(10 / 0.002 / (speed.REPEATS + 1) / (2 + 0.25), abs=1)


def test_the_same_computation_is_counted_once():
    assert rows(10, [FIRST, FIRST]) == rows(10)


def test_there_are_always_some_and_never_more_than_all():
    assert rows(1e-9) == 32
    assert rows(1e9) == 1000


@pytest.fixture
def measured(monkeypatch):
    """Speeds of some rules, of which some are timed, and what of progress was told."""
    monkeypatch.setattr(speed, "REPEATS", 1)
    model = tiny_model()
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    request = Request([row["text"] for row in single(20)], None)

    def measure(rules, exits, timed, places=None):
        told = []
        progress = lambda what, done, total: told.append(total)  # noqa: E731
        all_rows = answers(rows=len(exits[0]))
        return measure_speeds(classifier, request, all_rows, rules, exits, timed, progress, places), told[-1]

    return measure


def test_rules_with_the_same_exits_are_timed_once(measured):
    problem, taken = Problem.SINGLE_LABEL, np.zeros(20, np.int64)
    rules = [Threshold(0.0, Confidence(problem)), Threshold(0.01, Confidence(problem)), Threshold(0.0, Lead(problem))]
    found, total = measured(rules, [taken] * 3, Timed((0, 1, 2), (0, 1)))
    assert total == 2 * (2 + 2 + 2)  # two rules, two cut networks, full depth and its stages; warm-up and one round
    assert found.rules[0] == found.rules[1] != found.rules[2]
    assert len(found.ending) == 3
    assert found.ending[-1].ratio == Ratio(1.0, 1.0, 1.0)
    everything = (*found.rules, *found.ending)
    assert min(one.texts_per_second for one in everything) > 0
    assert not any(one.computed for one in everything)


def test_what_is_not_timed_is_computed_from_the_stages(measured):
    rules = [Threshold(0.0, Confidence(Problem.SINGLE_LABEL))] * 5
    first, cheap, mixed, last = np.zeros(20, np.int64), np.arange(20) // 10, np.arange(20) % 3, np.full(20, 2)
    found, total = measured(rules, [first, cheap, cheap, mixed, last], Timed((1,), (1,)))
    assert total == 2 * (1 + 1 + 2)
    assert [one.computed for one in found.rules] == [True, False, False, True, True]
    assert [one.computed for one in found.ending] == [True, False, False]
    # It reaches as much of the speed possible at most as what is cheaper and what is dearer, and where all rows leave
    # at one exit all.
    reached = [one.ratio.median / one.bound for one in found.rules]
    assert [reached[0], reached[4]] == pytest.approx([1, 1])
    assert reached[1] - 1e-9 <= reached[3] <= 1 + 1e-9
    assert found.rules[4].bound < found.rules[3].bound < found.rules[0].bound
    assert found.ending[0].ratio.median == pytest.approx(found.ending[0].bound)
    for one in found.rules:
        assert one.texts_per_second == pytest.approx(found.ending[-1].texts_per_second * one.ratio.median)


def test_what_a_sample_took_is_brought_to_all_rows(measured, monkeypatch):
    """Of 40 rows 20 are timed, which all leave at the first exit; by one rule the others go on."""
    monkeypatch.setattr(speed, "costs_of", lambda *_: StageCosts((0.0005, 0.0005, 0.001), 0.002))
    rules = [Threshold(0.0, Confidence(Problem.SINGLE_LABEL)), Threshold(0.5, Confidence(Problem.SINGLE_LABEL))]
    nobody, half = np.zeros(40, np.int64), np.repeat([0, 2], 20)
    found, _ = measured(rules, [nobody, half], Timed((0, 1), ()), np.arange(20))
    fast, slow = found.rules
    assert not fast.computed
    assert not slow.computed
    assert slow.ratio.median == pytest.approx(fast.ratio.median * 0.25 / 0.625)


@pytest.mark.parametrize(("estimate", "bound"), [(5.03, 5.08), (6.0, 6.0)])
def test_what_was_measured_is_possible(estimate, bound):
    found = speed_of(np.array([5.08, 5.08]), np.array([1.0, 1.0]), estimate, 30)
    assert found.ratio.median == pytest.approx(5.08)
    assert found.bound == pytest.approx(bound)
    assert found.texts_per_second == pytest.approx(30)


def test_a_cheaper_rule_never_has_a_lower_bound_than_a_dearer_one():
    speeds = [Speed(Ratio(median, median, median), bound, 1.0) for median, bound in ((4.0, 5.51), (6.34, 6.34), (1, 2))]
    assert [one.bound for one in bounded_alike(speeds, [0.181, 0.19, 0.5])] == [6.34, 6.34, 2]
