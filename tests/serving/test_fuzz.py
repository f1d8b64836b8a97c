"""A slice of the cases of ``benchmarks/serving/fuzz.py``, against a server that runs."""

import random

import pytest

from benchmarks.serving.fuzz import fuzz
from benchmarks.serving.fuzz_cases import draw
from helpers.serving_process import Server
from helpers.toys import write_model

CASES = 400


@pytest.fixture
def server(tmp_path):
    running = Server(write_model(tmp_path / "model"), "--body-timeout-ms", "1500")
    yield running
    code, _ = running.end()
    assert code == 0


def test_strange_bytes_get_one_answer_a_request_and_disturb_nobody(server):
    found = fuzz(server.port, server.process.pid, CASES, seed=7)
    assert found.wrong == []
    assert found.cases.total() == CASES
    assert len(found.cases) > 15
    assert not [status for status in found.statuses if status >= 500 and status != 503]
    assert max(found.health) < 5  # a client could delay others by half a minute once
    assert found.memory[-1] < found.memory[0] + 50


def test_a_seed_gives_the_same_cases():
    assert draw(random.Random("7:3")) == draw(random.Random("7:3"))
