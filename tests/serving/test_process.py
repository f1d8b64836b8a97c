"""The server as a process: over a real connection, with real signals."""

import re
import signal
import socket
import threading
import time

import pytest

from helpers.serving_models import TEXTS
from helpers.serving_process import Server
from helpers.toys import write_model
from offramp.engine import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("served") / "model")


def test_serves_and_drains(folder, tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    server = Server(folder, "--api-keys", str(tmp_path / "keys"), "--body-timeout-ms", "1500")
    assert re.match(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO model model \(.+\), point \S+ \(confidence at least \S+\), "
        r"backend torch fp32, 1 compute threads of 1 processor threads, offramp ",
        server.started[-2],
    )
    key = {"authorization": "Bearer secret"}
    status, answer = server.post({"texts": TEXTS, "threshold": 0.7}, **key)
    assert status == 200
    expected = load(folder).predict(TEXTS, threshold=0.7)
    assert [one["label"] for one in answer["predictions"]] == [one.label for one in expected]
    assert server.post({"texts": "a"})[0] == 401

    # Connections that say nothing, or half of something, are closed, and stop nobody meanwhile.
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for number, one in enumerate(silent):
        one.sendall(
            [b"", b"POST /pred", b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"][number % 3]
        )
    assert server.post({"texts": TEXTS}, **key)[0] == 200
    with socket.create_connection(("127.0.0.1", server.port)) as garbage:
        garbage.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b"400" in garbage.recv(100)

    (tmp_path / "keys").write_text("other\n")
    server.process.send_signal(signal.SIGHUP)
    other, patience = {"authorization": "Bearer other"}, time.monotonic() + 20
    while server.post({"texts": "a"}, **other)[0] != 200:
        assert time.monotonic() < patience
    server.process.send_signal(signal.SIGUSR1)  # which would end a process that does not know it

    # Requests under way when the signal comes are answered, and the process ends well.
    connections, answers = [server.connect() for _ in range(6)], []
    threads = [
        threading.Thread(
            target=lambda one=one: answers.append(server.post({"texts": ["w1 w2 " * 20] * 900}, one, **other))
        )
        for one in connections
    ]
    for thread in threads:
        thread.start()
    metrics = server.connect()
    while True:  # until all are in the server
        metrics.request("GET", "/metrics", headers=other)
        page = metrics.getresponse().read().decode()
        waiting = float(
            next(line for line in page.splitlines() if line.startswith("offramp_texts_in_server")).split()[1]
        )
        if waiting or answers:
            break
    metrics.close()
    code, err = server.end()
    for thread in threads:
        thread.join()
    assert code == 0
    assert "Traceback" not in err
    assert {status for status, _ in answers} <= {200, 429, 503}
    assert 200 in {status for status, _ in answers}
    for one in silent:
        one.close()
