"""Refused requests in the log."""

import asyncio
import logging

import pytest

from offramp.serving.journal import Journal
from offramp.serving.keys import Keys
from offramp.serving.refusals import Refusal, invalid, overloaded


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "offramp.serving")
    return lambda: [record.getMessage() for record in caplog.records]


def test_every_refused_request_has_a_line_that_says_who_what_and_why(classifier, serve, tmp_path, lines):
    (tmp_path / "keys").write_text("right\n")
    client = serve(classifier, keys=Keys(tmp_path / "keys"))
    key = {"authorization": "Bearer right"}
    assert client.post("/predict", json={"texts": "a"}, headers=key).status_code == 200
    assert not lines()
    client.post("/predict", json={"texts": "a"})
    client.post("/predict", json={"texts": 3}, headers=key)
    client.get("/no%0Aroute", headers=key)
    assert lines() == [
        "refused POST /predict from testclient: 401 unauthorized, give one of the server's keys as  Authorization: "
        "Bearer KEY",
        "refused POST /predict from testclient: 422 validation, Input should be a valid list",
        "refused GET /no?route from testclient: 404 not_found, Not Found",
    ]


def test_what_was_sent_is_not_in_the_log(classifier, serve, lines):
    client = serve(classifier, max_characters=10)
    client.post("/predict", json={"texts": "secret secret"})
    client.post("/predict", json={"texts": ["secret", 3]})
    assert len(lines()) == 2
    assert not any("secret" in line for line in lines())


def test_a_flood_does_not_drown_the_log(lines):
    scope = {"method": "POST", "path": "/predict", "client": ("10.0.0.1", 5)}
    now = 0.0

    async def flood():
        nonlocal now
        journal = Journal(lambda: now)
        for number in range(2000):
            now = number / 500
            journal.refused(scope, overloaded(1.0) if number % 2 else invalid("no"))
        loop = asyncio.get_running_loop()
        loop.time = lambda time=loop.time: time() + 2.0
        for _ in range(2):
            await asyncio.sleep(0)
        now = 10.0
        journal.refused(scope, Refusal(503, "stopping", "the server is stopping"))

    asyncio.run(flood())
    single = [line for line in lines() if line.startswith("refused POST")]
    assert len(single) == 4 * 10 + 1
    summed = "refused more requests within a second than are worth a line each: 980 with 422, 980 with 429"
    assert [line for line in lines() if line not in single] == [summed]
