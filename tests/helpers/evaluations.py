"""Evaluations made of random logits: every figure hangs together, and no network runs."""

from dataclasses import replace

import numpy as np

from helpers.benchmark_rows import benchmark_row
from offramp.benchmark import Benchmark, Spread
from offramp.calibration import Problem
from offramp.data import LabeledTexts
from offramp.evaluation import (
    EvaluatedData,
    EvaluatedModel,
    EvaluatedPoint,
    Evaluation,
    PromiseHere,
    Ratio,
)
from offramp.evaluation.constant import constant_answer
from offramp.evaluation.coverage import handing_over
from offramp.evaluation.exits import overthinking
from offramp.evaluation.figures import (
    calibration_of,
    coverage_of,
    early_exit,
    ending_after,
    focus_on,
    leaving_at,
    reliability_of,
)
from offramp.evaluation.result import SCHEMA
from offramp.evaluation.speed import Speed
from offramp.exit_names import layer_name
from offramp.policy import Confidence, ExitAnswers, Interval, Limit, Method, Promise, Risk, Seen, Threshold, replay
from offramp.policy.bounds import exact_interval

ENVIRONMENT = {
    "cpu": "A <fast> & cheap $CPU_1$",
    "cores": 2,
    "threads": 1,
    "gpu": None,
    "platform": "Linux x86_64",
    "python": "3.11.7",
    "offramp": "0.1.0",
    "torch": "2.13.0",
    "transformers": "5.23.0",
    "tokenizers": "0.23.3",
    "numpy": "2.4.6",
    "onnxruntime": None,
    "openvino": None,
    "seed": 0,
}
SEEN = Seen("sha256:cal", 1000, 0.008, None, None, 2.0, 2.0, (0.5, 0.5), "A", 1)
SAFE = Promise(Limit(Risk.DISAGREEMENT, 0.01), Method.LTT, 0.95, seen=0.004, bound=0.0093, rows=1000)
DROP = Promise(Limit(Risk.ACCURACY_DROP, 0.01), Method.LTT, 0.95, seen=0.004, bound=0.0093, rows=1000)


def at_target(target) -> Promise:
    """The promise with another target."""
    return replace(SAFE, limit=replace(SAFE.limit, target=target))


def here(entry: EvaluatedPoint, promise, rows, **figures) -> EvaluatedPoint:
    """An operating point with a promise or none, and with other figures on so many rows."""
    point = replace(entry.point, **figures)
    if promise is None:
        return replace(entry, point=point, promises=())
    lost, difference = 1 - point.agreement, point.accuracy_difference
    if promise.limit.risk is Risk.ACCURACY_DROP:
        risk = Interval(-difference.value, -difference.high, -difference.low)
    else:
        risk = Interval(lost, *exact_interval(round(rows * lost), rows))
    return replace(entry, point=point, promises=(PromiseHere(promise, rows, risk),))


def benchmark(fingerprint="sha256:m") -> Benchmark:
    """A benchmark of full depth alone."""
    spread = Spread(50.0, 49.0, 51.0, (49.0, 50.0, 51.0))
    return Benchmark(
        schema=2,
        environment={"cpu": "A", "gpu": None},
        model={"fingerprint": fingerprint},
        data={
            "source": "texts.csv",
            "fingerprint": "sha256:b",
            "mean_tokens": 20.5,
            "timed_rows": 100,
            "single_rows": 10,
        },
        options={},
        rows=(benchmark_row("torch fp32, full depth", spread, Spread(2.0, 1.9, 2.2, ()), accuracy=None),),
    )


def answers_of(
    layers=(1, 2, 4, 6), rows=400, labels=("a", "b", "c"), problem=Problem.SINGLE_LABEL, seed=0, names=None
) -> ExitAnswers:
    """Logits that are right more often, and surer, the later the exit."""
    random = np.random.default_rng(seed)
    shape = (rows, len(labels))
    if problem is Problem.MULTI_LABEL:
        targets = (random.random(shape) < 0.4).astype(np.float32)
        truth = 2 * targets - 1
    else:
        targets = random.integers(len(labels), size=rows)
        truth = np.eye(len(labels))[targets]
    strength = np.linspace(1.0, 4.0, len(layers))[:, None, None]
    logits = strength * (truth + random.normal(scale=0.6, size=shape)) + random.normal(size=(len(layers), *shape))
    temperatures = (1.3,) * len(layers)
    return ExitAnswers(
        logits=logits.astype(np.float32),
        temperatures=temperatures,
        problem=problem,
        targets=targets,
        tokens=random.integers(3, 60, size=rows),
        truncated=np.zeros(rows, bool),
        layers=tuple(layers),
        names=names or tuple(map(layer_name, layers)),
    )


