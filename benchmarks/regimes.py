"""Trains the same network in several regimes and compares their accuracies over layer speed-ups, by replay.

python benchmarks/regimes.py DATA ENCODER OUTPUT [--regimes NAME ...] [--seeds 0 1] [--text-pair-column NAME] ...

DATA holds {train,dev,test}.jsonl.gz. A regime is written as its name and its switches, such as "mixed distill=1";
"standard" is the model with one exit. What is in OUTPUT already is not made again. Every run leaves NAME-SEED.json with
accuracies and the curve; results.json and table.md hold all of them.

A speed-up here is layers: all layers over those that the rows ran, weighted by tokens. Temperatures are fitted on dev,
and the curve is the best accuracy on dev, or on test, of all thresholds that are at least that fast.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import offramp
from offramp import environment
from offramp.calibration import Problem
from offramp.data import Columns, read_labelled
from offramp.evaluation.evaluation import targets_of
from offramp.policy import Confidence, at_exits, exits_taken, score_exits
from offramp.training import Regime, recipe_named

STANDARD = "standard"
DEFAULT = (
    STANDARD,
    "joint",
    "weighted",
    "frozen",
    "mixed",
    "sweet",
    "alternating",
    "joint distill=1",
    "joint consistent",
    "joint equilibrium",
    "mixed distill=1",
    "sweet distill=1",
)
SPEEDS = np.linspace(1, 4, 31)


@dataclass(frozen=True)
class Part:
    """One data set's logits (exits, rows, labels), targets and lengths (rows,)."""

    logits: NDArray[np.float32]
    targets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def curve(self, layers: Sequence[int], temperatures: Sequence[float]) -> NDArray[np.float64]:
        """The best accuracy at each of ``SPEEDS`` or faster."""
        problem = Problem.SINGLE_LABEL
        probabilities = np.stack(
            [problem.probabilities(logits, one) for logits, one in zip(self.logits, temperatures, strict=True)]
        )
        scored = score_exits(probabilities, Confidence(problem))
        taken = exits_taken(scored.scores, np.linspace(0, 1.001, 2003))
        accuracy = at_exits(problem.right(scored.answers, self.targets), taken).mean(1)
        speed = layers[-1] * self.lengths.sum() / (np.asarray(layers)[taken] * self.lengths).sum(1)
        # Faster than the fastest there is nothing but the first exit.
        return np.array([accuracy[speed >= min(wanted, speed.max())].max() for wanted in SPEEDS])


def regime_of(name: str) -> Regime:
    """Reads ``"mixed distill=1 consistent"``."""
    first, *switches = name.split()
    values = dict(switch.partition("=")[::2] for switch in switches)
    return Regime(name=first, **{key: float(value) if value else True for key, value in values.items()})


def train(name: str, folder: Path, seed: int, options: argparse.Namespace) -> None:
    """Trains one model, unless it is there."""
    if (folder / "training.json").is_file():
        return
    recipe = recipe_named(
        "default",
        learning_rates=(options.learning_rate,),
        head_learning_rate=options.head_learning_rate,
        epochs=options.epochs,
    )
    exits = options.depth if name == STANDARD else None
    offramp.train(
        str(options.data / "train.jsonl.gz"),
        dev=str(options.data / "dev.jsonl.gz"),
        model=options.encoder,
        output=folder,
        exits=exits,
        recipe=recipe,
        regime=Regime() if name == STANDARD else regime_of(name),
        columns=Columns(text_pair=options.text_pair_column),
        seed=seed,
        resume=folder.with_name(folder.name + ".checkpoints").is_dir(),
    )


def measure(name: str, folder: Path, seed: int, options: argparse.Namespace) -> dict[str, object]:
    """Accuracies of every exit and the curves of one model."""
    classifier = offramp.load(folder, backend="torch")
    parts = {}
    for part in ("dev", "test"):
        rows = read_labelled(str(options.data / f"{part}.jsonl.gz"), Columns(text_pair=options.text_pair_column))
        parts[part] = Part(
            classifier.exit_logits(rows.texts, rows.text_pairs),
            targets_of(classifier, rows),
            classifier.encode(rows.texts, rows.text_pairs).lengths,
        )
    temperatures = classifier.calibration.temperatures
    return {
        "regime": name,
        "seed": seed,
        "layers": classifier.exits,
        "seconds": json.loads((folder / "training.json").read_text())["seconds"],
        **{
            part: {
                "accuracies": (found.logits.argmax(-1) == found.targets).mean(1).tolist(),
                "curve": found.curve(classifier.exits, temperatures).tolist(),
            }
            for part, found in parts.items()
        },
    }


def speed_at(curve: Sequence[float], accuracy: float) -> float:
    """The highest of ``SPEEDS`` that still has an accuracy; 0 if none has."""
    return float(max((speed for speed, one in zip(SPEEDS, curve, strict=True) if one >= accuracy), default=0))


def table(results: list[dict]) -> str:
    """All runs as Markdown, the mean over seeds for each regime."""
    lines = [
        "| regime | seeds | test accuracy after each exit | mean dev accuracy 1-4x | test 1-4x | test at 2x | at 3x | "
        "fastest within 1 point of the standard model | training s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    standard = [result["test"]["accuracies"][-1] for result in results if result["regime"] == STANDARD]
    for name in dict.fromkeys(result["regime"] for result in results):
        runs = [result for result in results if result["regime"] == name]
        accuracies = np.mean([run["test"]["accuracies"] for run in runs], 0)
        dev, test = (np.mean([run[part]["curve"] for run in runs], 0) for part in ("dev", "test"))
        within = f"{speed_at(test, np.mean(standard) - 0.01):.1f}x" if standard and len(accuracies) > 1 else "-"
        lines.append(
            f"| {name} | {len(runs)} | {' / '.join(f'{one:.1%}' for one in accuracies)} | {dev.mean():.2%} | "
            f"{test.mean():.2%} | {test[10]:.2%} | {test[20]:.2%} | {within} | "
            f"{np.mean([run['seconds'] for run in runs]):.0f} |"
            if len(accuracies) > 1
            else f"| {name} | {len(runs)} | {accuracies[0]:.1%} | - | - | - | - | - | "
            f"{np.mean([run['seconds'] for run in runs]):.0f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("encoder")
    parser.add_argument("output", type=Path)
    parser.add_argument("--regimes", nargs="+", default=DEFAULT)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--depth", default="6", help="layers of the encoder")
    parser.add_argument("--text-pair-column")
    parser.add_argument("--learning-rate", type=float, default=6e-5)
    parser.add_argument("--head-learning-rate", type=float, default=1e-3)
    parser.add_argument("--epochs", type=float, default=4)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    results = []
    for seed in options.seeds:
        for name in options.regimes:
            folder = options.output / f"{name.replace(' ', '+')}-{seed}"
            note = folder.with_suffix(".json")
            if not note.is_file():
                train(name, folder, seed, options)
                note.write_text(json.dumps(measure(name, folder, seed, options)))
            results.append(json.loads(note.read_text()))
            print(name, seed, [f"{one:.2%}" for one in results[-1]["test"]["accuracies"]], flush=True)
    settings = {key: value for key, value in vars(options).items() if key not in ("data", "encoder", "output")}
    summary = {"environment": environment.describe(), "settings": settings, "speeds": SPEEDS.tolist(), "runs": results}
    (options.output / "results.json").write_text(json.dumps(summary, indent=1) + "\n")
    (options.output / "table.md").write_text(table(results))
    print(table(results))
