"""What ``offramp bench --json`` measured, as far as a report shows it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offramp.backends import REFERENCE
from offramp.benchmark import SCHEMA, Kind
from offramp.errors import DataError, OptionError

_CURE = "run  offramp bench MODEL --data FILE --json BENCH"


@dataclass(frozen=True, slots=True)
class Speed:
    """One way to run the model.

    Attributes:
        accuracy: on the benchmark's rows; None where they have no labels.
        texts_per_second: all texts at once, median of several rounds; ``low`` and ``high`` are the quartiles.
        p50, p90, p99: milliseconds for one text alone, over ``requests``; p99 only from 1,000 requests on.
    """

    name: str
    kind: Kind
    backend: str
    precision: str
    threads: int
    accuracy: float | None
    texts_per_second: float
    low: float
    high: float
    requests: int
    p50: float
    p90: float
    p99: float | None


@dataclass(frozen=True, slots=True)
class Speeds:
    """A benchmark.

    Attributes:
        processor: the GPU's name, or the CPU's where there is none.
        data, fingerprint: what was classified.
        mean_tokens: of a text.
        timed_rows: texts handed in at once; ``single_rows`` are those handed in one by one.
    """

    processor: str
    data: str
    fingerprint: str
    mean_tokens: float
    timed_rows: int
    single_rows: int
    rows: tuple[Speed, ...]


def read_speeds(path: Path, model: Path) -> Speeds:
    """Reads a benchmark of a model.

    Raises:
        DataError: the file is missing, or something else.
        OptionError: the benchmark is of another model.
        ModelFolderError: the model folder is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, this version reads {SCHEMA}")
        fingerprint, speeds = content["model"]["fingerprint"], _speeds(content)
    except OSError as error:
        raise DataError(f"cannot read the benchmark {path}: {error.strerror or error}; {_CURE}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not what 'offramp bench --json' writes ({error!r:.80}); {_CURE}") from None
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    found = load(model, **asdict(REFERENCE)).fingerprint
    if fingerprint != found:
        raise OptionError(
            f"the benchmark {path} is of another model ({fingerprint}, {model} is {found}), or of this one before it "
            f"was calibrated anew; {_CURE}"
        )
    return speeds


def _speeds(content: Mapping[str, Any]) -> Speeds:
    data, environment = content["data"], content["environment"]
    return Speeds(
        processor=str(environment["gpu"] or environment["cpu"]),
        data=str(data["source"]),
        fingerprint=str(data["fingerprint"]),
        mean_tokens=float(data["mean_tokens"]),
        timed_rows=int(data["timed_rows"]),
        single_rows=int(data["single_rows"]),
        rows=tuple(_speed(row) for row in content["rows"]),
    )


def _speed(row: Mapping[str, Any]) -> Speed:
    speed, single = row["offline"]["texts_per_second"], row["single_stream"]
    return Speed(
        name=str(row["name"]),
        kind=Kind(row["kind"]),
        backend=str(row["backend"]),
        precision=str(row["precision"]),
        threads=int(row["threads"]),
        accuracy=_number(row["accuracy"]),
        texts_per_second=float(speed["median"]),
        low=float(speed["low"]),
        high=float(speed["high"]),
        requests=int(single["requests"]),
        p50=float(single["p50"]),
        p90=float(single["p90"]),
        p99=_number(single["p99"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
