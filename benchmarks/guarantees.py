"""Checks on real logits that risk control keeps its promises, over many random calibration sets, and what they cost.

python benchmarks/guarantees.py LOGITS.npz ... --output FOLDER [--rows 1000] [--repeats 1000]

Each file comes from cache_logits.py. Calibration rows are drawn in two ways:

- *drawn*: with replacement from all rows of the file, which thereby are the population: a knob's true risk is its mean
  over all of them, without error. Here the promise has to hold to the letter.
- *split*: without replacement, the other rows held out. Risk on these differs from the true one by chance, and a lucky
  calibration set leaves an unlucky rest, so the target is exceeded on them more often than the promise is broken.

The oracle knows the held-out rows: it takes the fastest threshold whose risk there is at most the target.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from logits import read_logits

from offramp import environment
from offramp.policy import Confidence, Method, Risk, at_exits, sweep
from offramp.policy.candidates import KNOBS
from offramp.policy.risk import last_certified

TARGETS = (0.01, 0.02, 0.05)
CONFIDENCE = 0.95
METHODS = (Method.LTT, Method.UCB, Method.CONFORMAL)


@dataclass(frozen=True)
class Knobs:
    """Every row's losses and costs at each threshold, from the safest to the fastest, all (knobs, rows)."""

    losses: dict[Risk, np.ndarray]
    costs: np.ndarray
    full_costs: np.ndarray


@dataclass(frozen=True)
class Draw:
    """A calibration set, and each held-out row's weight in the mean."""

    calibration: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Line:
    """One line of the table; speed-ups are medians, in layers weighted by tokens."""

    data: str
    rows: int
    calibration_rows: int
    drawing: str
    risk: str
    target: float
    method: str
    exceeded: float
    mean_risk: float
    none_qualified: float
    speedup: float
    oracle_speedup: float
    share_of_oracle: float


def read(path: Path) -> Knobs:
    """Sweeps the paper's rule over a file's logits."""
    rows = read_logits(path)
    swept = sweep(rows, Confidence(rows.problem))
    exits = swept.exits[1:]  # full depth is no candidate
    # Thresholds between which no row changes its exit are one knob; the walk would pass or fail all of them together.
    exits = exits[np.append(True, (np.diff(exits, axis=0) != 0).any(axis=1))]
    return Knobs(
        losses={risk: at_exits(rows.losses(swept.answers, risk), exits) for risk in Risk},
        costs=at_exits(rows.costs, exits),
        full_costs=rows.costs[-1],
    )


def draws(drawing: str, n_rows: int, size: int, repeats: int) -> Iterator[Draw]:
    """Calibration sets and what is held out."""
    random = np.random.default_rng(0)
    for _ in range(repeats):
        if drawing == "drawn":
            yield Draw(random.integers(0, n_rows, size), np.full(n_rows, 1 / n_rows))
        else:
            order = random.permutation(n_rows)
            weights = np.zeros(n_rows)
            weights[order[size:]] = 1 / (n_rows - size)
            yield Draw(order[:size], weights)


def check(name: str, knobs: Knobs, drawing: str, size: int, repeats: int) -> list[Line]:
    """Chooses a knob from each calibration set by each method and looks at the rows held out."""
    outcomes: dict[tuple[Risk, float, Method], list[tuple[float, float, float, bool]]] = {}
    for draw in draws(drawing, knobs.costs.shape[1], size, repeats):
        full = knobs.full_costs @ draw.weights
        speedups = np.append(full / (knobs.costs @ draw.weights), 1.0)  # the last entry is full depth
        for risk, losses in knobs.losses.items():
            held_out = np.append(losses @ draw.weights, 0.0)
            calibration = losses[:, draw.calibration]
            for target in TARGETS:
                oracle = speedups[held_out <= target].max()
                for method in METHODS:
                    index = last_certified(calibration, target, method, risk.loss, CONFIDENCE)
                    chosen = -1 if index is None else index
                    seen = (float(held_out[chosen]), float(speedups[chosen]), float(oracle), index is None)
                    outcomes.setdefault((risk, target, method), []).append(seen)
    return [summarise(name, knobs.costs.shape[1], size, drawing, key, np.array(seen)) for key, seen in outcomes.items()]


def summarise(name: str, rows: int, size: int, drawing: str, key: tuple[Risk, float, Method], seen: np.ndarray) -> Line:
    """A line from the repeats' held-out risk, speed-up, oracle's speed-up and whether none qualified, (repeats, 4)."""
    risk, target, method = key
    held_out, speedup, oracle, none = seen.T
    return Line(
        data=name,
        rows=rows,
        calibration_rows=size,
        drawing=drawing,
        risk=str(risk),
        target=target,
        method=str(method),
        # A hair's breadth is rounding, not risk.
        exceeded=float((held_out > target + 1e-12).mean()),
        mean_risk=float(held_out.mean()),
        none_qualified=float(none.mean()),
        speedup=float(np.median(speedup)),
        oracle_speedup=float(np.median(oracle)),
        share_of_oracle=float(np.median(speedup / oracle)),
    )


def table(lines: list[Line]) -> str:
    """The lines in Markdown."""
    head = (
        "| data | calibration | risk | target | method | target exceeded | mean risk | none qualified "
        "| speed-up | oracle's | kept |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {line.data} | {line.calibration_rows} of {line.rows}, {line.drawing} | {line.risk} | {line.target:.0%} "
        f"| {line.method} | {line.exceeded:.1%} | {line.mean_risk:.2%} | {line.none_qualified:.0%} "
        f"| {line.speedup:.2f}x | {line.oracle_speedup:.2f}x | {line.share_of_oracle:.0%} |\n"
        for line in lines
    )


def main(options: Any) -> None:
    """Checks every file and writes ``guarantees.json`` and ``guarantees.md``."""
    lines: list[Line] = []
    for path in options.files:
        started = time.perf_counter()
        knobs = read(path)
        size = min(options.rows, knobs.costs.shape[1] // 2)
        for drawing in ("drawn", "split"):
            lines += check(path.stem, knobs, drawing, size, options.repeats)
        print(f"{path.stem}: {len(knobs.costs)} knobs, {time.perf_counter() - started:.0f} s")
    print(table(lines))
    options.output.mkdir(parents=True, exist_ok=True)
    result = {
        "environment": environment.describe(),
        "files": {path.stem: f"sha256:{sha256(path.read_bytes()).hexdigest()[:16]}" for path in options.files},
        "confidence": CONFIDENCE,
        "repeats": options.repeats,
        "knobs": KNOBS,
        "lines": [asdict(line) for line in lines],
    }
    (options.output / "guarantees.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (options.output / "guarantees.md").write_text(table(lines), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="cached logits")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--rows", type=int, default=1000, help="calibration rows; at most half of a file's")
    parser.add_argument("--repeats", type=int, default=1000)
    main(parser.parse_args())
