"""Times a sweep of all criteria over random cached logits: 200 thresholds, 10,000 rows, 12 exits.

OMP_NUM_THREADS=1 python benchmarks/replay.py [--labels N]
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from offramp.calibration import Problem
from offramp.policy import (
    Agreement,
    Certainty,
    Confidence,
    Criterion,
    GeometricMean,
    Lead,
    Patience,
    PatientCertainty,
    at_exits,
    disagreement,
    exits_taken,
    fit_gate,
    row_costs,
    score_exits,
    search_thresholds,
)

T = TypeVar("T")

EXITS, ROWS, KNOBS = 12, 10_000, 200
PROBLEM = Problem.SINGLE_LABEL


def timed(name: str, action: Callable[[], T]) -> tuple[T, float]:
    """Runs an action and prints how long it took, in seconds."""
    started = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - started
    print(f"{name:<28}{seconds:8.3f} s")
    return result, seconds


def sweep(probabilities: np.ndarray, criterion: Criterion) -> np.ndarray:
    """Mean disagreement at each threshold, (knobs,)."""
    # The same number of thresholds for all, also where only a few whole ones differ.
    thresholds = np.linspace(0.0, criterion.knob(EXITS).full_depth, KNOBS)
    scored = score_exits(probabilities, criterion)
    return at_exits(disagreement(scored.answers, PROBLEM), exits_taken(scored.scores, thresholds)).mean(axis=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=4)
    labels = parser.parse_args().labels
    random = np.random.default_rng(0)
    targets = random.integers(0, labels, ROWS)
    gains = np.linspace(1, 5, EXITS)[:, None, None]
    logits = gains * np.eye(labels)[targets] + random.normal(size=(EXITS, ROWS, labels))
    probabilities = PROBLEM.probabilities(logits)
    right = PROBLEM.right(probabilities, targets)

    print(f"{ROWS} rows, {EXITS} exits, {labels} labels; prepared once:")
    gate, _ = timed("fit_gate", lambda: fit_gate(probabilities, right, PROBLEM))
    scored = score_exits(probabilities, Confidence(PROBLEM))
    losses, costs = disagreement(scored.answers, PROBLEM), row_costs([1.0] * EXITS)
    per_exit, _ = timed(
        "search_thresholds", lambda: search_thresholds(scored.scores, losses, costs, Confidence(PROBLEM))
    )
    print(f"\nscores, answers and the losses of {KNOBS} thresholds:")
    total = 0.0
    for criterion in (
        Confidence(PROBLEM),
        Certainty(PROBLEM),
        Lead(PROBLEM),
        Patience(PROBLEM),
        PatientCertainty(PROBLEM),
        GeometricMean(PROBLEM),
        Agreement(PROBLEM, tuple(range(1, EXITS + 1))),
        gate,
        per_exit,
    ):
        _, seconds = timed(type(criterion).__name__, partial(sweep, probabilities, criterion))
        total += seconds
    print(f"{'all rules':<28}{total:8.3f} s")
