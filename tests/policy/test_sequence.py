"""Limits of some of the rows, and several at once: what holds over many draws, and where a walk begins."""

from dataclasses import replace

import numpy as np
import pytest
import scipy
from mapie.risk_control import precision, recall
from mapie.risk_control._base_controller import ltt_procedure
from mapie.risk_control.fwer_control import FWERFixedSequenceTesting

from helpers.cached import exit_answers
from offramp.policy import (
    AtMost,
    Chosen,
    Confidence,
    Limit,
    Method,
    Missed,
    Reference,
    Risk,
    at_exits,
    replay,
    select,
    sweep,
)
from offramp.policy.choosing import Swept, choose_rule, judge
from offramp.policy.risk import last_certified
from offramp.policy.sequence import most_lost

ROWS = replace(exit_answers(n_rows=2000), labels=("a", "b", "c"), reference=exit_answers(n_rows=2000).targets)
PEOPLE, DRAWS, SIZE, KNOBS = 5000, 300, 500, 20
JOINT = (Limit(Risk.DISAGREEMENT, 0.1), Limit(Risk.PRECISION, 0.08, label="a"), Limit(Risk.RECALL, 0.08, label="b"))


def population():
    """Losses (knobs, people) and who counts for each of three limits, whose risks cross their targets at knobs apart.

    The first counts everybody, the second a growing group, the third a fixed one; who is lost for one limit is likely
    to be lost for another.
    """
    random = np.random.default_rng(0)
    hard, other = random.random((2, PEOPLE))
    shares = np.linspace(0.01, 0.12, KNOBS)[:, None]
    counts = np.stack([np.full((KNOBS, PEOPLE), True), other < np.linspace(0.2, 0.9, KNOBS)[:, None],
                       np.broadcast_to(other > 0.6, (KNOBS, PEOPLE))])  # fmt: skip
    lost = np.stack([hard < shares, hard < 1.2 * shares, (1 - hard) < 0.8 * shares])
    return np.where(counts, lost, np.nan)


@pytest.mark.parametrize("first", [0, 4])
def test_several_limits_of_some_of_the_rows_are_kept_at_once_in_most_draws(first):
    everyone = population()[:, first:]
    truth = np.nanmean(everyone, axis=2) > 0.05
    random, broken, chosen = np.random.default_rng(1), 0, []
    for _ in range(DRAWS):
        drawn = everyone[:, :, random.integers(0, PEOPLE, SIZE)]
        found = [last_certified(losses, 0.05, Method.LTT, Risk.ERROR.loss, 0.9) for losses in drawn]
        if None not in found:
            chosen.append(min(found))
            broken += truth[:, min(found)].any()
    assert broken / DRAWS <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / DRAWS)
    assert len(chosen) > 0.1 * DRAWS  # and something is promised
    assert broken > 0  # so the test could have failed


def test_a_knob_at_which_no_row_counts_proves_nothing():
    losses = np.zeros((3, 200))
    losses[1] = np.nan
    for method in Method:
        assert last_certified(losses, 0.05, method, Risk.ERROR.loss, 0.9) == 0 or method is Method.CONFORMAL
    assert last_certified(losses, 0.05, Method.LTT, Risk.ERROR.loss, 0.9, kept=np.array([False, True, False])) == 2


@pytest.mark.parametrize("risk", [Risk.ERROR, Risk.ACCURACY_DROP])
@pytest.mark.parametrize("method", [Method.LTT, Method.UCB])
def test_rows_that_do_not_count_change_nothing(risk, method):
    random = np.random.default_rng(0)
    losses = (random.random((20, 600)) < np.linspace(0.01, 0.2, 20)[:, None]).astype(float)
    padded = np.concatenate([losses, np.full((20, 300), np.nan)], axis=1)
    few = last_certified(losses[:, :600], 0.08, method, risk.loss, 0.9)
    assert few is not None
    # The order of a bet differs, and so a little of what it says.
    assert abs(last_certified(padded, 0.08, method, risk.loss, 0.9) - few) <= (method is Method.UCB)


