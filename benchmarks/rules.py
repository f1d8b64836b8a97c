"""Compares exit rules on real logits: accuracy at equal cost, and the speed that is left under a guarantee.

python benchmarks/rules.py LOGITS.npz ... --output FOLDER [--seeds 10] [--repeats 100]

Each file comes from cache_logits.py. Costs are layers run, weighted by tokens.

- *At equal cost*: rules that have to be fitted are fitted to one half of the rows, and all are judged on the other;
  means over several random halves, with the means of the bootstrap intervals' ends.
- *Under a guarantee*: 1,000 rows are drawn, a threshold is certified on them, and the speed-up is that of the other
  rows. Rules that have to be fitted take a quarter of them for that, so that only three quarters certify.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from logits import read_logits

from offramp import environment
from offramp.policy import (
    CRITERIA,
    FITTED,
    FITTING_SHARE,
    AtMost,
    Chosen,
    ExitAnswers,
    Limit,
    Method,
    Risk,
    at_exits,
    choose_rule,
    compare_rules,
    make_criterion,
    replay,
    sweep,
)

SPEEDUPS = (1.25, 1.5, 2.0, 3.0, 4.0)
TARGETS = (0.01, 0.02, 0.05)
CALIBRATION_ROWS = 1000


@dataclass(frozen=True)
class EqualCost:
    """A rule's accuracy at a speed-up, and its gain over confidence with the interval's ends; means over halves."""

    data: str
    rule: str
    speedup: float
    accuracy: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class Guaranteed:
    """The median speed-up that a rule keeps with at most ``target`` disagreement, and none qualified this often."""

    data: str
    rule: str
    target: float
    speedup: float
    disagreement: float
    none_qualified: float


def equal_cost(name: str, rows: ExitAnswers, seeds: int) -> list[EqualCost]:
    """All rules at each speed-up that can be reached."""
    found = defaultdict(list)
    for seed in range(seeds):
        for line in compare_rules(rows, SPEEDUPS, seed):
            found[line.rule, 1 / line.cost].append((line.value.value, line.gain.value, line.gain.low, line.gain.high))
    return [
        EqualCost(name, rule, speedup, *np.mean(values, axis=0).tolist()) for (rule, speedup), values in found.items()
    ]


def guaranteed(name: str, rows: ExitAnswers, repeats: int) -> list[Guaranteed]:
    """All rules at each target."""
    random = np.random.default_rng(0)
    size = min(CALIBRATION_ROWS, len(rows) // 2)
    found = defaultdict(list)
    for repeat in range(repeats):
        order = random.permutation(len(rows))
        calibration, held_out = rows.subset(order[:size]), rows.subset(order[size:])
        for rule in CRITERIA:
            fitting, judging = (
                calibration.split(FITTING_SHARE, repeat) if rule in FITTED else (calibration, calibration)
            )
            swept = sweep(judging, make_criterion(rule, fitting, Risk.DISAGREEMENT))
            for target in TARGETS:
                choice = choose_rule(AtMost((Limit(Risk.DISAGREEMENT, target),), Method.LTT, 0.95), swept, judging)
                found[rule, target].append(speed_of(choice, held_out) if isinstance(choice, Chosen) else (1.0, 0.0, 1))
    return [
        Guaranteed(name, rule, target, *np.median(values, axis=0)[:2].tolist(), float(np.mean(values, axis=0)[2]))
        for (rule, target), values in found.items()
    ]


def speed_of(choice: Chosen, rows: ExitAnswers) -> tuple[float, float, int]:
    """Speed-up and disagreement on held-out rows."""
    taken = replay(rows.probabilities, choice.rule)
    cost = at_exits(rows.row_costs, taken.exits[None]).mean()
    changed = ~rows.problem.agree(taken.probabilities, rows.probabilities[-1])
    return float(1 / cost), float(changed.mean()), 0


def tables(equal: list[EqualCost], sure: list[Guaranteed]) -> str:
    """Both comparisons in Markdown; the best rule of a column is bold."""
    parts = ["Accuracy at equal cost: points gained over confidence, mean of the data sets that reach the speed-up.\n"]
    speedups = sorted({line.speedup for line in equal})
    gains = {rule: [_mean_gain(equal, rule, speedup) for speedup in speedups] for rule in CRITERIA}
    parts.append(_grid(("rule", *(f"{one:g}x" for one in speedups)), gains, "{:+.2f}"))
    for data in sorted({line.data for line in equal}):
        parts.append(f"\n{data}: points gained over confidence, 95 % interval\n")
        parts.append(_gains([line for line in equal if line.data == data]))
    names = sorted({line.data for line in sure})
    at = {(line.rule, line.data, line.target): line.speedup for line in sure}
    for target in TARGETS:
        parts.append(
            f"\nMedian speed-up with at most {target:.0%} disagreement, with 95 % confidence from 1,000 rows (SST-2: "
            "910), by Learn-then-Test\n"
        )
        speeds = {rule: [at[rule, data, target] for data in names] for rule in CRITERIA}
        means = {rule: [*values, float(np.exp(np.mean(np.log(values))))] for rule, values in speeds.items()}
        parts.append(_grid(("rule", *names, "geometric mean"), means, "{:.2f}x"))
    return "\n".join(parts)


def _mean_gain(lines: list[EqualCost], rule: str, speedup: float) -> float:
    return float(np.mean([100 * line.gain for line in lines if (line.rule, line.speedup) == (rule, speedup)]))


def _gains(lines: list[EqualCost]) -> str:
    """One data set: a row for each rule, a column for each speed-up."""
    speedups = sorted({line.speedup for line in lines})
    cells = {
        (line.rule, line.speedup): f"{100 * line.gain:+.2f} ({100 * line.low:+.2f} to {100 * line.high:+.2f})"
        for line in lines
    }
    rows = [[rule, *(cells[rule, speedup] for speedup in speedups)] for rule in CRITERIA]
    return _table(["rule", *(f"{speedup:g}x" for speedup in speedups)], rows)


def _grid(header: tuple[str, ...], values: dict[str, list[float]], form: str) -> str:
    best = np.max(list(values.values()), axis=0)
    rows = []
    for rule, row in values.items():
        cells = [form.format(one) for one in row]
        rows.append(
            [
                rule,
                *(f"**{cell}**" if cell == form.format(top) else cell for cell, top in zip(cells, best, strict=True)),
            ]
        )
    return _table(list(header), rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def main(options: Any) -> None:
    """Compares on every file and writes ``rules.json`` and ``rules.md``."""
    equal: list[EqualCost] = []
    sure: list[Guaranteed] = []
    for path in options.files:
        started = time.perf_counter()
        rows = read_logits(path)
        equal += equal_cost(path.stem, rows, options.seeds)
        sure += guaranteed(path.stem, rows, options.repeats)
        print(f"{path.stem}: {time.perf_counter() - started:.0f} s", flush=True)
    text = tables(equal, sure)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    result = {
        "environment": environment.describe(),
        "files": {path.stem: f"sha256:{sha256(path.read_bytes()).hexdigest()[:16]}" for path in options.files},
        "seeds": options.seeds,
        "repeats": options.repeats,
        "calibration_rows": CALIBRATION_ROWS,
        "equal_cost": [asdict(line) for line in equal],
        "guaranteed": [asdict(line) for line in sure],
    }
    (options.output / "rules.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (options.output / "rules.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="cached logits")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=100)
    main(parser.parse_args())
