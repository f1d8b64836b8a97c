from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from offramp.calibration import Problem
from offramp.evaluation import add_up
from offramp.evaluation.breakdown import (
    NO_LABEL,
    Outcome,
    class_members,
    exit_counts,
    group_rows,
    length_members,
)

LAYERS = (1, 2, 6)
NAMES = ("layer 1", "layer 2", "layer 6")


@st.composite
def outcomes(draw):
    rows = draw(st.integers(1, 40))
    verdicts = arrays.arrays(np.bool_, rows)
    exits = draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 2)))
    return Outcome(exits, draw(verdicts), draw(verdicts), draw(verdicts), np.zeros(rows, np.bool_))


@given(outcomes(), st.data())
def test_groups_add_up_to_the_whole(outcome, data):
    rows = len(outcome.exits)
    kind = data.draw(arrays.arrays(np.int64, rows, elements=st.integers(0, 3)))
    groups = group_rows(outcome, {f"{index}": kind == index for index in range(5)}, 3)
    assert [one.name for one in groups] == [str(index) for index in np.unique(kind)]
    whole = add_up(groups, "all")
    assert whole.rows == rows
    assert whole.exits == tuple(np.bincount(outcome.exits, minlength=3))
    assert whole.accuracy == pytest.approx(outcome.right.mean())
    assert whole.full_accuracy == pytest.approx(outcome.full_right.mean())
    assert whole.agree == outcome.agree.sum()
    assert (whole.won, whole.lost) == (outcome.won, outcome.lost)
    assert whole.mean_layers(LAYERS) == pytest.approx(np.array(LAYERS)[outcome.exits].mean())


@given(outcomes())
def test_exits_count_each_row_once(outcome):
    counts = exit_counts(outcome, NAMES, LAYERS)
    assert [one.name for one in counts] == list(NAMES)
    assert [one.layers for one in counts] == list(LAYERS)
    assert sum(one.right for one in counts) == outcome.right.sum()
    assert [one.right + one.wrong for one in counts] == np.bincount(outcome.exits, minlength=3).tolist()


def test_known_outcome():
    outcome = Outcome(
        exits=np.array([0, 0, 2, 1]),
        right=np.array([True, False, True, True]),
        full_right=np.array([True, True, True, False]),
        agree=np.array([True, False, True, False]),
        handed_over=np.zeros(4, np.bool_),
    )
    (group,) = group_rows(outcome, {"x": np.array([False, True, True, True])}, 3)
    assert (group.rows, group.exits, group.right, group.won, group.lost, group.agree) == (3, (1, 1, 1), 2, 1, 1, 1)


def test_rows_that_are_handed_over_are_neither_right_nor_wrong():
    outcome = Outcome(
        exits=np.array([0, 2, 2, 2]),
        right=np.array([True, True, False, False]),
        full_right=np.array([True, True, True, False]),
        agree=np.array([True, True, False, True]),
        handed_over=np.array([False, False, True, True]),
    )
    counts = exit_counts(outcome, NAMES, LAYERS)
    assert [(one.right, one.wrong, one.handed_over) for one in counts] == [(1, 0, 0), (0, 0, 0), (1, 0, 2)]
    whole, last = group_rows(outcome, {"all": np.ones(4, bool), "last": outcome.handed_over}, 3)
    assert (whole.exits, whole.answered, whole.handed_over) == ((1, 0, 3), 2, 2)
    assert (whole.accuracy, whole.full_accuracy, whole.lost, whole.agree) == (1.0, 1.0, 0, 2)
    assert (last.answered, last.accuracy) == (0, 0.0)


def test_classes_are_the_true_labels():
    members = class_members(np.array([0, 2, 0]), ("a", "b", "c"), Problem.SINGLE_LABEL)
    assert {name: rows.tolist() for name, rows in members.items()} == {
        "a": [True, False, True],
        "b": [False, False, False],
        "c": [False, True, False],
    }


def test_a_row_is_in_the_class_of_each_of_its_labels():
    members = class_members(np.array([[1, 1], [0, 1], [0, 0]]), ("a", "b"), Problem.MULTI_LABEL)
    assert {name: rows.tolist() for name, rows in members.items()} == {
        "a": [True, False, False],
        "b": [True, True, False],
        NO_LABEL: [False, False, True],
    }


@given(arrays.arrays(np.int64, st.integers(1, 80), elements=st.integers(1, 30)), st.integers(1, 6))
def test_lengths_make_parts_in_order(tokens, parts):
    members = list(length_members(tokens, parts).values())
    assert 1 <= len(members) <= parts
    assert np.sum(members, axis=0).tolist() == [1] * len(tokens)
    assert all(one.any() for one in members)
    for shorter, longer in pairwise(members):
        assert tokens[shorter].max() < tokens[longer].min()


def test_lengths_are_named_by_their_ends():
    assert list(length_members(np.arange(1, 9))) == ["1-2 tokens", "3-4 tokens", "5-6 tokens", "7-8 tokens"]
    assert list(length_members(np.array([5, 5, 5]))) == ["5 tokens"]
