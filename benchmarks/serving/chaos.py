"""Clients that misbehave, all at once, while others are served: who of these notices?

    python -m benchmarks.serving.chaos MODEL TEXTS --connections 1000 --json FILE

Each kind of misbehavior goes on for some seconds: connections that say nothing, send half a head, or a body byte by
byte; noise; bodies that are too large; clients that leave before the answer. Meanwhile ordinary requests come at random
times.
"""

import argparse
import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.serving.load import Client, Measured, bodies_of, poisson
from benchmarks.serving.servers import running
from offramp import environment
from offramp.files import write_json

_HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
_SECONDS, _RATE = 20.0, 20.0


@dataclass(frozen=True)
class Bad:
    """What one connection of a kind does, again and again; it may end with any error."""

    name: str
    act: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing."""
    await reader.read()


async def half_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends half of a request's head."""
    writer.write(b"POST /predict HTTP/1.1\r\nHost: he")
    await reader.read()


async def slow_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends a body byte by byte."""
    writer.write(_HEAD + b"Content-Length: 5000\r\n\r\n")
    for _ in range(5000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.5)


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends random bytes."""
    writer.write(os.urandom(random.randint(1, 2000)))
    await reader.read()
    await asyncio.sleep(0.5)


async def huge_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announces more than the server takes, and sends it."""
    writer.write(_HEAD + b"Content-Length: 1000000000\r\n\r\n")
    with contextlib.suppress(OSError):
        for _ in range(100):
            writer.write(b"x" * 65536)
            await writer.drain()
    await asyncio.sleep(0.5)


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends JSON that means nothing, or none at all."""
    body = random.choice([b"{", b"[]", b'{"texts": 7}', b'{"texts": [["a", "b", "c"]]}', b"\xff\xfe", b"null"])
    writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.5)


def leaving(body: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]:
    """Sends a large request and leaves at some moment."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(random.random() / 5)
        writer.transport.abort()
        await asyncio.sleep(0.5)

    return act


async def misbehave(url: str, bad: Bad, connections: int) -> None:
    """So many connections of a kind, opened anew when the server closes them, until this is cancelled."""
    address = urlsplit(url)

    async def one() -> None:
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                await bad.act(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            finally:
                if writer is not None:
                    writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(connections)))


async def go(url: str, texts: str, connections: int) -> dict[str, Measured]:
    """Ordinary requests without and with every kind of misbehavior."""
    bodies = bodies_of(texts, "text", 1, {}, "texts")
    large = bodies_of(texts, "text", 500, {"full_depth": True}, "texts")[0]
    # Kinds that make the server work are fewer: what is to be shown is that they do not block it.
    few = max(1, connections // 50)
    kinds = {
        Bad("silent", silent): connections,
        Bad("half a head", half_head): connections,
        Bad("slow body", slow_body): connections,
        Bad("noise", noise): few,
        Bad("huge body", huge_body): few,
        Bad("nonsense", nonsense): few,
        Bad("leaving early", leaving(large)): 2,
    }
    found = {"nobody misbehaves": await poisson(Client(url, "/predict", None), bodies, _RATE, _SECONDS, seed=0)}
    for bad, number in kinds.items():
        task = asyncio.create_task(misbehave(url, bad, number))
        await asyncio.sleep(2.0)
        found[f"{number} {bad.name}"] = await poisson(Client(url, "/predict", None), bodies, _RATE, _SECONDS, seed=0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found["afterwards"] = await poisson(Client(url, "/predict", None), bodies, _RATE, _SECONDS, seed=0)
    return found


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with running("offramp serve", given.model, "--threads", "1") as server:
        found = asyncio.run(go(server.url, given.texts, given.connections))
    for name, one in found.items():
        print(f"{name:>24}  p50 {one.p50:7.1f} ms  p99 {one.p99:7.1f} ms  {one.statuses}")
    if given.json is not None:
        kinds = {name: asdict(one) for name, one in found.items()}
        write_json(given.json, {"environment": environment.describe(), "model": Path(given.model).name, "kinds": kinds})


if __name__ == "__main__":
    main()