def evaluation(
    layers=(1, 2, 4, 6),
    rows=400,
    labels=("a", "b", "c"),
    problem=Problem.SINGLE_LABEL,
    thresholds=(0.0, 0.5, 0.7, 0.9, 1.01),
    promises=(),
    texts=None,
    focus=0,
    name="model",
    seed=0,
    names=None,
    answer_from=None,
) -> Evaluation:
    """An evaluation of a network that takes time for layers and a little more.

    Args:
        promises: of operating points, by name.
        texts: a text that all rows have, to be shown.
        names: of the exits, by default those of their layers.
        answer_from: the confidence below which the operating points hand over; None if they never do.
        focus: place of the setting in focus: thresholds, operating points, cut networks, full depth.
    """
    known = answers_of(layers, rows, labels, problem, seed, names)
    rules = [Threshold(value, Confidence(problem)) for value in (*thresholds,)]
    rules += [Threshold(0.8, Confidence(problem), answer_from=answer_from)] * len(promises)
    named = [*([None] * len(thresholds)), *(name for name, _ in promises)]
    replays = [replay(known.probabilities, rule) for rule in rules]
    points = [
        early_exit(known, rule, taken, _speed(layers, taken.exits), name)
        for rule, taken, name in zip(rules, replays, named, strict=True)
    ]
    *truncated, full = (
        ending_after(known, index, run, _speed(layers, np.full(rows, index), 1.0 if run == layers[-1] else 0.9))
        for index, run in enumerate(layers)
    )
    ways = [
        *zip(points, replays, strict=True),
        *((point, leaving_at(known, index)) for index, point in enumerate((*truncated, full))),
    ]
    constant = constant_answer(known, labels)
    shown = None if texts is None else LabeledTexts([texts] * rows, [texts] * rows, ["a"] * rows, 0, "toy")
    return Evaluation(
        schema=SCHEMA,
        date="2026-01-31",
        environment=dict(ENVIRONMENT),
        model=EvaluatedModel(
            name=name,
            folder=None,
            fingerprint="sha256:m",
            backbone="bert",
            exits=tuple(layers),
            exit_names=known.names,
            labels=len(labels),
            problem_type=str(problem.type),
            calibrated_on="sha256:c",
            max_tokens=48,
            token_budget=64,
            backend="torch",
            precision="fp32",
            automatic=True,
            words=None,
            label_thresholds={},
        ),
        data=EvaluatedData("toy.csv", rows, "sha256:d", {}, 1, 2, float(known.tokens.mean()), 100, 5, constant),
        full=full,
        points=tuple(points[: len(thresholds)]),
        operating_points=tuple(
            here(
                EvaluatedPoint(
                    point,
                    (),
                    SEEN,
                    default=index == 0,
                    handing_over=None if answer_from is None else handing_over(known, replays[len(thresholds) + index]),
                ),
                promise,
                rows,
            )
            for index, (point, (_, promise)) in enumerate(zip(points[len(thresholds) :], promises, strict=True))
        ),
        truncated=tuple(truncated),
        overthinking=overthinking(known.right(known.probabilities), known.names, layers),
        calibration=calibration_of(known),
        reliability=reliability_of(known),
        risk_coverage=coverage_of(known, full, *ways[focus]),
        focus=focus_on(known, labels, *ways[focus], shown),
    )


def _speed(layers, exits, efficiency=0.9) -> Speed:
    bound = layers[-1] / max(0.02, float(np.mean(np.array(layers)[exits])))
    median = efficiency * bound
    return Speed(Ratio(median, 0.97 * median, 1.02 * median), bound, 100.0 * median)
