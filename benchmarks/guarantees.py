"""Checks on real logits that risk control keeps its promises, over many random calibration sets, and what they cost.

python benchmarks/guarantees.py LOGITS.npz ... --output FOLDER [--rows 1000] [--repeats 1000]

Each file comes from cache_logits.py. Calibration rows are drawn in two ways:

- *drawn*: with replacement from all rows of the file, which thereby are the population: a knob's true risk is its mean
  over all of them, without error. Here the promise has to hold to the letter.
- *split*: without replacement, the other rows held out. Risk on these differs from the true one by chance, and a lucky
  calibration set leaves an unlucky rest, so the target is exceeded on them more often than the promise is broken.

Rules are *confidence*, one threshold for all exits, *per-exit*, one for each, and *gate*, one for the learned
probability of agreeing with full depth; the latter two are fitted to a quarter of the calibration rows and judged by
the others. The oracle knows the held-out rows: it takes the fastest threshold for all
exits whose risk there is at most the target.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from logits import read_logits

from offramp import environment
from offramp.policy import (
    FITTED,
    FITTING_SHARE,
    Confidence,
    Criterion,
    ExitAnswers,
    Method,
    Risk,
    at_exits,
    make_criterion,
    sweep,
)
from offramp.policy.candidates import KNOBS
from offramp.policy.risk import last_certified

TARGETS = (0.01, 0.02, 0.05)
CONFIDENCE = 0.95
METHODS = (Method.LTT, Method.UCB, Method.CONFORMAL)
RULES = ("confidence", "per-exit", "gate")


@dataclass(frozen=True)
class Knobs:
    """Every row's losses and costs at each threshold, from the safest to the fastest, all (knobs, rows)."""

    losses: np.ndarray
    costs: np.ndarray


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
    rule: str
    risk: str
    target: float
    method: str
    exceeded: float
    mean_risk: float
    none_qualified: float
    speedup: float
    oracle_speedup: float
    share_of_oracle: float


@dataclass(frozen=True)
class Outcome:
    """What came of one draw, on the rows held out."""

    risk: float
    speedup: float
    oracle_speedup: float
    none_qualified: bool


def knobs_of(rows: ExitAnswers, criterion: Criterion, risk: Risk) -> Knobs:
    """Sweeps a rule."""
    swept = sweep(rows, criterion)
    exits = swept.exits[1:]  # full depth is no candidate
    # Thresholds between which no row changes its exit are one knob; the walk would pass or fail all of them together.
    exits = exits[np.append(True, (np.diff(exits, axis=0) != 0).any(axis=1))]
    return Knobs(at_exits(rows.losses(swept.answers, risk), exits), at_exits(rows.row_costs, exits))


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


def check(name: str, rows: ExitAnswers, risk: Risk, drawing: str, size: int, repeats: int) -> list[Line]:
    """Chooses a knob from each calibration set by each rule and method and looks at the rows held out."""
    shared = knobs_of(rows, Confidence(rows.problem), risk)
    outcomes: dict[tuple[str, float, Method], list[Outcome]] = {}
    for draw in draws(drawing, len(rows), size, repeats):
        full = rows.row_costs[-1] @ draw.weights
        speedups, risks = _held_out(shared, draw, full)
        oracles = {target: float(speedups[risks <= target].max()) for target in TARGETS}
        for rule in RULES:
            knobs, judging = shared, draw.calibration
            if rule in FITTED:
                fitting, judging = np.split(draw.calibration, [int(FITTING_SHARE * size)])
                knobs = knobs_of(rows, make_criterion(rule, rows.subset(fitting), risk), risk)
                speedups, risks = _held_out(knobs, draw, full)
            for target in TARGETS:
                for method in METHODS:
                    index = last_certified(knobs.losses[:, judging], target, method, risk.loss, CONFIDENCE)
                    chosen = -1 if index is None else index
                    outcome = Outcome(float(risks[chosen]), float(speedups[chosen]), oracles[target], index is None)
                    outcomes.setdefault((rule, target, method), []).append(outcome)
    return [
        summarize(Line(name, len(rows), size, drawing, rule, str(risk), target, str(method), *[0.0] * 6), found)
        for (rule, target, method), found in outcomes.items()
    ]


def _held_out(knobs: Knobs, draw: Draw, full: float) -> tuple[np.ndarray, np.ndarray]:
    """Speed-up and risk at each knob, (knobs + 1,); the last is full depth."""
    return np.append(full / (knobs.costs @ draw.weights), 1.0), np.append(knobs.losses @ draw.weights, 0.0)


def summarize(line: Line, found: list[Outcome]) -> Line:
    """The line with its figures."""
    risks, speedups = np.array([one.risk for one in found]), np.array([one.speedup for one in found])
    oracles = np.array([one.oracle_speedup for one in found])
    return replace(
        line,
        # A hair's breadth is rounding, not risk.
        exceeded=float((risks > line.target + 1e-12).mean()),
        mean_risk=float(risks.mean()),
        none_qualified=float(np.mean([one.none_qualified for one in found])),
        speedup=float(np.median(speedups)),
        oracle_speedup=float(np.median(oracles)),
        share_of_oracle=float(np.median(speedups / oracles)),
    )


def table(lines: list[Line]) -> str:
    """The lines in Markdown."""
    head = (
        "| data | calibration | rule | risk | target | method | target exceeded | mean risk | none qualified "
        "| speed-up | oracle's | kept |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {line.data} | {line.calibration_rows} of {line.rows}, {line.drawing} | {line.rule} | {line.risk} "
        f"| {line.target:.0%} | {line.method} | {line.exceeded:.1%} | {line.mean_risk:.2%} | {line.none_qualified:.0%} "
        f"| {line.speedup:.2f}x | {line.oracle_speedup:.2f}x | {line.share_of_oracle:.0%} |\n"
        for line in lines
    )


def main(options: Any) -> None:
    """Checks every file and writes ``guarantees.json`` and ``guarantees.md``."""
    lines: list[Line] = []
    for path in options.files:
        started = time.perf_counter()
        rows = read_logits(path)
        size = min(options.rows, len(rows) // 2)
        for drawing in ("drawn", "split"):
            for risk in (Risk.DISAGREEMENT, Risk.ACCURACY_DROP):
                lines += check(path.stem, rows, risk, drawing, size, options.repeats)
        print(f"{path.stem}: {time.perf_counter() - started:.0f} s", flush=True)
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
