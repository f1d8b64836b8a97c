"""Raw connections: what a stranger may send, and one answer to each request."""

import gc
import json
import socket
import time
from pathlib import Path

import h11
import pytest

from helpers.serving_process import Server
from helpers.toys import write_model
from offramp.serving import Settings, run, serve

KIB = 1024
BODY = b'{"texts": "w0"}'
LIMIT = 64 * KIB


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = Server(write_model(tmp_path_factory.mktemp("raw") / "model"), "--body-timeout-ms", "1000")
    yield running
    code, _ = running.end()
    assert code == 0


def head(start=b"GET /health", *fields):
    return b"\r\n".join([start + b" HTTP/1.1", b"Host: here", *fields, b"", b""])


def post(*fields, body=BODY, path=b"/predict"):
    length = b"Content-Length: %d" % len(body)
    return head(b"POST " + path, b"Content-Type: application/json", length, *fields) + body


def chunked(*chunks, trailers=b""):
    fields = [b"Content-Type: application/json", b"Transfer-Encoding: chunked"]
    return head(b"POST /predict", *fields) + b"".join(chunks) + b"0\r\n" + trailers + b"\r\n"


def talk(server, *parts, methods=(b"GET",) * 300, end=False, pause=0.02):
    """Sends parts one after the other, and reads to the end; returns statuses and bodies of the answers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        data = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # refused meanwhile; the answer is there nevertheless
        while piece := connection.recv(65536):
            data += piece
    return parsed(data, methods)


def parsed(data, methods):
    """The answers in what a server sent, as a parser reads them that is not the server's."""
    answers, client = [], h11.Connection(h11.CLIENT)
    client.receive_data(data)
    while client.trailing_data[0]:
        client.send(h11.Request(method=methods[len(answers)], target="/", headers=[("host", "here")]))
        client.send(h11.EndOfMessage())
        body = b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status, kind = event.status_code, dict(event.headers).get(b"content-type")
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            assert event is not h11.NEED_DATA
        answers.append((status, json.loads(body) if kind == b"application/json" and body else body))
        if client.their_state is h11.MUST_CLOSE:
            assert not client.trailing_data[0]
            break
        client.start_next_cycle()
    return answers


def statuses(*arguments, **more):
    return [status for status, _ in talk(*arguments, **more)]


LAST = head(b"GET /ready", b"Connection: close")


@pytest.mark.parametrize("offer", [b"h2c", b"websocket", b"TLS/1.0", b"HTTP/2.0, SHTTP/1.3"])
@pytest.mark.parametrize("connection", [b"Upgrade, HTTP2-Settings", b"keep-alive, Upgrade"])
def test_an_offer_to_upgrade_is_ignored_and_the_body_kept(server, offer, connection):
    fields = [b"Connection: " + connection, b"Upgrade: " + offer, b"HTTP2-Settings: AAEAAEAAAAIAAAAB"]
    request = post(*fields)
    whole = talk(server, request + LAST)
    assert [status for status, _ in whole] == [200, 200]
    assert whole[0][1] == talk(server, post() + LAST)[0][1]
    assert talk(server, request[: -len(BODY)], BODY, LAST) == whole
    assert talk(server, *(request[start : start + 7] for start in range(0, len(request), 7)), LAST, pause=0) == whole
    assert statuses(server, request * 20 + LAST) == [200] * 21
    assert statuses(server, head(b"GET /health", *fields) + LAST) == [200, 200]


