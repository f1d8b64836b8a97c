"""Checks on kept answers that every kind of promise holds, over many random calibration sets, and what it costs.

python -m benchmarks.promises --output FOLDER [--draws 1000] [--only NAME ...]

Exits are those of ``benchmarks/search.py``, whose kept answers are read: the dev and test rows of a data set are the
population, and a limit's true risk is its mean over all that count of them, without error. A share of a calibration
set's rows (``FITTING_SHARE``) fits a gate and chooses where the walk over thresholds begins; the others judge. Both are
drawn with replacement. Fitting takes far longer than judging, so a new fit is made for every 100 draws of judging rows;
a promise holds for the judging rows whatever the fit, so the draws of each fit are a test of their own.

A second reference stands for the answers of another system: for AG News and SNLI those of a larger encoder at full
depth, for the others the labels, of which a tenth is another one at random.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.search import answers_of
from offramp import environment
from offramp.policy import FITTING_SHARE, AtMost, ExitAnswers, Limit, Reference, Risk
from offramp.policy.choosing import limited
from offramp.policy.risk import last_certified
from offramp.policy.selecting import plan_walk
from offramp.policy.sweep import at_exits

CONFIDENCE, DRAWS_A_FIT = 0.95, 100
# Names of ``benchmarks/search.py``, with the rows of a calibration set.
SETS = (
    ("r8 words+6", 1000),
    ("ag_news words+6", 1000),
    ("ag_news words+6", 2000),
    ("ag_news 6", 1000),
    ("sst2 6", 1000),
    ("snli 6", 1000),
)


@dataclass(frozen=True)
class Line:
    """One kind of promise on one data set; speed-ups are means, geometric, with full depth where none is made."""

    data: str
    rows: int
    calibration_rows: int
    promise: str
    broken: float
    promised: float
    speedup: float
    seconds: float


def goals_for(rows: ExitAnswers) -> Iterator[tuple[str, AtMost]]:
    """What is promised, by its name in the table; limits on labels are a little laxer than full depth."""
    most = Limit(Risk.DISAGREEMENT, 0.02)
    label = rows.labels[int(np.bincount(rows.truth).argmax())]
    full = np.stack([rows.full])
    lost = {risk: float(np.nanmean(rows.limited(full, Limit(risk, 0.5, label=label)))) for risk in
            (Risk.PRECISION, Risk.RECALL)}  # fmt: skip
    precision, recall = (Limit(risk, round(lost[risk] + 0.06, 2), label=label) for risk in lost)
    reference = Limit(Risk.DISAGREEMENT, 0.5, reference=Reference("another system"))
    differing = float(rows.limited(full, reference).mean())
    yield "2 % differ", AtMost((most,), None, CONFIDENCE)
    yield "2 % differ, after every exit", AtMost((most,), None, CONFIDENCE, each_exit=True)
    yield f"precision of one label {1 - precision.target:.0%}", AtMost((precision,), None, CONFIDENCE)
    yield f"recall of one label {1 - recall.target:.0%}", AtMost((recall,), None, CONFIDENCE)
    drop = Limit(Risk.ACCURACY_DROP, 0.02)
    yield "all four and 2 points of accuracy", AtMost((most, drop, precision, recall), None, CONFIDENCE, each_exit=True)
    other = replace(reference, target=round(differing + 0.02, 2))
    yield f"{other.target:.0%} differ from another system", AtMost((other,), None, CONFIDENCE)


@dataclass(frozen=True)
class Knobs:
    """The knobs of one walk over the whole population.

    ``costs`` (knobs,); for each limit its losses (knobs, rows), whether no row can count, and whether it is exceeded,
    both (knobs,). The first ``first`` knobs are no candidates.
    """

    costs: np.ndarray
    losses: list[np.ndarray]
    empty: list[np.ndarray]
    exceeded: list[np.ndarray]
    first: int


def knobs_of(goal: AtMost, fitting: ExitAnswers, rows: ExitAnswers, judging: int, seed: int) -> Knobs:
    """Fits and begins as ``offramp tune`` does."""
    walk = plan_walk(goal, "gate", fitting, judging, seed)
    rows = rows.passing_over(walk.passed_over)
    swept, limits = walk.over(rows), goal.limits_at(rows.names)
    losses, empty = zip(
        *(limited(limit, rows.limited(swept.answers, limit), swept, rows) for limit in limits), strict=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nobody counts
        risks = [np.nan_to_num(np.nanmean(loss, axis=1)) for loss in losses]
    exceeded = [risk > limit.target + 1e-12 for risk, limit in zip(risks, limits, strict=True)]
    costs = at_exits(rows.row_costs, swept.exits).mean(axis=1)
    return Knobs(costs, list(losses), list(empty), exceeded, int(swept.from_full_depth))


def certified(goal: AtMost, limits: list[Limit], knobs: Knobs, drawn: np.ndarray) -> int | None:
    """The last knob that keeps all limits on the drawn rows; None if there is none but full depth."""
    last = len(knobs.costs) - 1
    for limit, losses, empty in zip(limits, knobs.losses, knobs.empty, strict=True):
        kept = empty.copy()
        kept[0] |= knobs.first and limit.kept_at_full_depth
        method, upto = goal.judged_by(limit), slice(0, last + 1)
        found = last_certified(losses[upto][:, drawn], limit.target, method, limit.risk.loss, CONFIDENCE, kept[upto])
        if found is None or found < knobs.first:
            return None
        last = found
    return last


def check(name: str, rows: ExitAnswers, kind: str, goal: AtMost, size: int, draws: int) -> Line:
    """Draws calibration sets; a promise is broken if any of its limits is exceeded over all rows that count."""
    started, random, speedups, broken = time.process_time(), np.random.default_rng(0), [], 0
    fitted = int(FITTING_SHARE * size)
    limits = goal.limits_at(rows.names)
    for fit in range(draws // DRAWS_A_FIT):
        fitting = rows.subset(random.integers(0, len(rows), fitted))
        knobs = knobs_of(goal, fitting, rows, size - fitted, fit)
        for _ in range(DRAWS_A_FIT):
            last = certified(goal, limits, knobs, random.integers(0, len(rows), size - fitted))
            if last is not None and knobs.costs[last] < 1:
                speedups.append(1 / float(knobs.costs[last]))
                broken += any(exceeded[last] for exceeded in knobs.exceeded)
    number, seconds = draws // DRAWS_A_FIT * DRAWS_A_FIT, time.process_time() - started
    speedup = float(np.exp(np.log(speedups).sum() / number))
    return Line(name, len(rows), size, kind, broken / number, len(speedups) / number, speedup, seconds)


def named(name: str, seed: int = 0) -> ExitAnswers:
    """The rows of a data set, with labels and another system's answers."""
    rows = answers_of(name)
    data, random = name.split(maxsplit=1)[0], np.random.default_rng(seed)
    if data in ("ag_news", "snli"):
        other = answers_of(f"{data} words+6+12").full.argmax(axis=-1)
    else:
        labels = rows.logits.shape[-1]
        wrong = random.random(len(rows)) < 0.1
        other = np.where(wrong, (rows.truth + random.integers(1, labels, len(rows))) % labels, rows.truth)
    return replace(rows, labels=tuple(map(str, range(rows.logits.shape[-1]))), reference=other)


