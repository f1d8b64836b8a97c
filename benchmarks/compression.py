"""What narrower layers cost and save, beside other rankings of neurons and no repair.

python -m benchmarks.compression MODEL TEXTS TEST --output FILE [--flops 0.85 0.75 0.6] [--texts 400] [--rows 1000]
    [--rankings energy magnitude random] [--seeds 0 1 2] [--int8]

TEXTS are what the model was not trained on, TEST labeled rows. Each line is one narrowed network: its accuracy on the
first rows of TEST and the share of them that it answers otherwise than the original at full depth. A seed chooses the
texts that neurons are ranked by, or the random order, and what the repair draws. With the first seed, the time is that
of full depth in PyTorch over the original's, one thread, in turn on 128 of the test texts, the median of 5 rounds; with
``--int8`` that of both in OpenVINO int8, too. The file is written after each line, and lines that it has are not made
again.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import offramp
from offramp import environment
from offramp.calibration import Calibration
from offramp.compressing.allotting import Floats, allot, importance, kept_neurons
from offramp.compressing.narrowing import Lesson, importances_of, narrowed, repaired, work_of
from offramp.compressing.run import widths_of
from offramp.data import Columns, LabeledTexts, read_labeled, read_texts
from offramp.engine import Classifier, answers_of
from offramp.engine.loading import torch_classifier
from offramp.evaluation import interleave
from offramp.files import write_json
from offramp.model import LoadedModel, load, save
from offramp.model.encoding import Encoded
from offramp.model.widths import feed_forwards
from offramp.progress import unheard
from offramp.training.rows import Rows, rows_of

TIMED_TEXTS, REPEATS = 128, 5


@dataclass(frozen=True)
class Line:
    """One narrowed network; ``time`` is a share of the original's."""

    flops: float
    ranking: str
    seed: int
    repair: bool
    widths: tuple[int, ...]
    accuracy: float
    disagreement: float
    time: float | None = None
    int8_time: float | None = None
    int8_accuracy: float | None = None
    int8_disagreement: float | None = None


def plan(shares: list[float], seeds: list[int]) -> Iterator[tuple[float, str, int, bool]]:
    """Shares of the multiply-adds, rankings, their seeds, and whether there is a repair; what matters most first."""
    for seed in seeds:
        for ranking, repair in (("energy", True), ("energy", False), ("magnitude", True), ("random", True)):
            for share in shares:
                yield share, ranking, seed, repair


def scores_of(model: LoadedModel, ranking: str, seed: int, encoded: Encoded) -> list[Floats]:
    """What each neuron counts, (neurons,) for each layer; all rows reach all of them."""
    blocks = feed_forwards(model.network.stack)
    if ranking == "random":
        random = np.random.default_rng(seed)
        return [random.random(block.width) for block in blocks]
    if ranking == "magnitude":
        norms = [
            [weight.detach().double().square().sum(side).numpy() for weight, side in _sides(block)] for block in blocks
        ]
        return [importance(up, down, 1.0) for up, down in norms]
    return importances_of(model, encoded, np.ones(len(blocks)), seed, unheard)


def _sides(block: Any) -> list[tuple[torch.Tensor, int]]:
    return [(block.up.weight, 1), (block.down.weight, 0)]


def main(options: argparse.Namespace) -> None:
    """Makes all lines."""
    torch.set_num_threads(options.threads)
    model = load(options.model)
    texts = read_texts(str(options.data), Columns())
    texts = texts.subset(np.arange(min(options.texts, len(texts))))
    test = read_labeled(str(options.test), Columns())
    test = test.subset(np.arange(min(options.rows, len(test))))
    neutral = Calibration.neutral(model.network.config.exits)
    original = torch_classifier(model, neutral)
    rows = rows_of(model, texts)
    beliefs = np.asarray(original.exit_answers(texts.texts, texts.text_pairs).logits[-1], np.float32)
    before = answers_of(original, test)
    work = work_of(model.network, float(rows.encoded.lengths.mean()))
    found = lines_of(options.output)
    done = {(line.flops, line.ranking, line.seed, line.repair) for line in found}
    with tempfile.TemporaryDirectory() as folder:
        for share, ranking, seed, repair in plan(options.flops, options.seeds):
            if ranking not in options.rankings or (share, ranking, seed, repair) in done:
                continue
            scores = scores_of(model, ranking, seed, rows.encoded)
            narrow = narrowed(model, kept_neurons(scores, allot(scores, work, share)))
            if repair:
                taught = Rows(rows.encoded, rows.targets, beliefs)
                repaired(model, narrow, Lesson(taught, Path(folder), seed, unheard))
            classifier = torch_classifier(narrow, neutral)
            answers = answers_of(classifier, test)
            line = Line(
                share,
                ranking,
                seed,
                repair,
                widths_of(narrow),
                float(answers.accuracy(answers.full) or 0),
                float(1 - before.agree(answers.full).mean()),
            )
            if ranking == "energy" and repair and seed == options.seeds[0]:
                line = replace(line, time=time_of(original, classifier, test))
                if options.int8:
                    line = with_int8(line, model, narrow, options, test, before)
            found.append(line)
            print(line, flush=True)
            write_json(
                options.output,
                {
                    "environment": environment.describe(),
                    "data": {"texts": len(texts), "test": len(test), "fingerprint": test.fingerprint},
                    "accuracy": before.accuracy(before.full),
                    "lines": [asdict(line) for line in found],
                },
            )


def lines_of(file: Path) -> list[Line]:
    """Those that were made before."""
    lines = json.loads(file.read_text())["lines"] if file.exists() else []
    return [Line(**{**line, "widths": tuple(line["widths"])}) for line in lines]


def time_of(original: Classifier, narrow: Classifier, test: LabeledTexts) -> float:
    """Seconds at full depth over the original's."""
    sample = test.subset(np.linspace(0, len(test) - 1, TIMED_TEXTS).astype(np.int64))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    actions = {name: partial(one.predict_full, sample.texts) for name, one in (("a", original), ("b", narrow))}
    seconds = interleave(actions, REPEATS)
    torch.set_num_threads(threads)
    return float(np.median(seconds["b"] / seconds["a"]))


def with_int8(
    line: Line, model: LoadedModel, narrow: LoadedModel, options: argparse.Namespace, test: LabeledTexts, before: Any
) -> Line:
    """The line with what both networks are in OpenVINO int8."""
    opened = []
    with tempfile.TemporaryDirectory() as place:
        for name, one in (("original", model), ("narrow", narrow)):
            folder = Path(place) / name
            folder.mkdir()
            save(one, folder)
            Calibration.neutral(one.network.config.exits).save(folder)
            ranges = read_texts(str(options.data), Columns())
            some = ranges.subset(np.arange(min(options.texts, len(ranges))))
            offramp.export(folder, some, backend="openvino", precision="int8", threads=1)
            opened.append(offramp.load(folder, backend="openvino", precision="int8", threads=1))
        answers = answers_of(opened[1], test)
        return replace(
            line,
            int8_time=time_of(opened[0], opened[1], test),
            int8_accuracy=float(answers.accuracy(answers.full) or 0),
            int8_disagreement=float(1 - before.agree(answers.full).mean()),
        )


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """What the benchmarks of narrower networks are told: the model, the texts, and where figures go."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "data", "test"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("--flops", type=float, nargs="+", default=[0.85, 0.75, 0.6])
    parser.add_argument("--rankings", nargs="+", default=["energy", "magnitude", "random"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--int8", action="store_true")
    main(parser.parse_args())
