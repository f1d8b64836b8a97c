"""What comes before the encoder, on the clock: exits on one classifier with and without words, or a smaller one, first.

python -m benchmarks.front CLASSIFIER --train TRAIN --dev DEV --held HELD --test TEST --work FOLDER --json FILE

CLASSIFIER is a fine-tuned classifier. Exits are put on it twice with TRAIN, with a model of words before them and
without, and exported to OpenVINO in int8; DEV serves that and the temperatures. With ``--smaller``, exits are put on a
smaller classifier, too, which in place of words is asked first, in a chain. With ``--how train`` the exits are not put
on: the encoder goes on learning together with them, from the labels and from what CLASSIFIER says. On HELD thresholds
are chosen: with a limit on lost accuracy alone, and with promises (95 %). Full depth, what comes first alone and all
settings then classify TEST in turn, all texts at once, on one thread; so does ``transformers.pipeline`` with some of
the texts, 32 in a batch, in PyTorch. What is made already is not made again.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import offramp
from offramp import environment
from offramp.backends import REFERENCE, Engine
from offramp.data import Columns, LabeledTexts, read_labeled
from offramp.engine import Predictions
from offramp.evaluation.timing import interleave, ratio
from offramp.files import write_json
from offramp.folder import export_folder
from offramp.training.recipe import Targets, recipe_named
from offramp.tuning import Selection

ROUNDS = 7
PARTS = ("train", "dev", "held", "test")
ENGINE = Engine("openvino", "int8")
RUNTIME = offramp.Runtime(**asdict(ENGINE), threads=1)
# Texts that the pipeline reads in each round; it takes as long for each as early exit for many.
PIPELINE_TEXTS = 128
EMPIRICAL = Selection(method="empirical")
RECIPE = recipe_named("default", learning_rates=(1e-4,), epochs=3.0)
POINTS: dict[str, Any] = {
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


def load(folder: Path, engine: Engine) -> "offramp.Classifier":
    """A model in an engine, on one thread."""
    return offramp.load(folder, **asdict(engine), threads=1)


def attach(classifier: str, folder: Path, exits: str, parts: dict[str, LabeledTexts], targets: Targets) -> None:
    """Leaves a model with exits put on it in a folder."""
    architecture = offramp.Architecture(exits=exits)
    offramp.attach(
        classifier, parts["train"], dev=parts["dev"], output=folder, targets=targets, architecture=architecture
    )


def train(classifier: str, folder: Path, exits: str, parts: dict[str, LabeledTexts], targets: Targets) -> None:
    """Leaves a model that went on learning with exits, from itself as it was and from labels, in a folder."""
    offramp.train(
        classifier,
        parts["train"],
        dev=parts["dev"],
        output=folder,
        architecture=offramp.Architecture(exits=exits),
        regime=offramp.Regime(distill=1.0, teacher=classifier),
        recipe=RECIPE,
    )


HOW = {"attach": attach, "train": train}


def export(folder: Path, dev: LabeledTexts) -> None:
    """Leaves a model's export in its folder."""
    if not export_folder(folder, ENGINE).exists():
        offramp.export(folder, dev, **asdict(ENGINE), threads=1)


def tune(folder: Path, parts: dict[str, LabeledTexts]) -> None:
    """Leaves a model's operating points in its folder."""
    stored = load(folder, ENGINE).points.of(ENGINE)
    for name, goal in POINTS.items():
        if name in stored:
            continue
        tuned = offramp.tune(folder, parts["held"], name=name, runtime=RUNTIME, **goal)
        for missed in tuned.missed:
            print(folder.name, missed.name, missed.reason)


def pipeline_of(folder: str, test: LabeledTexts) -> Callable[[], list[str]]:
    """What runs some of the texts through a classifier as most people do."""
    from transformers import pipeline

    rows = np.random.default_rng(0).permutation(len(test))[:PIPELINE_TEXTS]
    some: list[str | dict[str, str]] = [test.texts[row] for row in rows]
    if test.text_pairs is not None:
        some = [{"text": test.texts[row], "text_pair": test.text_pairs[row]} for row in rows]
    classify = pipeline("text-classification", model=folder, dtype=torch.float32, device="cpu")
    return lambda: [str(answer["label"]) for answer in classify(some, batch_size=32, truncation=True)]


