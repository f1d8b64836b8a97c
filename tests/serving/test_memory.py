"""What was freed does not stay with the process."""

import pytest

from offramp.serving import memory
from offramp.serving.memory import Memory, resident


def test_memory_between_blocks_in_use_is_given_back():
    ours = Memory()
    if ours._trim is None or not resident():
        pytest.skip("the C library has no malloc_trim")
    blocks = [bytes(3000) for _ in range(60_000)]
    grown = resident()
    del blocks[:-1]  # the last is in use, and keeps those before it from being given back as a whole
    ours.give_back()
    assert resident() < grown - 100e6
    assert blocks


def test_nothing_is_looked_for_unless_the_process_has_grown(monkeypatch):
    ours, sizes, trimmed = Memory(), iter([100, 90, 98, 120, 91]), []
    monkeypatch.setattr(memory, "resident", lambda: next(sizes))
    ours._trim = trimmed.append
    ours.give_back()
    assert trimmed == [0]
    ours.give_back()
    assert trimmed == [0]
    ours.give_back()
    assert trimmed == [0, 0]
