import itertools

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offramp.engine.batching import batches, plan, stepped
from offramp.model.encoding import Encoded

LENGTHS = st.lists(st.integers(0, 50), max_size=40).map(lambda lengths: np.array(lengths, np.int64))
BUDGETS = st.integers(1, 300)


def encoded_of(lengths, pairs):
    ids = [list(range(100 * row + 1, 100 * row + 1 + length)) for row, length in enumerate(lengths)]
    types = [[token % 2 for token in row] for row in ids] if pairs else None
    return Encoded(ids, types, np.asarray(lengths, np.int64), np.zeros(len(ids), np.bool_))


@given(LENGTHS, BUDGETS)
def test_plan_holds_every_row_once(lengths, budget):
    rows = [row for group in plan(lengths, budget) for row in group.tolist()]
    assert sorted(rows) == list(range(len(lengths)))


@given(LENGTHS, BUDGETS)
def test_plan_keeps_to_the_budget(lengths, budget):
    for group in plan(lengths, budget):
        assert len(group) == 1 or len(group) * lengths[group].max() <= budget


@given(LENGTHS, BUDGETS)
def test_a_batch_is_closed_for_a_reason(lengths, budget):
    groups = plan(lengths, budget)
    for group, following in itertools.pairwise(groups):
        longest, following_longest = max(1, lengths[group].max()), lengths[following].max()
        full = (len(group) + 1) * longest > budget
        large_enough = len(group) * longest >= budget / 4
        assert full or (large_enough and following_longest < 0.95 * longest)


@given(LENGTHS, st.integers(200, 3000))
def test_large_batches_hold_little_padding(lengths, budget):
    for group in plan(lengths, budget):
        padded = len(group) * lengths[group].max()
        assert padded <= max(budget / 4 + 50, lengths[group].sum() / 0.95)


@given(LENGTHS, BUDGETS)
def test_plan_starts_with_the_longest(lengths, budget):
    ordered = [lengths[row] for group in plan(lengths, budget) for row in group]
    assert ordered == sorted(lengths, reverse=True)


def test_rows_of_one_length_keep_their_order():
    assert [group.tolist() for group in plan(np.array([3, 3, 5, 3]), 6)] == [[2], [0, 1], [3]]


def test_plan_of_nothing():
    assert plan(np.zeros(0, np.int64), 10) == []


@settings(max_examples=40)
@given(LENGTHS, BUDGETS, st.booleans())
@example(np.array([2, 2]), 100, True)
def test_padding_is_on_the_right_and_nowhere_else(lengths, budget, pairs):
    encoded = encoded_of(lengths, pairs)
    seen = []
    for batch in batches(encoded, budget, padding_id=7777):
        seen += batch.ids.tolist()
        assert batch.input_ids.shape == (len(batch.ids), max(lengths[batch.ids]))
        assert batch.input_ids.dtype == np.int64
        assert (batch.token_type_ids is not None) == pairs
        for position, row in enumerate(batch.ids):
            length = lengths[row]
            assert batch.lengths[position] == length
            assert batch.input_ids[position, :length].tolist() == encoded.input_ids[row]
            assert (batch.input_ids[position, length:] == 7777).all()
            if pairs:
                assert batch.token_type_ids[position, :length].tolist() == encoded.token_type_ids[row]
                assert not batch.token_type_ids[position, length:].any()
    assert sorted(seen) == list(range(len(lengths)))


@given(LENGTHS, st.integers(1, 9), st.integers(50, 60))
def test_lengths_go_up_in_steps_and_not_beyond_the_longest(lengths, step, longest):
    padded = stepped(lengths, step, longest)
    assert ((padded % step == 0) | (padded == longest)).all()
    assert ((lengths <= padded) & (padded < lengths + step) & (padded <= longest)).all()


@given(LENGTHS.filter(len), BUDGETS, st.integers(1, 9))
def test_batches_of_stepped_lengths_hold_every_row_once(lengths, budget, step):
    found = list(batches(encoded_of(lengths, pairs=False), budget, 0, length_step=step, longest=50))
    assert sorted(row for batch in found for row in batch.ids.tolist()) == list(range(len(lengths)))
    for batch in found:
        width = batch.input_ids.shape[1]
        assert width == stepped(batch.lengths.max(), step, 50)
        assert len(batch.ids) == 1 or batch.input_ids.size <= budget
        assert (batch.input_ids != 0).sum(1).tolist() == batch.lengths.tolist()


def test_batches_are_made_one_at_a_time():
    made = batches(encoded_of([3, 2, 1], pairs=False), 3, 0)
    assert next(made).ids.tolist() == [0]
