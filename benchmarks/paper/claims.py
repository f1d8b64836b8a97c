"""The paper's claims one by one, beside what the results say of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from benchmarks.paper.analysis import ANY, CALIBRATION, EFFICIENT, MODELS
from benchmarks.paper.cells import MISSING, grid, title_of
from benchmarks.paper.plan import OURS, Plan
from benchmarks.paper.results import Comparison, Results, StepCost
from offramp.data.wording import count
from offramp.report.words import percent, points, signed, span, times


def claims(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost]) -> str:
    """Two tables: the claims that each of ours answers for itself, and those about all; with what was measured."""
    of_each = (
        ("up to five times faster at preserved accuracy", partial(_preserved, plan, results)),
        ("a better trade-off than the efficient baselines in almost all cases", partial(_verdict, results, _efficient)),
        ("one model instead of many", partial(_verdict, results, _chain)),
    )
    of_all = (
        ("almost no additional training time", _time(plan, steps)),
        ("less than 0.005 % more parameters", _parameters(plan, results)),
        ("calibrated confidence decides well", _calibration(results)),
    )
    claim = "the paper's claim"
    tables = (
        grid((claim, *OURS), [[name, *map(found, OURS)] for name, found in of_each]),
        grid((claim, "here, in batches"), of_all),
    )
    return "\n\n".join(tables)


def _preserved(plan: Plan, results: Sequence[Results], ours: str) -> str:
    """The fastest setting that dev rows chose for half a point, and what it loses."""
    found = [
        (chosen.speedup, title_of(plan, one), chosen.gain)
        for one in results
        if ours in one.ours and (chosen := one.line_of(ours, "lot").chosen["0.005"]) is not None
    ]
    if not found:
        return MISSING
    speedup, title, gain = max(found, key=lambda one: one[0])
    return f"{times(speedup)}: {title}, {points(gain.value)}"


def _efficient(one: Comparison) -> bool:
    """Beside a network that is cut off, at its speed."""
    return one.group == EFFICIENT and one.other != ANY


def _chain(one: Comparison) -> bool:
    return one.group == MODELS and one.versus.speedup in (2.0, 3.0)


def _verdict(results: Sequence[Results], counted: Callable[[Comparison], bool], ours: str) -> str:
    """How often one of ours is ahead, and how often its interval leaves zero out."""
    found = [
        one
        for result in results
        for one in result.comparisons
        if (one.kind, one.ours) == ("lot", ours) and counted(one)
    ]
    if not found:
        return MISSING
    verdicts = [one.versus.verdict for one in found]
    ahead = sum(one.versus.gain.value > 0 for one in found)
    return f"{ahead} of {len(found)} (+{verdicts.count('better')}, \u2212{verdicts.count('worse')})"


def _time(plan: Plan, steps: Mapping[str, StepCost]) -> str:
    """By the clock, step against step."""

    def named(name: str, step: StepCost) -> str:
        exits = ", ".join(map(str, step.exits))
        return f"{signed(step.ratio - 1, 1)} % with exits after layers {exits} ({plan.encoders[name].title})"

    return "; ".join(named(*one) for one in steps.items()) or MISSING


def _parameters(plan: Plan, results: Sequence[Results]) -> str:
    """Of the networks here: the more labels, the more."""

    def named(encoder: str) -> str:
        shares = [
            one.several.parameters["total"] / one.standard.parameters["total"] - 1
            for one in results
            if one.encoder == encoder
        ]
        found, exits = plan.encoders[encoder], count(len(plan.encoders[encoder].exits), "exit")
        return f"{span(*(percent(end, 4) for end in (min(shares), max(shares))))} with {exits} ({found.title})"

    return "; ".join(map(named, dict.fromkeys(one.encoder for one in results))) or MISSING


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
