import threading

import pytest

from offramp.engine.arriving import arriving


def test_what_is_there_comes_together_and_in_order():
    parts = list(arriving(iter(range(25)), 10))
    assert [item for part in parts for item in part] == list(range(25))
    assert max(map(len, parts)) <= 10


def test_nobody_waits_for_what_does_not_come():
    more = threading.Event()

    def items():
        yield from (1, 2)
        more.wait(60)
        yield 3

    parts = arriving(items(), 10)
    assert next(parts) == [1, 2]
    more.set()
    assert list(parts) == [[3]]


def test_an_error_comes_after_what_came_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    parts = arriving(items(), 10)
    assert next(parts) == [1]
    with pytest.raises(ValueError, match="broken"):
        next(parts)


def test_nothing_at_all():
    assert list(arriving(iter(()), 10)) == []