def table(lines: list[Line]) -> str:
    """The lines in Markdown."""
    head = (
        "| data | calibration | promise | broken | promised | speed-up | of the speed-up of the first |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    first = {(line.data, line.calibration_rows): line.speedup for line in reversed(lines)}
    shares = [line.speedup / first[line.data, line.calibration_rows] for line in lines]
    return head + "".join(
        f"| {line.data} | {line.calibration_rows:,} of {line.rows:,} | {line.promise} | {line.broken:.1%} "
        f"| {line.promised:.0%} | {line.speedup:.2f}x | {share:.0%} |\n"
        for line, share in zip(lines, shares, strict=True)
    )


def main(options: argparse.Namespace) -> None:
    """Checks every data set and writes ``promises.json`` and ``promises.md``."""
    lines: list[Line] = []
    for name, size in SETS:
        rows = named(name)
        for kind, goal in goals_for(rows) if name in (options.only or [name]) else ():
            lines.append(check(name, rows, kind, goal, size, options.draws))
            print(json.dumps(asdict(lines[-1])), flush=True)
    options.output.mkdir(parents=True, exist_ok=True)
    result = {
        "environment": environment.describe(),
        "confidence": CONFIDENCE,
        "draws": options.draws,
        "draws_a_fit": DRAWS_A_FIT,
        "lines": [asdict(line) for line in lines],
    }
    (options.output / "promises.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (options.output / "promises.md").write_text(table(lines), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", nargs="+", help="data sets")
    main(parser.parse_args())
