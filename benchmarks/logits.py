"""Reads what cache_logits.py wrote."""

from pathlib import Path

import numpy as np

from offramp.calibration import Problem
from offramp.policy import CachedRows


def read_logits(path: Path) -> CachedRows:
    """A file's rows; a stage costs as many layers as it has."""
    cached = np.load(path)
    problem = Problem.MULTI_LABEL if cached["targets"].ndim == 2 else Problem.SINGLE_LABEL
    layers = cached["layers"]
    return CachedRows(
        problem=problem,
        probabilities=problem.probabilities(cached["logits"], cached["temperatures"][:, None, None]),
        targets=cached["targets"],
        tokens=cached["lengths"],
        layers=tuple(layers.tolist()),
        stage_costs=tuple(np.diff(layers, prepend=0).tolist()),
        full_cost=float(layers[-1]),
    )
