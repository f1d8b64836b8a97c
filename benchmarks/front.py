"""Words before the encoder, on the clock: exits on one classifier with and without them.

python -m benchmarks.front CLASSIFIER --train TRAIN --dev DEV --held HELD --test TEST --work FOLDER --json FILE

CLASSIFIER is a fine-tuned classifier. Exits are put on it twice with TRAIN, with a model of words before them and
without, and exported to OpenVINO in int8; DEV serves that and the temperatures. On HELD thresholds are chosen: with a
limit on lost accuracy alone, and with promises (95 %). Full depth and all settings then classify TEST in turn, all
texts at once, on one thread. What is made already is not made again.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

import offramp
from offramp import environment
from offramp.backends import Engine
from offramp.data import Columns, LabeledTexts, read_labeled
from offramp.engine.full_pass import predict_full
from offramp.files import write_json
from offramp.tuning import Selection

ROUNDS = 7
PARTS = ("train", "dev", "held", "test")
RUNTIME = offramp.Runtime(backend="openvino", precision="int8", threads=1)
ENGINE = Engine("openvino", "int8")
EMPIRICAL = Selection(method="empirical")
POINTS = {
    "lost-1": {"max_accuracy_drop": 0.01, "selection": EMPIRICAL},
    "lost-0.5": {"max_accuracy_drop": 0.005, "selection": EMPIRICAL},
    "lost-0": {"max_accuracy_drop": 0.001, "selection": EMPIRICAL},
    "promised-1-lost": {"max_accuracy_drop": 0.01},
    "promised-5-changed": {"max_disagreement": 0.05},
    "promised-2-changed": {"max_disagreement": 0.02},
}


@dataclass(frozen=True)
class Setting:
    """One way of classifying the test texts; times are seconds of each round."""

    model: str
    setting: str
    accuracy: float
    speedup: float
    quartiles: tuple[float, float]
    texts_per_second: float
    left: dict[str, float]


def prepare(classifier: str, folder: Path, exits: str, parts: dict[str, LabeledTexts], targets: str) -> None:
    """Leaves a model with exits, exported and tuned, in a folder."""
    if not folder.exists():
        architecture = offramp.Architecture(exits=exits)
        offramp.attach(
            classifier, parts["train"], dev=parts["dev"], output=folder, targets=targets, architecture=architecture
        )
    if not (folder / "openvino" / "int8").exists():
        offramp.export(folder, parts["dev"], backend="openvino", precision="int8", threads=1)
    stored = offramp.load(folder, backend="openvino", precision="int8").points
    for name, goal in POINTS.items():
        if name in stored.of(ENGINE):
            continue
        tuned = offramp.tune(folder, parts["held"], name=name, runtime=RUNTIME, **goal)
        for missed in tuned.missed:
            print(folder.name, missed.name, missed.reason)


def timed(actions: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each action in each round, in turn; one round more warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            seconds[name].append(time.perf_counter() - started)
    return {name: times[1:] for name, times in seconds.items()}


def main() -> None:
    """Prepares, measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier")
    for name in PARTS:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--exits", default="1,2,4,6", help="layers before exits")
    parser.add_argument("--targets", default="both", help="what exits and words learn")
    parser.add_argument("--pair-column", help="column of second texts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = Columns(text_pair=options.pair_column)
    parts = {part: read_labeled(getattr(options, part), columns) for part in PARTS}
    test = parts["test"]
    models = {"exits": options.exits, "words": f"words,{options.exits}"}
    for name, exits in models.items():
        prepare(options.classifier, options.work / name, exits, parts, options.targets)
    loaded = {
        name: offramp.load(options.work / name, backend="openvino", precision="int8", threads=1) for name in models
    }
    labels = np.array(list(test.labels))
    plain = offramp.load(options.work / "exits", backend="torch", precision="fp32")
    standard = float((np.array(predict_full(plain.runner, test.texts, test.text_pairs).label) == labels).mean())
    actions: dict[str, Callable[[], object]] = {}
    for name, classifier in loaded.items():
        actions[f"{name} full"] = lambda c=classifier: predict_full(c.runner, test.texts, test.text_pairs)
        for point in classifier.points.of(classifier.engine):
            actions[f"{name} {point}"] = lambda c=classifier, p=point: c.predict(test.texts, test.text_pairs, at=p)
    seconds = timed(actions)
    settings = []
    for action, times in seconds.items():
        name, _, setting = action.partition(" ")
        answers = actions[action]()
        ratios = np.array(seconds["exits full"]) / np.array(times)
        low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        shares = np.bincount(answers.exits, minlength=len(loaded[name].exit_names)) / len(test)
        settings.append(
            Setting(
                name,
                setting,
                float((np.array(answers.label) == labels).mean()),
                float(median),
                (float(low), float(high)),
                len(test) / float(np.median(times)),
                dict(zip(loaded[name].exit_names, shares.tolist(), strict=True)),
            )
        )
        lost = 100 * (settings[-1].accuracy - standard)
        print(f"{action:28} {settings[-1].accuracy:.2%} ({lost:+.2f}) {median:.2f}x ({low:.2f}-{high:.2f})", flush=True)
    write_json(
        options.json,
        {
            "environment": environment.describe(),
            "rows": {part: len(rows) for part, rows in parts.items()},
            "rounds": ROUNDS,
            "standard_accuracy": standard,
            "evidence": list(loaded["words"].calibration.evidence),
            "settings": [asdict(setting) for setting in settings],
        },
    )


if __name__ == "__main__":
    main()
