"""Ten minutes at half as much again as a server can do: every request answered once, memory flat, and calm afterwards.

    python -m benchmarks.serving.soak MODEL TEXTS --threshold 0.9 --minutes 10 --json FILE

Requests hold one to eight texts. What the server can do is what it answers when it is asked for far more.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.serving.load import Answer, Client, flood
from benchmarks.serving.servers import Server, running
from benchmarks.stream import resident
from offramp import environment
from offramp.data import Columns, read_texts
from offramp.files import write_json

_TEXTS = 8
_OVERLOAD, _SOAK, _IDLE = 3.0, 1.5, 0.1
# Seconds between two looks at the memory, and at the start that are left out: caches fill.
_EVERY, _SETTLING = 5.0, 60.0
_CALM = 20.0


@dataclass(frozen=True)
class Soak:
    """What came of it; latencies in milliseconds, memory in MiB.

    Attributes:
        capacity: requests a second with a result, under an overload.
        rate: requests a second of the soak.
        requests, statuses, broken: how many were sent, what they got, and answers with a wrong number of predictions.
        p50, p99: of results during the soak.
        memory: (seconds, MiB).
        growth: from after the first minute to the last, as a share.
        idle_p99: without load, before.
        after: 99th percentile in each second after the soak, at a tenth of the capacity.
        calm_after: seconds until no second was worse than twice ``idle_p99`` any more.
    """

    capacity: float
    rate: float
    requests: int
    statuses: dict[str, int]
    broken: int
    p50: float
    p99: float
    memory: list[tuple[float, float]]
    growth: float
    idle_p99: float
    after: list[float]
    calm_after: float


async def watched(pid: int, samples: list[tuple[float, float]]) -> None:
    """Looks at a process's memory until it is cancelled."""
    began = time.perf_counter()
    while (memory := resident(pid)) is not None:
        samples.append((round(time.perf_counter() - began, 1), round(memory, 1)))
        await asyncio.sleep(_EVERY)


def percentile(answers: list[Answer], share: float) -> float:
    """Of the latencies of results."""
    return float(np.percentile([one.latency for one in answers if one.status == 200] or [float("nan")], share))


async def soak(server: Server, groups: list[list[str]], minutes: float) -> Soak:
    """Measures what the server can do, asks for more, and looks how it recovers.

    Args:
        groups: the texts of each request.
    """
    client, bodies = Client(server.url, "/predict", None), [json.dumps({"texts": group}).encode() for group in groups]

    def whole(place: int, answer: bytes) -> bool:
        return len(json.loads(answer)["predictions"]) == len(groups[place])

    trial = await flood(client, bodies, 20.0, 10.0)
    guess = _OVERLOAD * 1000 / percentile(trial, 50)
    overload = await flood(client, bodies, guess, 15.0)
    capacity = sum(one.status == 200 for one in overload) / max(one.due for one in overload)
    await asyncio.sleep(3.0)
    idle = await flood(client, bodies, _IDLE * capacity, 30.0)
    samples: list[tuple[float, float]] = []
    watch = asyncio.create_task(watched(server.pid, samples))
    answers = await flood(client, bodies, _SOAK * capacity, 60 * minutes, whole=whole)
    watch.cancel()
    calm = await flood(client, bodies, _IDLE * capacity, _CALM)
    idle_p99 = percentile(idle, 99)
    after = [percentile([one for one in calm if int(one.due) == second], 99) for second in range(int(_CALM))]
    bad = [second + 1 for second, latency in enumerate(after) if latency > 2 * idle_p99]
    settled = [memory for seconds, memory in samples if seconds >= min(_SETTLING, 30 * minutes)]
    return Soak(
        capacity=capacity,
        rate=_SOAK * capacity,
        requests=len(answers),
        statuses={str(status): number for status, number in Counter(one.status for one in answers).items()},
        broken=sum(not one.whole for one in answers),
        p50=percentile(answers, 50),
        p99=percentile(answers, 99),
        memory=samples,
        growth=settled[-1] / settled[0] - 1,
        idle_p99=idle_p99,
        after=after,
        calm_after=float(max(bad, default=0)),
    )


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows, chance = read_texts(given.texts, Columns()).texts, random.Random(0)
    groups = [chance.sample(rows, chance.randint(1, _TEXTS)) for _ in range(1000)]
    with running("offramp serve", given.model, "--threads", "1", "--threshold", str(given.threshold)) as server:
        found = asyncio.run(soak(server, groups, given.minutes))
    print(json.dumps({**asdict(found), "memory": found.memory[:: max(1, len(found.memory) // 12)]}, indent=1))
    if given.json is not None:
        settings = {"model": Path(given.model).name, "threshold": given.threshold, "minutes": given.minutes}
        write_json(given.json, {"environment": environment.describe(), **settings, **asdict(found)})


if __name__ == "__main__":
    main()
