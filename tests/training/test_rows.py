"""The order of rows."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp.training.rows import LengthGrouped

lengths_of_rows = st.lists(st.integers(1, 60), min_size=1, max_size=400).map(np.array)


@settings(max_examples=50, deadline=None)
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 40), seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_an_epoch_has_every_row_once_and_depends_on_seed_and_epoch_only(lengths, batch_size, seed, epoch):
    sampler = LengthGrouped(lengths, batch_size, seed)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths)))
    torch.manual_seed(123)
    again = LengthGrouped(lengths, batch_size, seed)
    again.set_epoch(epoch)
    assert list(again) == order


def test_batches_hold_rows_of_like_length_in_random_order():
    lengths = np.random.default_rng(0).integers(1, 200, size=3200)
    sampler = LengthGrouped(lengths, 32, seed=0)
    batches = lengths[list(sampler)].reshape(-1, 32)
    assert np.ptp(batches, axis=1).mean() < 20
    assert abs(np.corrcoef(np.arange(len(batches)), batches.mean(1))[0, 1]) < 0.3
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
