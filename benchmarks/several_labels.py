"""What becomes of a model that gives sets of labels: its confidence, its macro-F1, its speed and its promises.

python benchmarks/several_labels.py MODEL --tune ROWS --test ROWS --output FILE [--label-column labels]
    [--backend openvino --precision int8]

MODEL is a folder that ``offramp train`` wrote. Of the test rows, none of which it has seen, are told: the calibration
error of the set's confidence at every exit, as the product of the labels' probabilities and as it is now; macro-F1 with
every label decided at 0.5 and with the fitted thresholds; and the speed of the point that ``tune`` chooses on other
rows for 2 % of sets changed, as expected from the times of the stages and as measured by ``evaluate``.

Then 1,000 calibration sets are drawn with replacement from all test rows, which thereby are the population: a
threshold's true risk is its mean over all of them, and the promise has to hold to the letter.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import offramp
from offramp import Columns, environment
from offramp.backends import REFERENCE, Engine
from offramp.calibration import Problem, expected_calibration_error
from offramp.data import read_labeled
from offramp.engine import answers_of
from offramp.evaluation import evaluate
from offramp.files import write_json
from offramp.policy import Confidence, ExitAnswers, Risk, at_exits, sweep
from offramp.policy.risk import last_certified
from offramp.tuning import Selection

CHANGED, POINT, SURE = 0.02, "two-percent", 0.95
SETS, ROWS = 1000, 2000
Limits = Sequence[tuple[Risk, Sequence[float]]]
LIMITS: Limits = ((Risk.DISAGREEMENT, (0.02, 0.05)), (Risk.LABELS_CHANGED, (0.001, 0.002)))


def quality(answers: ExitAnswers) -> dict[str, Any]:
    """Calibration error of each exit, and macro-F1 at full depth, before and after."""
    plain, now = Problem(answers.problem.type), answers.problem
    exits = {}
    for index, (name, probabilities) in enumerate(zip(answers.names, answers.probabilities, strict=True)):
        right = now.right(probabilities, answers.truth)
        alone = plain.probability_of(probabilities, now.predicted(probabilities))
        exits[name] = {
            "right": float(right.mean()),
            "ece_product": expected_calibration_error(alone, right),
            "ece": expected_calibration_error(now.confidence(probabilities, index), right),
            "macro_f1_half": replace(answers, problem=plain).macro_f1(probabilities),
            "macro_f1": answers.macro_f1(probabilities),
        }
    return exits


def violations(rows: ExitAnswers, limits: Limits, size: int) -> dict[str, Any]:
    """How often a limit is broken, and what is saved of the layers, over calibration sets drawn from the rows.

    Args:
        rows: the population; with a reference, answers are compared with that instead of full depth's.
        limits: risks, each with what is allowed.
        size: rows of a calibration set.
    """
    random = np.random.default_rng(0)
    drawn = random.integers(len(rows), size=(SETS, size))
    swept = sweep(rows, Confidence(rows.problem))
    exits = swept.exits[1:]
    layers = np.asarray(rows.layers)[exits].mean(axis=1) / rows.layers[-1]
    found = []
    for risk, targets in limits:
        losses = at_exits(rows.losses(swept.answers, risk, rows.reference), exits)
        true = losses.mean(axis=1)
        for target in targets:
            chosen = [last_certified(losses[:, places], target, risk.best_method, risk.loss, SURE) for places in drawn]
            kept = [place for place in chosen if place is not None]
            found.append(
                {
                    "risk": str(risk),
                    "target": target,
                    "method": str(risk.best_method),
                    "broken": sum(bool(true[place] > target) for place in kept) / SETS,
                    "none_found": 1 - len(kept) / SETS,
                    "mean_layers_share": float(np.mean([layers[place] for place in kept])) if kept else None,
                }
            )
    return {"sets": SETS, "rows": size, "population": len(rows), "limits": found}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tune", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--label-column", default="labels")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--backend", default=REFERENCE.backend, help="the model must have been exported to it")
    parser.add_argument("--precision", default=REFERENCE.precision)
    given = parser.parse_args()
    torch.set_num_threads(1)
    columns = Columns(label=given.label_column)
    engine = Engine(given.backend, given.precision)
    runtime = offramp.Runtime(**asdict(engine), threads=1)
    tuned = offramp.tune(
        given.model,
        given.tune,
        columns=columns,
        max_disagreement=CHANGED,
        name=POINT,
        selection=Selection(seconds=given.seconds / 4),
        runtime=runtime,
    )
    model = offramp.load(given.model, **asdict(engine), threads=1)
    fresh = read_labeled(given.test, columns)
    tested = answers_of(model, fresh)
    result: dict[str, Any] = {
        "environment": environment.describe(),
        "model": {"exits": list(model.exit_names), "labels": len(model.labels), "fingerprint": model.fingerprint},
        "engine": str(engine),
        "rows": {"tune": tuned.data["rows"], "test": len(fresh)},
        "default": model.default_threshold,
        "exits": quality(tested),
        "tuned": [
            {"name": point.name, "speedup_expected": point.seen.speedup, "disagreement": point.seen.disagreement}
            for point in tuned.points
        ],
        "missed": [missed.reason for missed in tuned.missed],
    }
    if tuned.points:
        measured = evaluate(model, given.test, columns=columns, focus=POINT, seconds=given.seconds)
        (here,) = (entry.point for entry in measured.operating_points if entry.point.name == POINT)
        result["measured"] = {
            "speedup": here.speedup,
            "spread": here.speedup_spread,
            "changed": 1 - here.agreement,
            "macro_f1": here.macro_f1,
            "full_macro_f1": measured.full.macro_f1,
            "exits": list(here.exits),
            "rows_timed": measured.data.timed_rows,
        }
    result["drawn"] = violations(tested, LIMITS, ROWS)
    write_json(given.output, result)
    print(json.dumps({key: value for key, value in result.items() if key != "environment"}, indent=1))


if __name__ == "__main__":
    main()
