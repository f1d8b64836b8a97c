import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from offramp.backends import Engine
from offramp.engine.pool import Pool
from offramp.engine.steps import InFlight
from offramp.engine.tensor_stages import HiddenState, TensorStages

STAGES = TensorStages(Engine("none", "fp32"), (1, 2))


def rows_of(ids, lengths):
    """Rows whose every number is their id; after their end stands something else."""
    ids, lengths = np.array(ids), np.array(lengths)
    hidden = torch.from_numpy(ids)[:, None, None].repeat(1, int(lengths.max()), 2).float()
    hidden[np.arange(hidden.shape[1]) >= lengths[:, None]] = 1e9
    passed = np.broadcast_to(ids[None, :, None], (3, len(ids), 2)).astype(float)
    return InFlight(ids, lengths, passed, HiddenState(hidden, hidden[:, :1].repeat(1, 4, 1)))


def test_a_short_row_gets_room_for_the_longest():
    pool = Pool(STAGES, 100)
    assert pool.add(rows_of([7, 8, 9], [6, 4, 3]), np.array([0, 2])) == []
    assert pool.add(rows_of([1, 2], [2, 2]), np.array([1])) == []
    (batch,) = pool.rest()
    assert batch.ids.tolist() == [7, 9, 2]
    assert batch.state.hidden.shape == (3, 6, 2)
    assert batch.state.hidden[2, 2:].tolist() == [[0, 0]] * 4  # where the row brought nothing along
    assert pool.rest() == []


def test_a_batch_that_stays_goes_on_as_it_is():
    rows = rows_of([1, 2], [5, 4])
    (same,) = Pool(STAGES, 1000).add(rows, np.array([0, 1]))
    assert same is rows


@given(st.lists(st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=9), max_size=9), st.data())
def test_every_row_that_stays_goes_on_once_and_unchanged(groups, data):
    budget = data.draw(st.integers(1, 200))
    pool, given_in, taken_out, start = Pool(STAGES, budget), [], [], 0
    for group in (sorted(unsorted, reverse=True) for unsorted in groups):
        lengths, staying = [length for length, _ in group], np.flatnonzero([stays for _, stays in group])
        rows = rows_of(range(start, start + len(group)), lengths)
        given_in += [(start + position, lengths[position]) for position in staying]
        taken_out += pool.add(rows, staying)
        start += len(group)
    taken_out += pool.rest()
    found = []
    for batch in taken_out:
        for position, (row, length) in enumerate(zip(batch.ids.tolist(), batch.lengths.tolist(), strict=True)):
            assert (batch.state.hidden[position, :length] == row).all()
            assert (batch.state.history[position] == row).all()
            assert (batch.passed[:, position] == row).all()
            found.append((row, length))
    assert sorted(found) == sorted(given_in)
