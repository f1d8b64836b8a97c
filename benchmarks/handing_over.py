"""Checks on real answers that the error among the answered keeps its limit, over many calibration sets, and its price.

python -m benchmarks.handing_over --output FOLDER [--draws 1000] [--gate-draws 1000] [--rows 1500]

Calibration rows are drawn with replacement from all rows of a set, which thereby are the population: the error of a
rule among all the rows that it answers is its true one, without an error of sampling. So every sum over a calibration
set is one over the population, with the number of times that each row was drawn; the first set of each kind is run
through :func:`offramp.policy.select` as well, which has to choose the same rule. Costs are those of
:mod:`benchmarks.search`, whose answers are read. Beside the promises stands the error over coverage.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from benchmarks.search import answers_of
from offramp import environment
from offramp.evaluation.coverage import RiskCoverage, risk_coverage
from offramp.policy import AtMost, Chosen, ExitAnswers, Limit, Risk, at_exits
from offramp.policy.abstaining import DOUBT, GAPS, PRICE, Plan, make_abstaining, plan_knobs, sweep_abstaining
from offramp.policy.bounds import hoeffding_bentkus
from offramp.policy.candidates import FITTING_SHARE
from offramp.policy.choosing import choose_rule
from offramp.policy.criteria import Array, Criterion

SETS = ("r8 words+6", "sst2 words+6", "ag_news words+6", "snli words+6")
TARGETS = (0.01, 0.02, 0.05, 0.1)
CONFIDENCE = 0.95
GOALS = {
    target: AtMost((Limit(Risk.ERROR, target, answered=True),), None, CONFIDENCE, coverage=0.0) for target in TARGETS
}
COVERAGES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Knobs:
    """All thresholds of a criterion with one gap, on all rows: what each row comes to, (knobs, rows)."""

    gap: float
    answered: Array
    wrong: Array
    costs: Array


@dataclass(frozen=True)
class Line:
    """What calibration sets come to; error, coverage and speed-up are means over those that found a rule."""

    exits: str
    rows: int
    draws: int
    rule: str
    allowed: float
    exceeded: float
    found: float
    error: float
    coverage: float
    speedup: float


def main(options: Any) -> None:
    """Makes both tables."""
    lines, curves = [], {}
    for name in options.sets:
        rows = answers_of(name)
        curves[name] = risk_coverage("full depth", rows.problem.confidence(rows.full), rows.right(rows.full))
        for rule, draws in (("confidence", options.draws), ("gate", options.gate_draws)):
            lines += check(name, rows, rule, draws, options.rows)
            write(lines, curves, options)


def check(name: str, rows: ExitAnswers, rule: str, draws: int, size: int) -> list[Line]:
    """Chooses a rule from each calibration set, and looks at all rows."""
    outcomes: dict[float, list[tuple[float, float, float] | None]] = {target: [] for target in TARGETS}
    knobs: list[Knobs] = []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).integers(0, len(rows), size)
        fitting, judging = np.split(drawn, [int(FITTING_SHARE * size)])
        if rule == "gate" or not knobs:
            criterion = make_abstaining(GOALS[TARGETS[0]], rule, rows.subset(fitting))
            knobs = [knobs_of(rows, criterion, gap) for gap in GAPS]
        drawings = np.stack([np.bincount(part, minlength=len(rows)).astype(float) for part in (fitting, judging)])
        sums = [Sums.of(one, drawings) for one in knobs]
        for target in TARGETS:
            plan, chosen = choose(sums, len(fitting), len(judging), target)
            if not seed:
                check_choice(rows, criterion, fitting, judging, target, plan, chosen)
            at = next(one for one in knobs if one.gap == plan.gap)
            outcomes[target].append(None if chosen is None else outcome(at, chosen))
    return [line(name, size, rule, target, outcomes[target]) for target in TARGETS]


def knobs_of(rows: ExitAnswers, criterion: Criterion, gap: float) -> Knobs:
    """Sweeps a criterion."""
    swept = sweep_abstaining(rows, criterion, Plan(gap, 0))
    assert swept.handed_over is not None
    answered = (~swept.handed_over).astype(float)
    wrong = answered * at_exits(rows.losses(swept.answers, Risk.ERROR), swept.exits)
    return Knobs(gap, answered, wrong, at_exits(rows.row_costs, swept.exits))


@dataclass(frozen=True)
class Sums:
    """What the rows of a calibration set come to together, (knobs,): those that fit and those that judge."""

    gap: float
    answered: Array
    wrong: Array
    costs: Array
    judged: Array
    judged_wrong: Array

    @classmethod
    def of(cls, knobs: Knobs, drawings: Array) -> "Sums":
        """Adds up; ``drawings`` tell how often each row was drawn to fit and to judge, (2, rows)."""
        (answered, judged), (wrong, judged_wrong) = (drawings @ one.T for one in (knobs.answered, knobs.wrong))
        return cls(knobs.gap, answered, wrong, knobs.costs @ drawings[0], judged, judged_wrong)


def choose(sums: list[Sums], fitting: int, judging: int, target: float) -> tuple[Plan, int | None]:
    """The plan and the knob that a calibration set of so many rows comes to."""
    each = judging / fitting
    planned = []
    for one in sums:
        lost, counting = (one.wrong + DOUBT) * each, one.answered * each
        tail = scipy.special.betainc(np.maximum(counting - lost, 1e-9), lost + 1.0, 1.0 - target)
        chances = np.where(counting > lost, tail, 1.0)
        first = int(chances.argmin())
        failing = chances[first:] > 1.0 - CONFIDENCE
        last = first + (int(failing.argmax()) if failing.any() else len(failing)) - 1
        worth = np.inf
        if last >= first:
            worth = (one.costs[last] + PRICE * (fitting - one.answered[last])) / fitting
        planned.append(((worth, float(chances[first]) if last < first else 0.0), Plan(one.gap, first)))
    plan = min(planned, key=lambda one: one[0])[1]
    one = next(one for one in sums if one.gap == plan.gap)
    counts = one.judged[plan.first :]
    means = one.judged_wrong[plan.first :] / np.maximum(counts, 1.0)
    passes = hoeffding_bentkus(means, target, counts, binary=True) <= 1.0 - CONFIDENCE
    number = len(passes) if passes.all() else int(np.argmin(passes))
    return plan, plan.first + number - 1 if number else None


def check_choice(
    rows: ExitAnswers,
    criterion: Criterion,
    fitting: np.ndarray,
    judging: np.ndarray,
    target: float,
    plan: Plan,
    chosen: int | None,
) -> None:
    """Makes sure that the library chooses the same."""
    parts, goal = [rows.subset(part) for part in (fitting, judging)], GOALS[target]
    assert plan_knobs(goal, criterion, parts[0], len(judging)) == plan
    choice = choose_rule(goal, sweep_abstaining(parts[1], criterion, plan), parts[1], fitted=len(fitting))
    assert isinstance(choice, Chosen) == (chosen is not None)
    if isinstance(choice, Chosen) and chosen is not None:
        swept = sweep_abstaining(parts[1], criterion, Plan(plan.gap, chosen))
        assert swept.handed_over is not None
        assert np.array_equal(choice.handed_over, swept.handed_over[0])
        assert np.array_equal(choice.exits, swept.exits[0])


def outcome(knobs: Knobs, chosen: int) -> tuple[float, float, float]:
    """The error among the answered, their share, and the speed-up over full depth."""
    answered = knobs.answered[chosen].mean()
    return float(knobs.wrong[chosen].mean() / answered), float(answered), float(1.0 / knobs.costs[chosen].mean())


def line(name: str, size: int, rule: str, target: float, outcomes: list[tuple[float, float, float] | None]) -> Line:
    """A line of the table; a set that found no rule hands nothing over and promises nothing."""
    found, draws = np.array([one for one in outcomes if one is not None]).reshape(-1, 3), len(outcomes)
    exceeded = float((found[:, 0] > target).sum()) / draws
    error, coverage, speedup = found.mean(axis=0).tolist() if len(found) else (np.nan, 0.0, 1.0)
    return Line(name, size, draws, rule, target, exceeded, len(found) / draws, error, coverage, speedup)


def write(lines: list[Line], curves: dict[str, RiskCoverage], options: Any) -> None:
    """Writes ``handing_over.json`` and ``handing_over.md``."""
    options.output.mkdir(parents=True, exist_ok=True)
    content = {
        "environment": environment.describe(),
        "lines": [asdict(one) | {"error": one.error if one.found else None} for one in lines],
        "curves": {name: asdict(curve) for name, curve in curves.items()},
    }
    (options.output / "handing_over.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (options.output / "handing_over.md").write_text(tables(lines, curves), encoding="utf-8")


def tables(lines: list[Line], curves: dict[str, RiskCoverage]) -> str:
    """Both tables as Markdown."""
    head = "| answers | rows | sets | rule | error allowed | exceeded | found | error | answered | speed-up |\n"
    body = "".join(
        f"| {one.exits} | {one.rows} | {one.draws} | {one.rule} | {one.allowed:.0%} | {one.exceeded:.1%} | "
        + (
            f"{one.found:.0%} | {one.error:.2%} | {one.coverage:.1%} | {one.speedup:.2f}x |\n"
            if one.found
            else "0% | - | - | - |\n"
        )
        for one in lines
    )
    curve = "".join(
        f"| {name} | " + " | ".join(f"{_error_at(one, share):.2%}" for share in COVERAGES) + f" | {one.area:.2%} |\n"
        for name, one in curves.items()
    )
    shares = " | ".join(f"{share:.0%}" for share in COVERAGES)
    return (
        f"Error among the answered, {CONFIDENCE:.0%} confidence: it may be exceeded in {1 - CONFIDENCE:.0%} of the "
        f"calibration sets.\n\n{head}|{' --- |' * 10}\n{body}\n"
        f"Error of full depth if only the surest share of texts is answered.\n\n"
        f"| answers | {shares} | mean |\n|{' --- |' * (len(COVERAGES) + 2)}\n{curve}"
    )


def _error_at(curve: RiskCoverage, share: float) -> float:
    return float(np.interp(share, curve.coverages, curve.errors))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--gate-draws", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--sets", nargs="+", default=SETS)
    main(parser.parse_args())
