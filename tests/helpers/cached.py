"""Cached probabilities and one criterion of every kind, for properties that hold of all of them."""

import numpy as np
from hypothesis import strategies as st

from helpers.problems import PROBLEMS
from offramp.calibration import Problem
from offramp.exit_names import layer_name
from offramp.policy import (
    Agreement,
    Certainty,
    Confidence,
    ExitAnswers,
    Gate,
    GeometricMean,
    Lead,
    Patience,
    PatientCertainty,
    PerExit,
    StageCosts,
)


def every_criterion(problem, n_exits):
    """One of each kind for a model of ``n_exits`` exits."""
    early = max(1, n_exits - 1)
    return [
        Confidence(problem),
        Certainty(problem),
        Lead(problem),
        Patience(problem),
        PatientCertainty(problem),
        PatientCertainty(problem, patience=3),
        GeometricMean(problem),
        Agreement(problem, tuple(range(1, n_exits + 1))),
        Gate(problem, ((0.5, 1.0, 0.2),) * early, (-1.0,) * early),
        PerExit(Confidence(problem), tuple((level,) * early for level in (0.3, 0.5, 0.5, 0.9, 1.01))),
        PerExit(GeometricMean(problem), (tuple(0.4 + 0.03 * index for index in range(early)),)),
    ]


@st.composite
def cached_exits(draw, max_exits=13, least_rows=0, most_rows=9):
    """Probabilities (exits, rows, labels) of which some are saturated, tied or NaN, with their problem."""
    problem = draw(st.sampled_from(PROBLEMS))
    shape = draw(st.tuples(st.integers(1, max_exits), st.integers(least_rows, most_rows), st.integers(1, 11)))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = random.normal(scale=draw(st.sampled_from([0.3, 3.0, 400.0])), size=shape)
    if draw(st.booleans()):
        logits = np.rint(logits)  # ties
    probabilities = problem.probabilities(logits)
    probabilities[random.random(shape) < draw(st.sampled_from([0.0, 0.02]))] = np.nan
    return problem, probabilities


def exit_answers(
    n_rows=200,
    n_exits=4,
    labels=3,
    *,
    multi_label=False,
    labeled=True,
    tokens=None,
    stage_costs=None,
    full_cost=None,
    seed=0,
):
    """Rows of a made-up model whose exits get better with depth."""
    random = np.random.default_rng(seed)
    problem = Problem.MULTI_LABEL if multi_label else Problem.SINGLE_LABEL
    shape = (n_rows, labels)
    targets = random.integers(0, 2, shape) if multi_label else random.integers(0, labels, n_rows)
    truth = 2 * targets - 1 if multi_label else np.eye(labels)[targets]
    hardness = random.uniform(0.5, 3.0, (n_rows, 1))
    gains = np.linspace(1.5, 4.0, n_exits)[:, None, None]
    logits = gains * truth + hardness * random.normal(size=(n_exits, *shape)) * 0.7
    stage_costs = stage_costs or (1.0,) * n_exits
    return ExitAnswers(
        logits=logits,
        temperatures=(1.0,) * n_exits,
        problem=problem,
        targets=targets if labeled else None,
        tokens=np.array(tokens or [10] * n_rows),
        truncated=np.zeros(n_rows, bool),
        layers=tuple(range(1, n_exits + 1)),
        names=tuple(map(layer_name, range(1, n_exits + 1))),
        costs=StageCosts(stage_costs, full_cost or sum(stage_costs)),
    )
