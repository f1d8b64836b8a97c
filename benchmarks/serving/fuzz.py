"""Strange bytes for a server: does each request get one answer, does anybody else notice, does the memory stay?

    python -m benchmarks.serving.fuzz MODEL --cases 20000 --seed 0 --json FILE

Every case is a connection of its own. Answers are read by h11, a parser that is not the server's. Meanwhile another
process asks for /health, each time over a new connection.
"""

import argparse
import asyncio
import contextlib
import http.client
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

import h11

from benchmarks.serving.fuzz_cases import Case, draw
from benchmarks.serving.servers import running
from offramp import environment
from offramp.files import write_json

_AT_ONCE = 16
# Seconds after which a connection should long have ended.
_PATIENCE = 30.0
_READ = 65_536


@dataclass
class Found:
    """What came of a run.

    Attributes:
        cases: by kind.
        statuses: of all answers.
        wrong: what should not be, in words.
        health: seconds of every request for /health.
        memory: of the server in megabytes, after each hundredth of the cases.
    """

    cases: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def fuzz(port: int, pid: int, cases: int, seed: int) -> Found:
    """Runs so many cases against a server on this machine."""
    found = Found()
    with _asking(port) as asked:
        asyncio.run(_run(port, pid, cases, seed, found))
    found.health, wrong = asked()
    found.wrong += wrong
    return found


async def _run(port: int, pid: int, cases: int, seed: int, found: Found) -> None:
    numbers = iter(range(cases))

    async def client() -> None:
        for number in numbers:
            case = draw(random.Random(f"{seed}:{number}"))
            found.cases[case.kind] += 1
            try:
                async with asyncio.timeout(_PATIENCE):
                    data = await _talk(port, case)
                found.statuses.update(_check(case, data))
            except (AssertionError, TimeoutError, OSError, h11.ProtocolError) as error:
                found.wrong.append(f"{number} ({case.kind}): {type(error).__name__} {error}")
            if number % max(1, cases // 100) == 0:
                found.memory.append(_memory(pid))

    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))


async def _talk(port: int, case: Case) -> bytes:
    """Sends what a case has to send; returns all that came back until the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = bytearray()

    async def read() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(_READ):
                data.extend(piece)

    reading = asyncio.create_task(read())
    try:
        with contextlib.suppress(ConnectionError):
            for part in case.parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(case.pause)
                if reading.done():
                    break
            if case.end == "shuts":
                writer.write_eof()
        if case.end != "leaves":
            await reading
    finally:
        reading.cancel()
        writer.transport.abort()
    return bytes(data)


def _check(case: Case, data: bytes) -> list[int]:
    """The statuses of the answers to a case; raises what is wrong with them."""
    methods = [answer.method for answer in case.answers or ()]
    if case.end == "leaves":
        return []
    statuses = _statuses(data, methods)
    if case.answers is None:
        failures = [status for status in statuses if status >= 500 and status != 503]
        assert not failures, failures
        requests = b"".join(case.parts).count(b"HTTP/")
        assert len(statuses) <= requests + 1, f"{len(statuses)} answers to {requests} requests"
    else:
        assert len(statuses) == len(methods), f"{len(statuses)} answers instead of {len(methods)}: {statuses}"
        for status, answer in zip(statuses, case.answers, strict=True):
            assert status in answer.statuses, f"{status} instead of {sorted(answer.statuses)}"
    return statuses


def _statuses(data: bytes, methods: list[bytes]) -> list[int]:
    client, statuses = h11.Connection(h11.CLIENT), []
    client.receive_data(data)
    client.receive_data(b"")
    while client.trailing_data[0]:
        method = methods[len(statuses)] if len(statuses) < len(methods) else b"GET"
        client.send(h11.Request(method=method, target="/", headers=[("Host", "here")]))
        client.send(h11.EndOfMessage())
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                statuses.append(event.status_code)
        if client.their_state is not h11.DONE:
            assert not client.trailing_data[0], "bytes after the last answer"
            break
        client.start_next_cycle()
    return statuses


Health = tuple[list[float], list[str]]


@contextlib.contextmanager
def _asking(port: int) -> Iterator[Callable[[], Health]]:
    """Asks for /health in another process; afterwards tells how long that took, and what was wrong."""
    context = multiprocessing.get_context("spawn")
    mine, others = context.Pipe()
    process = context.Process(target=_ask_for_health, args=(port, others), daemon=True)
    process.start()
    mine.recv()
    try:
        yield mine.recv
    finally:
        mine.send("over")


def _ask_for_health(port: int, pipe: Connection) -> None:
    seconds, wrong = [], []
    pipe.send("begun")
    while not pipe.poll(0.05):
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/health")
            status = connection.getresponse().status
            seconds.append(time.monotonic() - began)
            if status != 200:
                wrong.append(f"/health was answered with {status}")
        except OSError as error:
            wrong.append(f"/health: {type(error).__name__} {error}")
        finally:
            connection.close()
    pipe.send((seconds, wrong))


def _memory(pid: int) -> float:
    """Megabytes that a process has, on Linux."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    options = ["--threads", "1", "--warm-up-seconds", "1", "--body-timeout-ms", "1500"]
    with running("offramp serve", given.model, *options) as server:
        port = urlsplit(server.url).port
        assert port is not None
        began = time.monotonic()
        found = fuzz(port, server.pid, given.cases, given.seed)
        seconds = time.monotonic() - began
    slowest = sorted(found.health)[-5:]
    summary = {
        "cases": dict(found.cases),
        "statuses": {str(status): count for status, count in sorted(found.statuses.items())},
        "seconds": round(seconds),
        "health": {"requests": len(found.health), "slowest": [round(one, 3) for one in slowest]},
        "memory": [round(one) for one in (found.memory[0], found.memory[len(found.memory) // 10], found.memory[-1])],
        "wrong": found.wrong,
    }
    for name, value in summary.items():
        print(f"{name}: {value}")
    if given.json is not None:
        write_json(given.json, {"environment": environment.describe(), "seed": given.seed, **summary})


if __name__ == "__main__":
    main()
