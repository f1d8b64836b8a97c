"""Costs, pace, shapes, settings and keys."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.errors import OptionError
from offramp.serving.costs import costs_of
from offramp.serving.keys import Keys
from offramp.serving.pace import Pace
from offramp.serving.settings import Settings
from offramp.serving.shapes import Shapes, shapes_for


def test_costs_are_learned():
    costs = costs_of(2, 10_000)
    for number in range(200):
        tokens = 100 + 50 * (number % 7)
        costs.learn(1, tokens, 0.003 + 2e-5 * tokens)
    assert costs.fixed(1) == pytest.approx(0.003, rel=0.02)
    assert costs.seconds(1, 1000) == pytest.approx(0.023, rel=0.02)
    assert costs.capacity(1, 0.043) == pytest.approx(2000, rel=0.02)
    assert costs.capacity(1, 0.0) == pytest.approx((0.03 - 0.003) / 2e-5, rel=0.02)  # ten times the fixed part
    assert costs.capacity(1, 9.0) == 10_000


def test_a_pause_of_the_machine_says_little():
    costs = costs_of(1, 10_000)
    for _ in range(50):
        costs.learn(0, 100, 0.002)
    costs.learn(0, 100, 5.0)
    assert costs.seconds(0, 100) < 0.003


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 10)), max_size=40))
def test_costs_stay_sensible_whatever_is_measured(measured):
    costs = costs_of(1, 2048)
    for tokens, seconds in measured:
        costs.learn(0, tokens, seconds)
    assert costs.fixed(0) > 0
    assert 0 < costs.seconds(0, 1) <= costs.seconds(0, 2000)
    assert 1 <= costs.capacity(0, 0.01) <= 2048


def known_costs():
    """Two stages of 2 ms and 0.1 ms a token; batches of 20 ms hold 180 tokens."""
    costs = costs_of(2, 2000)
    for number in range(400):
        costs.learn(number % 2, 100 + number, 0.002 + 0.0001 * (100 + number))
    return costs


def test_work_is_that_of_all_stages_before_a_token():
    pace = Pace(known_costs(), step=0.02, threads=1)
    for _ in range(500):
        pace.stayed(0, 100, 30)
    assert pace.seconds([1800, 0]) == pytest.approx(0.2 * 1.3, rel=0.02)
    assert pace.seconds([0, 1800]) == pytest.approx(0.2, rel=0.02)
    assert pace.seconds([1800, 1800]) == pytest.approx(0.2 * 2.3, rel=0.02)


def test_the_pace_is_that_of_finished_steps():
    """Whatever the reason that steps take longer than full batches would."""
    pace = Pace(known_costs(), step=0.02, threads=2)
    before = pace.seconds([1800, 0])
    for _ in range(100):
        pace.ended(0, 180, 0.05)
    assert pace.seconds([1800, 0]) == pytest.approx(5 * before, rel=0.1)
    for _ in range(600):
        pace.ended(0, 10, None)
    assert pace.seconds([1800, 0]) == pytest.approx(before, rel=0.1)


def test_a_pause_does_not_make_the_pace_slow():
    pace = Pace(known_costs(), step=0.02, threads=1)
    for _ in range(100):
        pace.ended(0, 180, 0.02)
    pace.ended(0, 180, 60.0)
    assert pace.seconds([1800, 0]) < 0.5


def test_hardly_any_request_waits_longer_than_at_most_expected():
    pace = Pace(known_costs(), step=0.02, threads=1)
    random = np.random.default_rng(0)
    longer = 0
    for number in range(4000):
        wait = random.uniform(0, 2)
        longer += number >= 1000 and wait > pace.at_most(1.0)
        pace.waited(1.0, wait)
    assert 0.03 < longer / 3000 < 0.07


@given(st.integers(1, 512), st.integers(1, 3000))
def test_shapes_pad_little_and_leave_few_for_later(tokens, rows):
    shapes = shapes_for(True, 512, 2048)
    length, count = shapes.length(tokens), shapes.count(rows)
    assert tokens <= length <= max(8, tokens + 8, 1.15 * tokens)
    assert rows / 1.5 <= count <= rows
    assert len(shapes.lengths) < 40


def test_other_backends_take_any_shape():
    shapes = shapes_for(False, 512, 2048)
    assert (shapes.length(17), shapes.count(17)) == (17, 17)
    assert Shapes((8,), (1,)).length(100) == 100


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"compute_threads": 0}, "compute_threads is 0; use a whole number from 1 on"),
        ({"port": 70000}, "port is 70000"),
        ({"audit_share": 1.5}, "audit_share is 1.5; use a share from 0 to 1"),
        ({"timeout_ms": -1}, "timeout_ms is -1; use a number from 0 on"),
        ({"allow_origin": ("https://a.org", "foo")}, "allow_origin is 'foo'; use one such as https://example.org"),
        ({"allow_origin": ("https://a.org/",)}, "allow_origin is 'https://a.org/'"),
        ({"max_queue_ms": 0}, "max_queue_ms is 0; use a number from 1 on"),
        ({"step_ms": float("nan")}, "step_ms is nan"),
        ({"max_texts": 10, "max_queue": 5}, "a request must fit into the queue"),
    ],
)
def test_settings_are_checked(wrong, said):
    with pytest.raises(OptionError, match=said):
        Settings(**wrong)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_keys(tmp_path):
    file = tmp_path / "keys"
    file.write_text("# ours\nfirst\n\nsecond  \n")
    clock = Clock()
    keys = Keys(file, clock)
    assert keys.allow("Bearer first")
    assert keys.allow("bearer second")
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer firs",
        "Bearer firstt",
        "Basic first",
        "first",
        "Bearer # ours",
    ):
        assert not keys.allow(wrong)

    file.write_text("third\n")
    os.utime(file, ns=(1, 1))
    assert keys.allow("Bearer first")  # it was looked at just now
    clock.now = 2.0
    assert not keys.allow("Bearer first")
    assert keys.allow("Bearer third")

    file.write_text("\n")
    os.utime(file, ns=(2, 2))
    clock.now = 4.0
    assert keys.allow("Bearer third")  # better the old keys than none


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_keys_may_begin_after_a_byte_order_mark_and_be_beyond_ascii(tmp_path, encoding):
    (tmp_path / "keys").write_text("first\nschlüssel à\nключ\n", encoding=encoding)
    keys = Keys(tmp_path / "keys")
    for key, sent in (("first", "utf-8"), ("schlüssel à", "utf-8"), ("schlüssel à", "latin-1"), ("ключ", "utf-8")):
        assert keys.allow(f"Bearer {key.encode(sent).decode('latin-1')}"), (key, sent)
    assert not keys.allow("Bearer \ufefffirst".encode().decode("latin-1"))
    assert not keys.allow("Bearer ????")


def test_a_file_without_keys_is_refused(tmp_path):
    with pytest.raises(OptionError, match="cannot read the API keys"):
        Keys(tmp_path / "nothing")
    (tmp_path / "empty").write_text("# nobody\n")
    with pytest.raises(OptionError, match="holds no API key"):
        Keys(tmp_path / "empty")
