"""What a stranger may send, well formed or not, and what has to come back: cases drawn from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass

Random = random.Random

HEAD_BYTES = 64 * 1024
# One word of the network's, and one that is none.
_TEXTS = [b'{"texts": "w1"}', b'{"texts": ["w1 w2", "w3"], "threshold": 0.5}', b'{"texts": ["' + b"w4 " * 300 + b'"]}']
_NO_JSON = [b"{", b"[]", b"\xff\xfe", b'{"texts": 7}', b'{"texts": "a"' + b" " * 3000, b""]
_PREDICTED = frozenset({200, 429, 503})  # overload is an answer, too
_UNREADABLE = frozenset({400})
_TOO_MUCH = frozenset({413, 414, 431})
# Methods that an answer is parsed with: that to HEAD has no body.
_GET = b"GET"


@dataclass(frozen=True)
class Answer:
    """What has to come back for a request.

    Attributes:
        method: of the request.
        statuses: any of these.
    """

    method: bytes
    statuses: frozenset[int]


@dataclass(frozen=True)
class Case:
    """What one connection sends.

    Attributes:
        kind: for people.
        parts: bytes, sent one after the other, with a pause of so many seconds between them.
        answers: exactly these have to come back, and then the end of the connection; None where what is sent may be
            anything, and so may be what comes back, if it is no failure.
        end: what the client does then: it ``waits`` for the end; ``shuts`` its half of the connection, and waits;
            or ``leaves`` without reading.
    """

    kind: str
    parts: tuple[bytes, ...]
    answers: tuple[Answer, ...] | None
    end: str = "waits"
    pause: float = 0.0


@dataclass(frozen=True)
class _Request:
    sent: bytes
    answer: Answer


def draw(rng: Random) -> Case:
    """A case."""
    kinds, weights = zip(*_KINDS, strict=True)
    case: Case = rng.choices(kinds, weights)[0](rng)
    return case


def _head(rng: Random, line: bytes, *fields: bytes) -> bytes:
    more = [b"X-%d: %b" % (rng.randrange(10**6), _token(rng, 40)) for _ in range(rng.choice([0, 0, 1, 5, 80]))]
    every = [*fields, *more]
    rng.shuffle(every)
    return b"\r\n".join([line, b"Host: here", *every, b"", b""])


def _token(rng: Random, most: int) -> bytes:
    return bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz0123456789-", k=rng.randint(1, most)))


def _chunks(rng: Random, body: bytes, *, extension: int = 20, trailers: tuple[bytes, ...] | None = None) -> bytes:
    parts, start = [], 0
    while start < len(body):
        size = rng.randint(1, 200)
        piece = body[start : start + size]
        named = rng.choice([b"", b";" + _token(rng, extension)])
        parts.append(b"%x%b\r\n%b\r\n" % (len(piece), named, piece))
        start += size
    if trailers is None:
        trailers = tuple(b"T-%d: a" % number for number in range(rng.choice([0, 0, 3])))
    return b"".join([*parts, b"0\r\n", *(one + b"\r\n" for one in trailers), b"\r\n"])


def _plain(rng: Random) -> _Request:
    line, method, status = rng.choice(
        [
            (b"GET /health HTTP/1.1", b"GET", 200),
            (b"GET /ready?a=%C3%A4 HTTP/1.1", b"GET", 200),
            (b"HEAD /health HTTP/1.1", b"HEAD", 200),
            (b"GET /nowhere HTTP/1.1", b"GET", 404),
            (b"GET /%ff%00/../a HTTP/1.1", b"GET", 404),
            (b"DELETE /predict HTTP/1.1", b"DELETE", 405),
            (b"GET /info HTTP/1.1", b"GET", 200),
        ]
    )
    return _Request(_head(rng, line), Answer(method, frozenset({status})))


def _posted(rng: Random, *fields: bytes) -> _Request:
    good = rng.random() < 0.7
    body = rng.choice(_TEXTS if good else _NO_JSON)
    statuses = _PREDICTED if good else frozenset({400, 422})
    fields = (b"Content-Type: application/json", *fields)
    line = b"POST /predict HTTP/1.1"
    if rng.random() < 0.5:
        sent = _head(rng, line, b"Transfer-Encoding: chunked", *fields) + _chunks(rng, body)
    else:
        sent = _head(rng, line, b"Content-Length: %d" % len(body), *fields) + body
    return _Request(sent, Answer(b"POST", statuses))


def _with_body(rng: Random) -> _Request:
    """A request whose answer is parsed in the same way if only half of it, or something else, is understood."""
    request = _any(rng)
    return request if request.answer.method != b"HEAD" else _with_body(rng)


def _any(rng: Random) -> _Request:
    return rng.choice([_plain, _posted, _offered])(rng)


def _offered(rng: Random) -> _Request:
    """An offer to change the protocol, which is to be ignored."""
    offer = rng.choice([b"h2c", b"websocket", b"TLS/1.0", _token(rng, 10)])
    fields = [
        b"Upgrade: " + offer,
        rng.choice([b"Connection: Upgrade", b"Connection: keep-alive, upgrade, HTTP2-Settings"]),
        b"HTTP2-Settings: AAMAAABkAAQAAP__",
    ]
    if rng.random() < 0.3:
        return _Request(_head(rng, b"GET /health HTTP/1.1", *fields), Answer(b"GET", frozenset({200})))
    return _posted(rng, *fields)


def _last(rng: Random) -> _Request:
    """A request that ends the connection, so that it shows whether there was an answer too many before."""
    return _Request(_head(rng, b"GET /ready HTTP/1.1", b"Connection: close"), Answer(_GET, frozenset({200})))


def _cut(rng: Random, data: bytes) -> tuple[bytes, ...]:
    """Some bytes in pieces, as they may come over a network."""
    way = rng.random()
    if way < 0.4 or len(data) < 2:
        return (data,)
    if way < 0.5 and len(data) < 2000:
        return tuple(data[start : start + 1] for start in range(len(data)))
    cuts = sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.randint(1, 6))))
    return tuple(data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


def _sent(rng: Random, kind: str, requests: list[_Request], end: str = "waits") -> Case:
    data = b"".join(one.sent for one in requests)
    parts = _cut(rng, data)
    pause = rng.choice([0.0, 0.0, 0.002]) if len(parts) < 20 else 0.0
    return Case(kind, parts, tuple(one.answer for one in requests), end, pause)


def _usual(rng: Random) -> Case:
    return _sent(rng, "requests", [*(_any(rng) for _ in range(rng.randint(1, 3))), _last(rng)])


def _upgrade(rng: Random) -> Case:
    return _sent(rng, "offers to upgrade", [*(_offered(rng) for _ in range(rng.randint(1, 3))), _last(rng)])


def _pipelined(rng: Random) -> Case:
    number = rng.choice([2, 10, 100, 300])
    return _sent(rng, "pipelined", [*(_plain(rng) for _ in range(number)), _last(rng)])


def _half_closed(rng: Random) -> Case:
    return _sent(rng, "half closed", [_plain(rng) for _ in range(rng.randint(1, 5))], "shuts")


def _half_request(rng: Random) -> Case:
    whole = _any(rng).sent
    return Case("half a request, half closed", _cut(rng, whole[: rng.randrange(len(whole))]), (), "shuts")


def _leaves(rng: Random) -> Case:
    return Case("leaves", _cut(rng, _any(rng).sent * rng.choice([1, 50])), None, "leaves")


def _after_close(rng: Random) -> Case:
    last = _last(rng)
    return Case("more after the last request", _cut(rng, last.sent + _any(rng).sent), (last.answer,))


def _refused(
    kind: str, statuses: frozenset[int], make: Callable[[Random], bytes], method: bytes = _GET
) -> Callable[[Random], Case]:
    """Something that is refused, perhaps after requests that are not."""

    def case(rng: Random) -> Case:
        before = [_plain(rng) for _ in range(rng.choice([0, 0, 1, 3]))]
        return _sent(rng, kind, [*before, _Request(make(rng), Answer(method, statuses))])

    return case


def _long_head(rng: Random) -> bytes:
    much = b"a" * rng.choice([HEAD_BYTES + 10_000, 300_000, 2_000_000])
    return rng.choice(
        [
            b"GET /" + much,
            b"\r\n" * len(much),
            b"GET / HTTP/1.1\r\n" + much,
            b"GET / HTTP/1.1\r\nX: " + much + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"a" * 990) * (len(much) // 1000),
            b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * rng.randint(101, 5000) + b"\r\n",
        ]
    )


def _long_chunks(rng: Random) -> bytes:
    head = _head(rng, b"POST /predict HTTP/1.1", b"Transfer-Encoding: chunked")
    much = rng.choice([HEAD_BYTES + 10_000, 500_000])
    return head + rng.choice(
        [
            b"1;" + b"a" * much,
            b"0" * much,
            b"1;%b\r\n \r\n" % (b"a" * 200) * (much // 100),
            b"0\r\nX: " + b"a" * much,
            b"0\r\n" + b"X: a\r\n" * 5000,
        ]
    )


def _bad_chunk(rng: Random) -> bytes:
    head = _head(rng, b"POST /predict HTTP/1.1", b"Transfer-Encoding: chunked")
    return head + rng.choice([b"x\r\n", b"-1\r\n", b"f" * 17 + b"\r\n", b"1\r\nab\r\n", b"\r\n\r\n", b"1 1\r\na\r\n"])


def _two_lengths(rng: Random) -> bytes:
    fields = rng.choice(
        [
            (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            (b"Content-Length: 5", b"Content-Length: 6"),
            (b"Content-Length: -5",),
            (b"Content-Length: 5, 6",),
            (b"Content-Length: " + b"9" * rng.randint(20, 400),),
            (b"Transfer-Encoding: chunked, gzip",),
            (b"Transfer-Encoding: xchunked",),
            (b"Content-Length : 5",),
            (b"X: a\rb",),
            (b"X: a\x00b",),
            (b"\xe4\xf6: a",),
        ]
    )
    return b"\r\n".join([b"POST /predict HTTP/1.1", b"Host: here", *fields, b"", b"0\r\n\r\n"])


def _noise(rng: Random) -> bytes:
    return rng.choice(
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(50),
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"\x00" + rng.randbytes(rng.randint(1, 5000)),
            b"GET /\xe4 HTTP/1.1\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"get / HTTP/1.1\r\n\r\n",
            b"CONNECT example.org:443 HTTP/1.1\r\n\r\n",
        ]
    )


def _large_body(rng: Random) -> bytes:
    size = rng.choice([10_000_001, 50_000_000, 10**12])
    sent = b"a" * rng.choice([0, 1000, 300_000])
    return _head(rng, b"POST /predict HTTP/1.1", b"Content-Length: %d" % size) + sent


def _large_open_body(rng: Random) -> bytes:
    size = rng.randint(65_537, 200_000)
    if rng.random() < 0.5:
        return _head(rng, b"GET /health HTTP/1.1", b"Content-Length: %d" % size) + b"a" * size
    return _head(rng, b"GET /health HTTP/1.1", b"Transfer-Encoding: chunked") + b"ffff\r\n%b\r\n" % (b"a" * 65535) * 2


def _continued(rng: Random) -> Case:
    requests = [_posted(rng, b"Expect: 100-continue"), _last(rng)]
    return _sent(rng, "expects 100", requests)


def _slow(rng: Random) -> Case:
    """Begins something, and stops or goes on by single bytes."""
    whole = _with_body(rng).sent
    begun = rng.randrange(1, len(whole) - 30)
    dripping = tuple(whole[begun + number : begun + number + 1] for number in range(25))
    parts = (whole[:begun], *dripping) if rng.random() < 0.5 else (whole[:begun],)
    return Case("slow", parts, (Answer(_GET, frozenset({408})),), pause=0.1)


def _silent(rng: Random) -> Case:
    return Case("silent", (), ())


def _mutated(rng: Random) -> Case:
    data = bytearray(b"".join(_with_body(rng).sent for _ in range(rng.randint(1, 3))))
    for _ in range(rng.choice([1, 1, 3, 20])):
        place = rng.randrange(len(data))
        change = rng.random()
        if change < 0.4:
            data[place] = rng.randrange(256)
        elif change < 0.6:
            del data[place : place + rng.randint(1, 30)]
        elif change < 0.8:
            data[place:place] = rng.choice([b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\r\n\r\n", b"0\r\n\r\n", b":"])
        else:
            data[place:place] = data[place : place + rng.randint(1, 300)]
        if not data:
            data = bytearray(b"\r")
    return Case("mutated", _cut(rng, bytes(data)), None, "shuts")


_KINDS: list[tuple[Callable[[Random], Case], int]] = [
    (_usual, 20),
    (_upgrade, 10),
    (_pipelined, 6),
    (_half_closed, 8),
    (_half_request, 4),
    (_leaves, 6),
    (_after_close, 3),
    (_continued, 3),
    (_slow, 4),
    (_silent, 1),
    (_mutated, 20),
    (_refused("long head", _TOO_MUCH, _long_head), 5),
    (_refused("long chunk framing", _TOO_MUCH, _long_chunks), 4),
    (_refused("bad chunk", _UNREADABLE, _bad_chunk), 4),
    (_refused("contradictory head", _UNREADABLE, _two_lengths), 4),
    (_refused("noise", _UNREADABLE, _noise), 4),
    (_refused("large body", _TOO_MUCH, _large_body), 3),
    (_refused("large body of an open route", _TOO_MUCH, _large_open_body), 2),
]
