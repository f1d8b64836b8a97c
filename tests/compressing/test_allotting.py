"""Which neurons stay: one order over all layers, within what the work may be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.compressing.allotting import BLOCK, Work, allot, importance, kept_neurons, reached_share
from offramp.errors import OptionError

WORK = Work(fixed=(500.0, 500.0, 500.0), neuron=(2.0, 2.0, 2.0), widths=(256, 256, 100))


def random_importances(seed=0):
    random = np.random.default_rng(seed)
    return [random.random(width) ** 3 * scale for width, scale in zip(WORK.widths, (1, 4, 2), strict=True)]


@given(st.floats(WORK.least, 1), st.integers(0, 20))
def test_the_work_is_kept_and_hardly_anything_left_of_it(share, seed):
    widths = allot(random_importances(seed), WORK, share)
    assert WORK.share(widths) <= share + 1e-9
    assert all(width == full or width % BLOCK == 0 for width, full in zip(widths, WORK.widths, strict=True))
    assert min(widths) >= BLOCK
    if widths != WORK.widths:
        assert WORK.share(widths) > share - WORK.neuron[0] * BLOCK / (sum(WORK.fixed) + 2 * sum(WORK.widths)) - 1e-9


def test_what_matters_most_stays_in_one_order_over_all_layers():
    importances = random_importances()
    widths = allot(importances, WORK, 0.7)
    assert len(set(widths)) > 1
    means = [
        [part.mean() for part in np.split(np.sort(values)[::-1], range(BLOCK, len(values), BLOCK))]
        for values in importances
    ]
    blocks = [-(-width // BLOCK) for width in widths]
    kept = min(mean for layer, number in zip(means, blocks, strict=True) for mean in layer[1:number])
    gone = max(mean for layer, number in zip(means, blocks, strict=True) for mean in layer[number:])
    assert kept >= gone


def test_all_of_the_work_is_all_neurons():
    assert allot(random_importances(), WORK, 1.0) == WORK.widths
    kept = kept_neurons(random_importances(), WORK.widths)
    assert [neurons.tolist() for neurons in kept] == [list(range(width)) for width in WORK.widths]


def test_less_than_one_block_a_layer_is_refused():
    with pytest.raises(OptionError, match=r"flops is 0\.3; of this encoder's multiply-adds 0\.\d+ are left"):
        allot(random_importances(), WORK, 0.3)


def test_neurons_that_matter_most_are_kept_in_their_order():
    (kept,) = kept_neurons([np.array([3.0, 1.0, 5.0, 4.0])], [2])
    assert kept.tolist() == [2, 3]


def test_a_layer_counts_by_the_rows_that_reach_it():
    reached = reached_share((0, 1, 3), np.array([0, 0, 1, 2, 2]), depth=3)
    assert reached.tolist() == [0.6, 0.4, 0.4]
    ones = np.ones(4)
    assert importance(ones, 2 * ones, 0.6).tolist() == [1.2] * 4
    assert importance(ones, 2 * ones, 0.0).tolist() == [0.2] * 4