def test_connect_is_refused(server):
    [(status, body)] = talk(server, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
    assert status == 400
    assert "proxy" in body["error"]


@pytest.mark.parametrize(
    ("request_", "status", "word"),
    [
        (b"GET /" + b"a" * 2 * LIMIT, 414, "head is longer than 65536 bytes"),
        (b"\r\n" * LIMIT, 431, "head is longer than 65536 bytes"),
        (head(b"GET /health", b"X: " + b"a" * 2 * LIMIT), 431, "head is longer than 65536 bytes"),
        (head(b"GET /health", b"X" * 2 * LIMIT + b": a"), 431, "head is longer than 65536 bytes"),
        (head(b"GET /health", *[b"X: " + b"a" * KIB] * 99), 431, "head is longer than 65536 bytes"),
        (head(b"GET /health", *[b"X: a"] * 101), 431, "more than 100 header fields"),
        (chunked(b"1;" + b"a" * 2 * LIMIT + b"\r\n \r\n"), 413, "chunk sizes"),
        (chunked(*[b"1;" + b"a" * 100 + b"\r\n \r\n"] * 1000), 413, "chunk sizes"),
        (chunked(b"0" * 2 * LIMIT + b"1\r\n \r\n"), 413, "chunk sizes"),
        (chunked(b"f" * 17 + b"\r\n"), 400, "no HTTP"),
        (chunked(b"1\r\n \r\n", trailers=b"X: " + b"a" * 2 * LIMIT + b"\r\n"), 413, "trailers"),
        (chunked(b"1\r\n \r\n", trailers=b"X: a\r\n" * 101), 431, "more than 100 header fields"),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 400, "no HTTP"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "no HTTP"),
        (head(b"GET /caf\xe9"), 400, "Invalid char in url path"),
        (head(b"GET here"), 400, "no HTTP"),
        (head(b"GET http://here"), 400, "no path"),
        (head(b"GET /health", b"X: a\x00b"), 400, "no HTTP"),
        (post(b"Transfer-Encoding: chunked"), 400, "no HTTP"),
        (post(b"Content-Length: 7"), 400, "no HTTP"),
        (head(b"POST /predict", b"Content-Length: " + b"9" * 30), 400, "no HTTP"),
        (head(b"POST /predict", b"Content-Length: 99999999") + b"a" * 9_999_999, 413, "body is longer than 10000000"),
        (head(b"GET /health", b"Content-Length: 70000") + b"a" * 70_000, 413, "body is longer than 65536"),
        (b"GET /hea", 408, "did not arrive within 1000 ms"),
        (head(b"GET /health")[:-2], 408, "did not arrive within 1000 ms"),
        (post()[:-1], 408, "did not arrive within 1000 ms"),
        (chunked(b"1\r\n \r\n")[:-2], 408, "did not arrive within 1000 ms"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
def test_what_is_too_much_or_unreadable_gets_one_answer_that_says_why(server, request_, status, word):
    [(found, body)] = talk(server, request_)
    assert found == status
    assert set(body) == {"error", "error_type", "field"}
    assert word in body["error"]


def test_limits_leave_room_for_what_is_usual(server):
    fields = [b"X-%d: " % number + b"a" * 600 for number in range(95)]
    assert statuses(server, head(b"GET /health?" + b"a" * 1000, *fields) + LAST) == [200, 200]
    parts = [b"1\r\n%c\r\n" % one for one in json.dumps({"texts": ["w1 w2 w3"] * 900}).encode()]
    assert statuses(server, chunked(*parts, trailers=b"Checksum: 1\r\n") + LAST) == [200, 200]
    assert statuses(server, head(b"GET /health", b"X: \xe4") + LAST) == [200, 200]


def test_a_head_that_drips_is_given_up(server):
    assert statuses(server, *[b"GET /health HTTP/1.1\r\n", *[b"X: a\r\n"] * 40], pause=0.1) == [408]


def test_silence_is_answered_by_silence(server):
    assert talk(server) == []


def test_the_end_of_a_connection_is_no_end_of_its_requests(server):
    assert statuses(server, head(), end=True) == [200]
    assert statuses(server, head() + post() + head(b"GET /nowhere"), end=True) == [200, 200, 404]
    assert statuses(server, head() + head()[:-2], end=True) == [200]
    assert statuses(server, post()[:-1], end=True) == []


def test_pipelined_requests_are_answered_in_turn(server):
    paths = [b"GET /health", b"GET /nowhere", b"HEAD /nowhere", b"GET /openapi.json"] * 200
    requests = b"".join(head(path) for path in paths)
    methods = [path.split()[0] for path in paths] + [b"GET"]
    expected = [404 if b"nowhere" in path else 200 for path in paths] + [200]
    assert statuses(server, requests + LAST, methods=methods) == expected
    assert statuses(server, requests[:5000], requests[5000:] + LAST, methods=methods) == expected


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\r\n", b"GET / HTTP/1.1\r\nX\r\n\r\n", b"GET /" + b"a" * 2 * LIMIT])
def test_noise_after_requests_is_refused_after_their_answers(server, noise):
    found = talk(server, post() + head() + noise)
    assert [status for status, _ in found[:-1]] == [200, 200]
    assert found[-1][0] in {400, 414}
    found = talk(server, post() + post() + chunked(b"x\r\n"))
    assert [status for status, _ in found] == [200, 200, 400]
    many = b"DELETE /health HTTP/1.1\r\n" + b"X: a\r\n" * 200  # refused while an error is being answered
    assert statuses(server, head(b"DELETE /predict") * 2 + many) == [405, 405, 431]


def test_half_a_head_after_requests_is_given_up_as_it_is_without_them(server):
    assert statuses(server, post() + head()[:-2]) == [200, 408]


def test_what_comes_after_the_last_request_does_not_cost_its_answer(server):
    for _ in range(20):
        assert statuses(server, LAST, head() * 500, b"more", pause=0) == [200]
    many = post(b"Connection: close") + head() * 50_000
    assert statuses(server, many) == [200]


def test_trailers_are_no_headers(server):
    """Only the headers were there when they were checked."""
    body = b"%x\r\n%b\r\n" % (len(BODY), BODY)
    [(_, plain), _] = talk(server, chunked(body) + LAST)
    trailers = b"Content-Encoding: gzip\r\nContent-Type: text/plain\r\n"
    assert talk(server, chunked(body, trailers=trailers) + LAST)[0] == (200, plain)


def test_a_client_that_reads_nothing_delays_nobody(server):
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(2)
        with pytest.raises(TimeoutError):
            deaf.sendall(head(b"GET /openapi.json") * 1_000_000)
        assert statuses(server, LAST) == [200]
        assert memory(server) < 2_000


def memory(server):
    """Megabytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_a_head_without_end_takes_no_memory(server):
    before = memory(server)
    endless = b"GET /health HTTP/1.1\r\nX: " + b"a" * 200_000_000
    for _ in range(3):
        assert statuses(server, endless) == [431]
    assert memory(server) < before + 30


def test_what_is_loaded_is_not_looked_through_again(tmp_path, monkeypatch):
    """Neither while requests wait nor when the interpreter ends: to a server that is idle that was all of its end."""
    frozen = []

    class Fake:
        def __init__(self, *arguments):
            pass

        def run(self, sockets):
            frozen.append(gc.get_freeze_count())

    monkeypatch.setattr(run, "_Server", Fake)
    try:
        serve(write_model(tmp_path / "model"), Settings(port=0, warm_up_seconds=0))
    finally:
        gc.unfreeze()
    assert frozen[0] > 100_000
