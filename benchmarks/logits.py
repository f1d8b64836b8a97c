"""Reads what cache_logits.py wrote."""

from pathlib import Path

import numpy as np

from offramp.calibration import Problem
from offramp.exit_names import layer_name
from offramp.policy import ExitAnswers, StageCosts


def read_logits(path: Path) -> ExitAnswers:
    """A file's rows; a stage costs as many layers as it has."""
    cached = np.load(path)
    problem = Problem.MULTI_LABEL if cached["targets"].ndim == 2 else Problem.SINGLE_LABEL
    layers = cached["layers"]
    return ExitAnswers(
        logits=cached["logits"],
        temperatures=tuple(cached["temperatures"].tolist()),
        problem=problem,
        targets=cached["targets"],
        tokens=cached["lengths"],
        truncated=np.zeros(len(cached["lengths"]), np.bool_),
        layers=tuple(layers.tolist()),
        names=tuple(map(layer_name, layers.tolist())),
        costs=StageCosts(tuple(np.diff(layers, prepend=0).tolist()), float(layers[-1])),
    )
