"""Requests a second under a bound of latency: early exit, full depth, and a server around ``transformers.pipeline``.

    python -m benchmarks.serving.capacity MODEL TEXTS --at 0.88 --json FILE --svg FILE
    python -m benchmarks.serving.capacity MODEL TEXTS --at safe --without EXITS --json FILE --svg FILE

EXITS is the same network without a model of words before it, and with a point of that name, too. The bound is for the
99th percentile: twice that of full depth without load; the pipeline, which has to be given more, gets twice its own.
All servers compute in one thread and get the same texts, one a request, at random times; the load generator has a core
of its own.
"""

import argparse
import asyncio
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.lines import Line, legend, lines_panel, style_of
from benchmarks.serving.load import Client, Found, Measured, bodies_of, find, lasting, offline, poisson
from benchmarks.serving.servers import running
from offramp import environment
from offramp.files import write_json
from offramp.report.frame import Axis
from offramp.report.pictures import Key, Picture, write_picture
from offramp.report.svg import CIRCLE, DIAMOND, RING, SQUARE

FULL, EARLY, PIPELINE = "offramp, full depth", "offramp, early exit", "transformers.pipeline"
WITHOUT = "offramp, exits without words"
_STYLES = {
    FULL: ("depth", SQUARE),
    EARLY: ("early", CIRCLE),
    WITHOUT: ("without", RING),
    PIPELINE: ("pipeline", DIAMOND),
}
# Of the axis.
_RATES = [digit * 10.0**power for power in range(-1, 5) for digit in (1, 2, 5)]
# Without load: a tenth of what the server could do.
_IDLE, _IDLE_REQUESTS = 0.1, 400
_OFFLINE_TEXTS, _OFFLINE_SECONDS = 256, 15.0


@dataclass(frozen=True)
class Contender:
    """A way of answering.

    Attributes:
        idle: without load.
        found: the highest rate within the bound.
        texts_a_second: in large requests, one after the other; None where there are none.
    """

    name: str
    idle: Measured
    found: Found
    texts_a_second: float | None


async def unloaded(client: Client, bodies: list[bytes]) -> Measured:
    """Latency of requests that hardly ever meet another one."""
    first = await poisson(client, bodies, 2.0, 15.0, seed=1)
    rate = _IDLE * 1000 / first.p50
    return await poisson(client, bodies, rate, lasting(_IDLE_REQUESTS, rate), seed=2)


async def measure(
    name: str, url: str, texts: str, extra: dict[str, Any], requests: int, bound: float | None
) -> Contender:
    """Measures one contender; without a bound it sets it."""
    client, bodies = Client(url, "/predict", None), bodies_of(texts, "text", 1, extra, "texts")
    idle = await unloaded(client, bodies)
    print(name, json.dumps(asdict(idle)), flush=True)
    own = 2 * idle.p99
    found = await find(client, bodies, max(bound or own, own if name == PIPELINE else 0.0), requests, 250 / idle.p50)
    lot = None
    if name != PIPELINE:
        large = bodies_of(texts, "text", _OFFLINE_TEXTS, extra, "texts")[:-1]
        lot = (await offline(client, large, _OFFLINE_TEXTS, _OFFLINE_SECONDS))["texts_a_second"]
    print(f"{name}: {found.rate:.1f} requests a second within {found.bound:.1f} ms; offline {lot}", flush=True)
    return Contender(name, idle, found, lot)


def draw(contenders: list[Contender]) -> Picture:
    """The 99th percentile over the rate, on a logarithmic scale."""
    lines = []
    for one in contenders:
        runs = [run for run in [one.idle, *one.found.runs] if set(run.statuses) == {"200"}]
        points = sorted((math.log10(run.rate), run.p99) for run in runs)
        lines.append(Line(one.name, points, *_STYLES[one.name]))
    bound = contenders[0].found.bound
    rates = [x for one in lines for x, _ in one.points]
    categories = {math.log10(rate): f"{rate:g}" for rate in _RATES if min(rates) <= math.log10(rate) <= max(rates)}
    axes = (
        Axis("Requests a second", min(rates) - 0.1, max(rates) + 0.1),
        Axis("99th percentile (ms)", 0, 4 * bound),
    )
    return Picture(
        title="99th percentile of the latency over requests a second",
        description="; ".join(
            f"{one.name}: {one.found.rate:.1f} within {one.found.bound:.1f} ms" for one in contenders
        ),
        rows=[[lines_panel(lines, axes, "capacity", level=bound, categories=categories)]],
        keys=[*legend(lines), Key.line("full", "bound")],
        style=style_of({"pipeline": "var(--purple)", "depth": "var(--orange)", "without": "var(--green)"}),
    )


def _point(at: str) -> dict[str, Any]:
    """Where texts leave, as a request says it."""
    try:
        return {"threshold": float(at)}
    except ValueError:
        return {"at": at}


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--at", required=True, help="a threshold or an operating point, of early exit")
    parser.add_argument("--without", help="model without words")
    parser.add_argument("--options", default="", help="more options of the server, such as --backend openvino")
    parser.add_argument("--requests", type=int, default=1000, help="of each run")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    given = parser.parse_args()
    contenders: list[Contender] = []

    def go(name: str, url: str, extra: dict[str, Any]) -> None:
        bound = contenders[0].found.bound if contenders else None
        contenders.append(asyncio.run(measure(name, url, given.texts, extra, given.requests, bound)))

    options = ("--threads", "1", *given.options.split())
    point = _point(given.at)
    with running("offramp serve", given.model, *options) as server:
        go(FULL, server.url, {"full_depth": True})
        go(EARLY, server.url, point)
    if given.without is not None:
        with running("offramp serve", given.without, *options) as server:
            go(WITHOUT, server.url, point)
    with running("benchmarks.serving.pipeline_server", given.model) as server:
        go(PIPELINE, server.url, {})
    if given.json is not None:
        settings = {"model": Path(given.model).name, "options": given.options} | point
        write_json(
            given.json,
            {"environment": environment.describe(), **settings, "contenders": [asdict(one) for one in contenders]},
        )
    if given.svg is not None:
        write_picture(given.svg, draw(contenders))


if __name__ == "__main__":
    main()
