"""The paper's claims one by one, beside what the results say of them."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.paper.analysis import CALIBRATION, EFFICIENT, MODELS
from benchmarks.paper.plan import OURS, Plan
from benchmarks.paper.results import Comparison, Results, StepCost
from benchmarks.paper.tables import MISSING, grid, title_of
from offramp.report.words import count, percent, signed, times


def claims(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost]) -> str:
    """A table: the claim, and what was measured."""
    rows = (
        ("up to five times faster at preserved accuracy", _preserved(plan, results)),
        ("a better trade-off than the efficient baselines in almost all cases", _verdicts(results, EFFICIENT, "cut")),
        ("almost no additional training time", _time(plan, steps)),
        ("less than 0.005 % more parameters", _parameters(plan, steps)),
        ("calibrated confidence decides well", _calibration(results)),
        ("one model instead of many", _verdicts(results, MODELS)),
    )
    return grid(("the paper", "here"), rows)


def _preserved(plan: Plan, results: Sequence[Results]) -> str:
    """The fastest at half a point."""

    def best(ours: str, data: str) -> str | None:
        found = [
            (one.line_of(ours, "lot").within["0.005"] or 1.0, title_of(plan, one))
            for one in results
            if one.data == data and ours in one.ours
        ]
        return f"{times(max(found)[0])} on {max(found)[1]}" if found else None

    named = {ours: [best(ours, data) for data in plan.data_sets] for ours in OURS}
    told = (f"{ours}: {', '.join(filter(None, speeds))}" for ours, speeds in named.items() if any(speeds))
    return "in batches, with at most half a point lost against the standard model; " + "; ".join(told)


def _verdicts(results: Sequence[Results], group: str, beginning: str = "") -> str:
    """How often each of ours is ahead, and how often that is certain."""
    found = [
        one
        for result in results
        for one in result.comparisons
        if one.group == group and one.other.startswith(beginning)
    ]
    named = {name: [one for one in found if one.ours == name] for name in OURS}
    return "; ".join(f"{name}: {_verdict(those)}" for name, those in named.items() if those) or MISSING


def _verdict(found: Sequence[Comparison]) -> str:
    verdicts = [one.versus.verdict for one in found]
    ahead = sum(one.versus.gain.value > 0 for one in found)
    return (
        f"ahead in {ahead} of {count(len(found), 'comparison')} at equal time, with certainty (95 %) in "
        f"{verdicts.count('better')}, behind with certainty in {verdicts.count('worse')}"
    )


def _time(plan: Plan, steps: Mapping[str, StepCost]) -> str:
    """By the clock, step against step."""
    named = [f"{100 * (one.ratio - 1):+.1f} % with {plan.encoders[name].title}" for name, one in steps.items()]
    return "; ".join(named) or MISSING


def _parameters(plan: Plan, steps: Mapping[str, StepCost]) -> str:
    named = [f"{percent(one.share, 4)} with {plan.encoders[name].title}" for name, one in steps.items()]
    return "; ".join(named) or MISSING


def _calibration(results: Sequence[Results]) -> str:
    found: list[Comparison] = [
        one for result in results for one in result.comparisons if (one.group, one.kind) == (CALIBRATION, "lot")
    ]
    gains = [one.versus.gain.value for one in found]
    return (
        f"temperatures change accuracy at equal time by {signed(min(gains))} to {signed(max(gains))} points, "
        f"{signed(float(np.mean(gains)))} in the mean of {count(len(gains), 'comparison')}"
        if gains
        else MISSING
    )