@pytest.mark.parametrize("name", ["gate", "confidence", "per-exit"])
@pytest.mark.parametrize(
    ("limits", "each_exit"),
    [
        (JOINT, False),
        (JOINT[:1], True),
        (JOINT, True),
        ((Limit(Risk.DISAGREEMENT, 0.06, reference=Reference("gpt")),), False),
    ],
)
def test_what_is_promised_is_what_replay_shows(name, limits, each_exit):
    goal = AtMost(limits, None, 0.95, each_exit)
    selected = select(goal, name, ROWS)
    if isinstance(selected.choice, Missed):
        assert each_exit
        assert name != "gate"
        return
    rows, rule = selected.rows, selected.choice.rule
    taken = replay(rows.probabilities, rule)
    np.testing.assert_array_equal(taken.exits, selected.choice.exits)
    answered, full = taken.probabilities.argmax(-1), rows.full.argmax(-1)
    for promise in selected.choice.promises:
        limit = promise.limit
        lost = {
            Risk.DISAGREEMENT: answered != (full if limit.reference is None else rows.reference),
            Risk.PRECISION: rows.targets != 0,
            Risk.RECALL: answered != 1,
        }[limit.risk]
        counts = {Risk.DISAGREEMENT: True, Risk.PRECISION: answered == 0, Risk.RECALL: rows.targets == 1}[limit.risk]
        counts = counts & (taken.exits <= (3 if limit.exit is None else rows.names.index(limit.exit)))
        assert promise.rows == counts.sum()
        assert promise.seen == pytest.approx(lost[counts].mean())
        assert promise.seen <= promise.bound <= limit.target
    closed = {limit.exit for limit in goal.limits_at(rows.names)} - {one.limit.exit for one in selected.choice.promises}
    assert all((taken.exits > rows.names.index(name)).all() for name in closed)


def test_the_joint_knob_is_the_slowest_that_a_limit_alone_would_choose():
    swept = sweep(ROWS, Confidence(ROWS.problem))
    goal = AtMost(JOINT, None, 0.95)
    alone = [judge(goal, limit, swept, ROWS).last for limit in JOINT]
    joint = choose_rule(goal, swept, ROWS)
    assert isinstance(joint, Chosen)
    np.testing.assert_array_equal(joint.exits, swept.exits[min(alone)])


def test_a_knob_before_the_beginning_is_never_chosen():
    swept = sweep(ROWS, Confidence(ROWS.problem)).starting_at(150)
    assert isinstance(swept, Swept)
    assert not swept.from_full_depth
    missed = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, 0.001),), None, 0.95), swept, ROWS)
    assert isinstance(missed, Missed)


def reason(limit, **rows):
    return select(AtMost((limit,), None, 0.95), "gate", replace(ROWS.subset(np.arange(400)), **rows)).choice.reason


def test_what_is_not_possible_is_said_with_what_it_would_take():
    few = reason(Limit(Risk.RECALL, 0.02, label="c"))
    assert few.startswith("no threshold keeps the recall of 'c' at 98% or more with 0.95 confidence, by method ltt on ")
    assert "at least 199 rows with the label 'c' or a recall of 'c' of " in few or "handing over" in few
    hopeless = reason(Limit(Risk.PRECISION, 0.0001, label="a"))
    assert "(full depth itself: 9" in hopeless
    assert "handing over the texts that it is least sure of" in hopeless
    other = reason(
        Limit(Risk.DISAGREEMENT, 0.01, reference=Reference("gpt")),
        reference=1 - ROWS.subset(np.arange(400)).targets % 2,
    )
    assert "no threshold keeps the disagreement with gpt at 1% or less" in other


def test_the_greatest_number_of_losses_that_a_binomial_test_allows():
    rows = np.array([0, 10, 58, 59, 200, 1000])
    most = most_lost(rows, 0.05, 0.05)
    assert (most[:3] == -1).all()
    assert scipy.special.bdtr(most[3:], rows[3:], 0.05).max() <= 0.05 < scipy.special.bdtr(most + 1, rows, 0.05).min()


@pytest.mark.parametrize("seed", range(8))
def test_a_joint_walk_certifies_what_mapie_certifies_last(seed):
    rows = replace(exit_answers(n_rows=800, labels=2, seed=seed), labels=("no", "yes"))
    swept = sweep(rows, Confidence(rows.problem))
    goal = AtMost((Limit(Risk.PRECISION, 0.1, label="yes"), Limit(Risk.RECALL, 0.12, label="yes")), Method.LTT, 0.9)
    answered = at_exits(swept.answers.argmax(axis=-1), swept.exits)
    theirs = np.array(
        [
            [risk.get_value_and_effective_sample_size(rows.targets, one) for one in answered]
            for risk in (precision, recall)
        ]
    )
    # A hair less, for MAPIE's ceiling of a product that is whole but for rounding may be one too high.
    _, p_values = ltt_procedure(
        np.maximum(theirs[..., 0] - 1e-12, 0.0),
        np.array([[0.1], [0.12]]),
        0.1,
        theirs[..., 1],
        True,
        fwer_method="bonferroni",
    )
    valid = FWERFixedSequenceTesting().run(p_values[:, 0], 0.1)  # theirs of several risks, the greatest of each knob's
    ours = [judge(goal, limit, swept, rows).last for limit in goal.limits]
    if None in ours:
        assert len(valid) == 0
    else:
        assert min(ours) == max(valid)
