"""Open-loop load: requests come at random times (Poisson), whether or not those before them were answered.

    python -m benchmarks.serving.load URL TEXTS --rate 50 --seconds 30
    python -m benchmarks.serving.load URL TEXTS --find --bound-ms 40      # the highest rate whose p99 keeps the bound
    python -m benchmarks.serving.load URL TEXTS --offline --texts 512      # texts a second, in large requests

Latency is counted from when a request was due, not from when it was sent, so that a server that stalls is not excused.
The scenarios are those of MLPerf Inference: "server" (Poisson arrivals under a bound of the 99th percentile) and
"offline". One request holds one text unless ``--texts`` says otherwise.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import numpy as np

from offramp.data import Columns, read_texts

# Of the interval between a rate that keeps a bound and its double: a sixteenth is left.
_HALVINGS = 4
# Seconds of a run: a queue takes time to grow.
SHORTEST, LONGEST = 15.0, 45.0


@dataclass(frozen=True)
class Measured:
    """What a run gave; latencies in milliseconds, of requests with a result."""

    rate: float
    answered_a_second: float
    requests: int
    statuses: dict[str, int]
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    worst: float


class Client:
    """Connections kept open to a server, one request at a time on each; as little work as can be for the processor."""

    def __init__(self, url: str, path: str, key: str | None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port or 80
        authorization = f"Authorization: Bearer {key}\r\n" if key else ""
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n{authorization}"
            "Content-Length: "
        ).encode()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, body: bytes) -> tuple[int, bytes]:
        """Sends a body; gives status and answer. A connection that breaks counts as status 0.

        One that was kept may have been closed meanwhile, which says nothing: the body is sent again on a new one.
        """
        while self._idle:
            status, answer = await self._exchange(*self._idle.pop(), body)
            if status:
                return status, answer
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            return 0, b""
        return await self._exchange(reader, writer, body)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
    ) -> tuple[int, bytes]:
        try:
            writer.write(self._head + str(len(body)).encode() + b"\r\n\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            answer = await reader.readexactly(int(headers[b"content-length"]))
        except (OSError, asyncio.IncompleteReadError, KeyError):
            return 0, b""
        if headers.get(b"connection") == b"close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head[9:12]), answer


@dataclass(frozen=True)
class Answer:
    """One request: seconds until it was due, milliseconds until its answer, the status, and whether that was whole."""

    due: float
    latency: float
    status: int
    whole: bool


async def flood(
    client: Client,
    bodies: list[bytes],
    rate: float,
    seconds: float,
    seed: int = 0,
    whole: Callable[[int, bytes], bool] = lambda place, answer: True,
) -> list[Answer]:
    """Sends bodies at random times for so many seconds, and waits for all answers.

    Args:
        whole: tells of the place of a body and its result whether that is all it should be.
    """
    chance, answers, tasks = random.Random(seed), [], set()
    began = due = time.perf_counter()

    async def one(place: int, due: float) -> None:
        status, answer = await client.post(bodies[place])
        latency = 1000 * (time.perf_counter() - due)
        answers.append(Answer(due - began, latency, status, status != 200 or whole(place, answer)))

    while due < began + seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(one(chance.randrange(len(bodies)), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return answers


async def poisson(client: Client, bodies: list[bytes], rate: float, seconds: float, seed: int) -> Measured:
    """Sends bodies at random times for so many seconds; tells what all answers amount to."""
    began = time.perf_counter()
    answers = await flood(client, bodies, rate, seconds, seed)
    taken = time.perf_counter() - began
    latencies = [one.latency for one in answers if one.status == 200]
    p50, p90, p95, p99 = np.percentile(latencies, [50, 90, 95, 99]) if latencies else [float("nan")] * 4
    return Measured(
        rate=rate,
        answered_a_second=len(latencies) / taken,
        requests=len(answers),
        statuses={str(status): number for status, number in Counter(one.status for one in answers).items()},
        mean=float(np.mean(latencies)) if latencies else float("nan"),
        p50=float(p50),
        p90=float(p90),
        p95=float(p95),
        p99=float(p99),
        worst=max(latencies, default=float("nan")),
    )


@dataclass(frozen=True)
class Found:
    """The highest rate, in requests a second, at which the 99th percentile kept a bound; and all that was tried."""

    rate: float
    bound: float
    runs: list[Measured]


def lasting(requests: int, rate: float) -> float:
    """Seconds for so many requests, within bounds."""
    return min(LONGEST, max(SHORTEST, requests / rate))


async def find(client: Client, bodies: list[bytes], bound: float, requests: int, start: float) -> Found:
    """Doubles the rate until the 99th percentile breaks the bound or a request has no result, then halves the interval.

    Args:
        bound: milliseconds.
        requests: of each run; from a thousand on a 99th percentile says something.
        start: rate to begin with.
    """
    runs: list[Measured] = []

    async def keeps(rate: float) -> bool:
        runs.append(await poisson(client, bodies, rate, lasting(requests, rate), seed=len(runs)))
        print(json.dumps(asdict(runs[-1])), flush=True)
        await asyncio.sleep(1.0)  # what an overload left behind
        return runs[-1].p99 <= bound and set(runs[-1].statuses) == {"200"}

    low, high = 0.0, start
    while await keeps(high):
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if await keeps(middle) else (low, middle)
    return Found(low, bound, runs)


async def offline(client: Client, bodies: list[bytes], texts: int, seconds: float) -> dict[str, float]:
    """Four large requests at a time; texts a second."""
    began, done = time.perf_counter(), 0

    async def go_on(number: int) -> None:
        nonlocal done
        while time.perf_counter() < began + seconds:
            status, _ = await client.post(bodies[number % len(bodies)])
            done += texts * (status == 200)
            number += 1

    await asyncio.gather(*(go_on(number) for number in range(4)))
    return {"texts_a_second": done / (time.perf_counter() - began)}


def bodies_of(file: str, text_column: str, texts: int, extra: dict[str, object], field: str) -> list[bytes]:
    """Requests made of the texts of a file."""
    rows = read_texts(file, Columns(text=text_column)).texts
    groups = [rows[start : start + texts] for start in range(0, len(rows), texts)]
    return [json.dumps({field: group[0] if texts == 1 else group, **extra}).encode() for group in groups]


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("texts_file")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--path", default="/predict")
    parser.add_argument("--field", default="texts", help="what the texts are called in a request")
    parser.add_argument("--extra", default="{}", help="more fields of each request, as JSON")
    parser.add_argument("--key")
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--requests", type=int, default=1000, help="of each run of --find")
    parser.add_argument("--texts", type=int, default=1)
    parser.add_argument("--find", action="store_true")
    parser.add_argument("--bound-ms", type=float)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    client = Client(given.url, given.path, given.key)
    bodies = bodies_of(given.texts_file, given.text_column, given.texts, json.loads(given.extra), given.field)
    if given.offline:
        print(json.dumps(asyncio.run(offline(client, bodies, given.texts, given.seconds))))
    elif given.find:
        asyncio.run(find(client, bodies, given.bound_ms, given.requests, given.rate))
    else:
        print(json.dumps(asdict(asyncio.run(poisson(client, bodies, given.rate, given.seconds, given.seed)))))


if __name__ == "__main__":
    main()