def measure(
    models: dict[str, "offramp.Classifier"], test: LabeledTexts, pipeline: Callable[[], list[str]], rounds: int
) -> tuple[list[Setting], float]:
    """Times full depth and all operating points of all models in turn, against full depth of the first.

    Returns:
        The settings, and the texts a second of the pipeline.
    """
    texts, pairs, truth = test.texts, test.text_pairs, np.array(test.labels)
    actions: dict[tuple[str, str], Callable[[], Predictions]] = {}
    for name, classifier in models.items():
        actions[name, "full"] = partial(classifier.predict_full, texts, pairs)
        for point in classifier.points.of(classifier.engine):
            actions[name, point] = partial(classifier.predict, texts, pairs, at=point)
        if name == "words":
            actions[name, "alone"] = partial(classifier.predict, texts, pairs, threshold=0.0)
    seconds = interleave({**actions, ("pipeline", "full"): pipeline}, rounds)
    full = seconds[next(iter(models)), "full"]
    settings = []
    for (name, setting), action in actions.items():
        answers, faster, exits = action(), ratio(full, seconds[name, setting]), models[name].exit_names
        shares = np.bincount(answers.exits, minlength=len(exits)) / len(test)
        settings.append(
            Setting(
                name,
                setting,
                float((np.array(answers.label) == truth).mean()),
                faster.median,
                (faster.low, faster.high),
                len(test) / float(np.median(seconds[name, setting])),
                dict(zip(exits, shares.tolist(), strict=True)),
            )
        )
    return settings, min(PIPELINE_TEXTS, len(test)) / float(np.median(seconds["pipeline", "full"]))


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
    parser.add_argument("--how", choices=HOW, default="attach", help="exits are put on, or trained with the encoder")
    parser.add_argument("--smaller", help="a smaller classifier, to be asked first")
    parser.add_argument("--exits-smaller", default="1,2,4,6", help="layers before its exits")
    parser.add_argument("--words-only", action="store_true", help="leave out the model without words")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = Columns(text_pair=options.pair_column)
    parts = {part: read_labeled(getattr(options, part), columns) for part in PARTS}
    test = parts["test"]
    models = {"exits": (options.classifier, options.exits), "words": (options.classifier, f"words,{options.exits}")}
    if options.words_only:
        del models["exits"]
    if options.smaller:
        models = {"exits": models["exits"], "smaller": (options.smaller, options.exits_smaller)}
    for name, (classifier, exits) in models.items():
        if not (folder := options.work / name).exists():
            HOW[options.how](classifier, folder, exits, parts, options.targets)
        export(folder, parts["dev"])
    tuned = list(models)
    if options.smaller:
        tuned = ["exits", "chain"]
        if not (options.work / "chain").exists():
            offramp.chain([options.work / "smaller", options.work / "exits"], output=options.work / "chain")
    for name in tuned:
        tune(options.work / name, parts)
    loaded = {name: load(options.work / name, ENGINE) for name in dict.fromkeys((*models, *tuned))}
    standard = load(options.work / next(iter(models)), REFERENCE).predict_full(test.texts, test.text_pairs)
    accuracy = float((np.array(standard.label) == np.array(test.labels)).mean())
    settings, pipeline = measure(loaded, test, pipeline_of(options.classifier, test), options.rounds)
    for made in settings:
        lost, (low, high) = 100 * (made.accuracy - accuracy), made.quartiles
        figures = f"{made.accuracy:.2%} ({lost:+.2f}) {made.speedup:.2f}x ({low:.2f}-{high:.2f})"
        print(f"{f'{made.model} {made.setting}':28} {figures} {made.texts_per_second / pipeline:.1f}x the pipeline")
    write_json(
        options.json,
        {
            "environment": environment.describe(),
            "rows": {part: len(rows) for part, rows in parts.items()},
            "rounds": options.rounds,
            "standard_accuracy": accuracy,
            "evidence": {name: list(classifier.calibration.evidence) for name, classifier in loaded.items()},
            "pipeline_texts_per_second": pipeline,
            "settings": [asdict(setting) for setting in settings],
        },
    )


if __name__ == "__main__":
    main()
