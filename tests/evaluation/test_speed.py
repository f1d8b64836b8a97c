import numpy as np
import pytest

from conftest import tiny_model
from helpers.toys import single
from offramp.calibration import Calibration, Problem
from offramp.engine import torch_classifier
from offramp.evaluation import Request, speed
from offramp.evaluation.speed import measure_speeds, rows_within, speed_of
from offramp.evaluation.timing import Ratio
from offramp.policy import Confidence, ExitAnswers, Lead, Replay, StageCosts, Threshold

FIRST = Replay(np.zeros(1000, np.int64), np.zeros((1000, 2)))


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


def rows(seconds, replays=(FIRST,), stages=(0.0005, 0.0005, 0.001)):
    return rows_within(seconds, answers(stages), replays)


def test_the_rows_are_as_many_as_the_time_allows():
    assert rows(20) == pytest.approx(2 * rows(10), abs=1)
    assert rows(10, stages=(0.001, 0.001, 0.002)) == pytest.approx(rows(10) / 2, abs=1)
    # To the end three times, the network cut off after 1 and 2 layers, and all rows at the first exit.
    assert rows(10) == pytest.approx(10 / 0.002 / (speed.REPEATS + 1) / (3 + 0.5 + 0.25 + 0.25), abs=1)


def test_the_same_computation_is_counted_once():
    assert rows(10, [FIRST, FIRST]) == rows(10)


def test_there_are_always_some_and_never_more_than_all():
    assert rows(1e-9) == 32
    assert rows(1e9) == 1000


def test_rules_with_the_same_exits_are_timed_once(monkeypatch):
    monkeypatch.setattr(speed, "REPEATS", 1)
    model = tiny_model()
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    request = Request([row["text"] for row in single(20)], None)
    problem, told = Problem.SINGLE_LABEL, []
    rules = [Threshold(0.0, Confidence(problem)), Threshold(0.01, Confidence(problem)), Threshold(0.0, Lead(problem))]
    found = measure_speeds(classifier, request, answers(rows=20), rules, lambda what, done, total: told.append(total))
    assert told[-1] == 2 * (2 + 2 + 1)  # two rules, two cut networks, full depth; warm-up and one round
    assert found.rules[0] == found.rules[1] != found.rules[2]
    assert len(found.ending) == 3
    assert found.ending[-1].measured == Ratio(1.0, 1.0, 1.0)
    assert min(one.texts_per_second for one in (*found.rules, *found.ending)) > 0


@pytest.mark.parametrize(("estimate", "bound"), [(5.03, 5.08), (6.0, 6.0)])
def test_what_was_measured_is_possible(estimate, bound):
    found = speed_of(np.array([5.08, 5.08]), np.array([1.0, 1.0]), estimate, 30)
    assert found.measured.median == pytest.approx(5.08)
    assert found.bound == pytest.approx(bound)
    assert found.texts_per_second == pytest.approx(30)
