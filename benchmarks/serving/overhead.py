"""What HTTP adds to a single text at low load: the same texts, in turn in this process and through a server.

python -m benchmarks.serving.overhead MODEL TEXTS --threshold 0.9 --requests 500 --json FILE

Texts come at random times, so that neither process is warm from the last one. Both compute in one thread.
"""

import argparse
import http.client
import json
import random
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

import offramp
from benchmarks.serving.servers import running
from offramp import environment
from offramp.data import Columns, read_texts
from offramp.files import write_json

_RATE = 8.0
_WARM = 20


@dataclass(frozen=True)
class Overhead:
    """Milliseconds of a text, in this process and through HTTP.

    Attributes:
        added: by HTTP, at the median: the medians' difference.
    """

    threshold: float
    requests: int
    here_p50: float
    here_p99: float
    http_p50: float
    http_p99: float
    added: float


def measure(classifier: offramp.Classifier, url: str, texts: list[str], threshold: float, requests: int) -> Overhead:
    """Asks both, in turn."""
    chance = random.Random(0)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    taken: list[tuple[float, float]] = []

    def here(text: str) -> None:
        classifier.predict([text], threshold=threshold)

    def there(text: str) -> None:
        body = json.dumps({"texts": text, "threshold": threshold})
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(reply.read())
        reply.read()

    for _ in range(requests + _WARM):
        text, seconds = chance.choice(texts), []
        for ask in (here, there):
            time.sleep(chance.expovariate(_RATE))
            began = time.perf_counter()
            ask(text)
            seconds.append(1000 * (time.perf_counter() - began))
        taken.append((seconds[0], seconds[1]))
    (here_p50, http_p50), (here_p99, http_p99) = np.percentile(taken[_WARM:], [50, 99], axis=0).tolist()
    return Overhead(threshold, requests, here_p50, here_p99, http_p50, http_p99, http_p50 - here_p50)


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("texts", help="file with a column text")
    parser.add_argument("--threshold", type=float, required=True, help="of early exit; full depth is measured, too")
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    texts = read_texts(given.texts, Columns()).texts
    classifier = offramp.load(given.model, threads=1)
    with running("offramp serve", given.model, "--threads", "1") as server:
        found = [measure(classifier, server.url, texts, one, given.requests) for one in (given.threshold, 1.01)]
    for one in found:
        print(json.dumps(asdict(one)))
    if given.json is not None:
        settings = {"model": Path(given.model).name, "points": [asdict(one) for one in found]}
        write_json(given.json, {"environment": environment.describe(), **settings})


if __name__ == "__main__":
    main()
