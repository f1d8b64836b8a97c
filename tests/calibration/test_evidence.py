"""What later exits add of the first exit's answer: by a weight that is zero where it does not help."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp.calibration import Calibration, Problem, fit_agreement, fit_calibration
from offramp.calibration.evidence import combined, combined_exits, fit_evidence
from offramp.calibration.temperature import fit_temperature

PROBLEMS = (Problem.SINGLE_LABEL, Problem.MULTI_LABEL)
SOURCES = (-1, 0, 0)


def drawn(problem, seed=0, rows=600, labels=3, exits=3, own=(1.5, 1.0, 1.5)):
    """Exits that see the same truth through noise of their own: together they know more than any."""
    randomly = np.random.default_rng(seed)
    if problem is Problem.SINGLE_LABEL:
        targets = randomly.integers(0, labels, rows)
        truth = np.eye(labels)[targets]
    else:
        targets = randomly.integers(0, 2, (rows, labels))
        truth = 2.0 * targets - 1
    noise = randomly.normal(size=(exits, rows, labels))
    return (np.array(own)[:exits, None, None] * truth + noise).astype(np.float32), targets


@pytest.mark.parametrize("problem", PROBLEMS)
def test_exits_that_know_other_things_gain(problem):
    logits, targets = drawn(problem)
    alone = fit_calibration(logits, targets, problem, (0, 1, 2), "rows")
    both = fit_calibration(logits, targets, problem, (0, 1, 2), "rows", evidence=(0, 0, 1), sources=SOURCES)
    assert alone.evidence == ()
    assert both.evidence[0] == 0 < min(both.evidence[1:])
    for without, added in zip(alone.exits[1:], both.exits[1:], strict=True):
        assert added.nll_after < without.nll_after
        assert added.accuracy > without.accuracy
    assert both.exits[0] == alone.exits[0]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_an_exit_that_knows_all_gets_no_weight(problem):
    logits, targets = drawn(problem, own=(0.0, 4.0, 4.0))
    both = fit_calibration(logits, targets, problem, (0, 1, 2), "rows", evidence=(0, 0, 1), sources=SOURCES)
    assert both.evidence == ()
    assert both.temperatures == fit_calibration(logits, targets, problem, (0, 1, 2), "rows").temperatures


def test_full_depth_stays_what_it_was_unless_it_added_before():
    logits, targets = drawn(Problem.SINGLE_LABEL)
    kept = fit_calibration(
        logits, targets, Problem.SINGLE_LABEL, (0, 1, 2), "rows", evidence=(0, 0.3, 0), sources=SOURCES
    )
    assert kept.evidence[1] > 0 == kept.evidence[2]


def test_without_labels_full_depth_keeps_temperature_and_weight():
    logits, _ = drawn(Problem.SINGLE_LABEL)
    rest = Problem.SINGLE_LABEL, (0, 1, 2), "rows"
    kept = fit_agreement(logits, *rest, otherwise=(1.0, 1.0, 1.7), evidence=(0, 0.3, 0.4), sources=SOURCES)
    assert (kept.temperatures[2], kept.evidence[2]) == (1.7, 0.4)
    assert kept.exits[2].accuracy == 1
    assert fit_agreement(logits, *rest, sources=SOURCES).temperatures[2] == 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), problem=st.sampled_from(PROBLEMS), strength=st.floats(0, 3))
def test_it_is_never_worse_than_a_temperature_alone(seed, problem, strength):
    logits, targets = drawn(problem, seed, rows=60, own=(strength, 1.0, 1.0))
    first = problem.probabilities(logits[0])
    temperature = fit_temperature(logits[1], targets, problem)
    fitted, weight = fit_evidence(logits[1], first, targets, problem, temperature)
    assert weight >= 0 < fitted
    answers = combined(problem, logits[1], fitted, weight, first)
    without = problem.probabilities(logits[1], temperature)
    loss, before = (problem.negative_log_likelihood(problem.logits(one), targets) for one in (answers, without))
    assert loss <= before + 1e-9


@pytest.mark.parametrize("problem", PROBLEMS)
def test_all_exits_are_as_each_alone_to_the_last_bit(problem):
    logits, _ = drawn(problem)
    temperatures, weights = (1.3, 0.8, 2.0), (0.0, 0.7, 0.0)
    whole = combined_exits(problem, logits, temperatures, weights, SOURCES)
    for rows in (slice(None), slice(5, 6), slice(100, 130)):
        first = problem.probabilities(logits[0, rows], temperatures[0])
        for index in range(3):
            alone = combined(problem, logits[index, rows], temperatures[index], weights[index], first)
            np.testing.assert_array_equal(whole[index, rows], alone)


@pytest.mark.parametrize("evidence", [(0.0,), (0.0, -1.0), (0.0, float("inf"))])
def test_weights_that_cannot_be(evidence):
    with pytest.raises(ValueError, match="weight"):
        Calibration((1.0, 1.0), "", 0, (), evidence=evidence)
