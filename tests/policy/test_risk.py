"""The choice of a knob: the promise over many samples, the walk from the safe end, the answer when none qualifies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control.fwer_control import FWERFixedSequenceTesting
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value, find_best_predict_param, get_r_hat_plus

from offramp.errors import DataError, OptionError
from offramp.policy import Loss, Method, choose
from offramp.policy.risk import last_certified

GUARANTEED = (Method.LTT, Method.UCB)


def population(rows, kind, seed=0, knobs=40):
    """Losses (knobs, rows) whose mean rises from knob to knob, but not evenly: it falls back now and then."""
    random = np.random.default_rng(seed)
    means = np.linspace(0.001, 0.08, knobs) + 0.006 * np.sin(np.arange(knobs))
    hard = random.random(rows)  # a row's difficulty is shared by the knobs, as in a sweep
    lost = (hard < np.maximum(means, 0.0)[:, None]).astype(float)
    if kind is Loss.SIGNED:
        lost -= (hard > 1 - means[:, None] / 3).astype(float)
    if kind is Loss.UNIT:
        lost *= random.beta(2, 1, rows)
    return lost


@pytest.mark.parametrize("kind", Loss)
@pytest.mark.parametrize("target", [0.01, 0.02, 0.05])
def test_the_promise_is_kept_over_many_samples(kind, target):
    everyone = population(50_000, kind)
    risks = everyone.mean(axis=1)
    random = np.random.default_rng(1)
    samples = [everyone[:, random.integers(0, everyone.shape[1], 500)] for _ in range(300)]
    for method in GUARANTEED:
        chosen = [last_certified(sample, target, method, kind, 0.9) for sample in samples]
        broken = np.mean([index is not None and risks[index] > target for index in chosen])
        assert broken <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 300)
    chosen = [last_certified(sample, target, Method.CONFORMAL, kind, 0.9) for sample in samples]
    assert np.mean([0.0 if index is None else risks[index] for index in chosen]) <= target


@given(st.integers(0, 2**16), st.integers(20, 800), st.sampled_from([0.01, 0.03, 0.1, 0.3]), st.booleans())
def test_learn_then_test_chooses_what_mapie_certifies_last(seed, rows, target, binary):
    losses = population(rows, Loss.BINARY if binary else Loss.UNIT, seed)
    found = choose(losses, target, Method.LTT, Loss.BINARY if binary else Loss.UNIT, 0.9)
    # MAPIE's ceiling of a product that is whole but for rounding may be one too high; exact counts avoid that.
    p_values = compute_hoeffding_bentkus_p_value(losses.mean(axis=1), rows, target, binary)[:, 0]
    certified = FWERFixedSequenceTesting().run(p_values, 0.1)
    counts = losses.mean(axis=1) * rows
    if (np.ceil(counts) == np.ceil(np.round(counts, 6))).all():
        assert found.index == (certified[-1] if len(certified) else None)


@given(st.integers(0, 2**16), st.integers(20, 800), st.sampled_from([0.03, 0.1, 0.3]))
def test_conformal_risk_control_chooses_what_mapie_chooses(seed, rows, target):
    losses = np.maximum.accumulate(population(rows, Loss.UNIT, seed), axis=0)
    found = choose(losses, target, Method.CONFORMAL, Loss.UNIT)
    knobs = np.arange(len(losses), dtype=float)
    _, bounds = get_r_hat_plus(losses.T, knobs, "crc", None, None, None)
    if bounds[0] < target < bounds[-1]:
        assert found.index == find_best_predict_param(knobs, bounds, np.array([target]))[0]


@pytest.mark.parametrize("method", Method)
def test_stops_at_the_first_failure(method):
    losses = np.zeros((4, 1000))
    losses[2] = 1  # the last knob is as good as the first, but lies behind a bad one
    found = choose(losses, 0.05, method, Loss.BINARY)
    assert found.index == 1
    assert found.risk == 0
    assert found.bound <= 0.05
    assert found.needed is None


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("kind", Loss)
def test_the_bound_is_below_the_target(method, kind):
    losses = population(3000, kind)
    found = choose(losses, 0.03, method, kind)
    assert found.index is not None
    assert found.bound <= 0.03
    if method in GUARANTEED:
        assert found.risk < found.bound
    assert choose(losses, 0.03, method, kind).index < choose(losses, 0.06, method, kind).index


def test_all_knobs_may_qualify():
    assert choose(np.zeros((3, 1000)), 0.01, Method.UCB, Loss.BINARY).index == 2


@pytest.mark.parametrize(
    ("method", "kind", "rows"),
    [
        (Method.EMPIRICAL, Loss.BINARY, 1),
        (Method.CONFORMAL, Loss.BINARY, 99),
        (Method.LTT, Loss.BINARY, 299),
        (Method.LTT, Loss.UNIT, 299),
        (Method.LTT, Loss.SIGNED, 299),
    ],
)
def test_rows_needed(method, kind, rows):
    found = choose(np.ones((1, 50)), 0.01, method, kind)
    assert (found.index, found.risk, found.bound) == (None, None, None)
    assert found.needed.rows == rows
    assert choose(np.zeros((1, rows)), 0.01, method, kind).index == 0
    if rows > 1:
        assert choose(np.zeros((1, rows - 1)), 0.01, method, kind).index is None


@pytest.mark.parametrize("kind", Loss)
def test_rows_needed_by_a_bet(kind):
    needed = choose(np.ones((1, 50)), 0.01, Method.UCB, kind).needed.rows
    assert choose(np.zeros((1, needed)), 0.01, Method.UCB, kind).index == 0
    assert choose(np.zeros((1, needed - 1)), 0.01, Method.UCB, kind).index is None
    assert 250 < needed < 1000


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("kind", Loss)
def test_the_target_that_would_do(method, kind):
    losses = population(400, kind)[10:]
    found = choose(losses, 0.001, method, kind)
    assert found.index is None
    assert choose(losses, found.needed.target + 1e-5, method, kind).index is not None
    assert choose(losses, found.needed.target - 1e-5, method, kind).index is None


@pytest.mark.parametrize("method", GUARANTEED)
def test_the_order_of_a_file_does_not_matter_much(method):
    losses = np.sort(population(2000, Loss.BINARY), axis=1)
    ends = [choose(rows, 0.03, method, Loss.BINARY).index for rows in (losses, losses[:, ::-1])]
    assert abs(ends[0] - ends[1]) <= 2


def test_says_what_was_asked():
    found = choose(np.zeros((2, 400)), 0.02, Method.LTT, Loss.BINARY, 0.9)
    assert (found.rows, found.target, found.confidence, found.method) == (400, 0.02, 0.9, Method.LTT)
    assert choose(np.zeros((2, 400)), 0.02, Method.CONFORMAL, Loss.BINARY).confidence is None


@pytest.mark.parametrize("losses", [np.zeros((0, 5)), np.zeros((5, 0)), np.zeros(5)])
def test_needs_knobs_and_rows(losses):
    with pytest.raises(DataError, match="knobs, rows"):
        choose(losses, 0.1, Method.LTT, Loss.BINARY)


@pytest.mark.parametrize(
    ("kind", "value"), [(Loss.BINARY, 0.5), (Loss.UNIT, -0.1), (Loss.UNIT, float("nan")), (Loss.SIGNED, 0.5)]
)
def test_a_loss_of_another_kind(kind, value):
    with pytest.raises(DataError, match=f"a loss is {value}; a {kind} loss is"):
        choose(np.array([[0.0, value]]), 0.1, Method.LTT, kind)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_options_out_of_range(share):
    with pytest.raises(OptionError, match="target is"):
        choose(np.zeros((1, 5)), share, Method.LTT, Loss.BINARY)
    with pytest.raises(OptionError, match="confidence is"):
        choose(np.zeros((1, 5)), 0.1, Method.LTT, Loss.BINARY, share)
