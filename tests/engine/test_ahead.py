"""What is made ahead comes in order, once, and errors come where they belong."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.engine.ahead import ahead


@given(st.lists(st.one_of(st.integers(), st.none())))
def test_gives_the_same_items_in_the_same_order(items):
    assert list(ahead(iter(items))) == items


def test_makes_the_next_item_while_the_caller_works():
    made = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in ahead(items()):
        if number < 2:
            assert made[number + 1].wait(10)


def test_is_never_more_than_one_item_ahead():
    made = []

    def items():
        for number in range(9):
            made.append(number)
            yield number

    for number in ahead(items()):
        assert len(made) <= number + 2


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("three")

    stream = ahead(items())
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(stream)


def test_a_caller_who_stops_leaves_no_thread():
    before = threading.active_count()
    stream = ahead(iter(range(9)))
    next(stream)
    stream.close()
    assert threading.active_count() == before
