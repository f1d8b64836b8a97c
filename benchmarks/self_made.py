"""Texts that a model makes itself against real ones: the ranges of int8, and what attached exits learn from.

    python -m benchmarks.self_made int8 sst2 --model sst2-model --real dev.jsonl --test test.jsonl
    python -m benchmarks.self_made attach r8 --model r8-classifier --real held.jsonl --dev dev.jsonl --test test.jsonl

``int8`` takes the ranges of a whole model's int8 in OpenVINO from 300 texts, and tells the accuracy of the result at
full depth and how often it differs from PyTorch in fp32. ``attach`` fits exits to what a classifier says of texts, with
real dev texts, and tells how often each agrees with full depth. The self-made texts are as long as the middle nine
tenths of the real ones. Each draw takes other texts. Results go to ``benchmarks/results/self_made``, and ``table`` sums
them up.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch

from offramp.calibration import Calibration
from offramp.data import Columns, LabeledTexts, SelfMade, Texts, read_labeled
from offramp.engine import Classifier
from offramp.engine.exports import FULL
from offramp.engine.loading import torch_classifier
from offramp.exporting.graphs import write_graphs
from offramp.exporting.quantization import quantize_graph
from offramp.model import LoadedModel, adopt
from offramp.model.self_made import make_texts
from offramp.training.frozen import KeptStates, exit_logits_of, fit_exits, keep_states
from offramp.training.phases import exits_alone
from offramp.training.recipe import ExitFit
from offramp.training.rows import rows_of

RESULTS = Path(__file__).parent / "results" / "self_made"
DRAWS, RANGES, LEARNED, TESTED = 5, 300, 500, 500


def main() -> None:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["int8", "attach", "table"])
    parser.add_argument("name", nargs="?")
    for option in ("model", "real", "dev", "test"):
        parser.add_argument(f"--{option}")
    given = parser.parse_args()
    if given.what == "table":
        print(table())
        return
    torch.set_num_threads(1)
    test = _some(read_labeled(given.test, Columns()), TESTED, 0)
    real = read_labeled(given.real, Columns())
    RESULTS.mkdir(parents=True, exist_ok=True)
    for found in (int8 if given.what == "int8" else attached)(given, real, test):
        (RESULTS / f"{given.what}-{given.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def kinds(model: str, real: LabeledTexts, rows: int, tokenizer: Any) -> Iterator[tuple[str, int, LabeledTexts | Texts]]:
    """Texts of every kind and draw."""
    lengths = [len(ids) for ids in tokenizer(real.texts, truncation=True)["input_ids"]]
    declared = SelfMade(tuple(np.quantile(lengths, (0.05, 0.95)).astype(int).tolist()))
    for draw in range(DRAWS):
        yield "real", draw, _some(real, min(rows, len(real) - len(real) // 5), draw)
        yield "self-made", draw, make_texts(model, declared, rows, pairs=False, seed=draw)


def int8(given: argparse.Namespace, real: LabeledTexts, test: LabeledTexts) -> Iterator[dict[str, Any]]:
    """Accuracy of int8 at full depth, and how often it differs from PyTorch, by what its ranges are taken from."""
    loaded = adopt(given.model, exits=(3,))  # an exit that takes no part: the pass at full depth is a graph of its own
    reference = torch_classifier(loaded, Calibration.neutral(loaded.network.config.exits), device="cpu")
    full = reference.predict_full(test.texts).probabilities.argmax(-1)
    truth = np.array([reference.labels.index(label) for label in test.labels])
    right = float((full == truth).mean())
    found: dict[str, Any] = {"set": given.name, "test": len(test), "torch": right, "draws": []}
    with tempfile.TemporaryDirectory() as place:
        graphs = Path(place) / "graphs"
        graphs.mkdir()
        write_graphs(loaded.network, graphs, attention="eager")
        for kind, draw, texts in kinds(given.model, real, RANGES, loaded.tokenizer):
            new = Path(place) / f"{kind}-{draw}"
            new.mkdir()
            encoder = reference.runner.cascade.last
            batches = encoder.batches(encoder.read(texts.texts, None), reference.token_budget)
            quantize_graph(graphs, new, FULL, [batch.tokens for batch in batches])
            said = _answers(new / f"{FULL}.xml", reference, test)
            right, differ = float((said == truth).mean()), float((said != full).mean())
            found["draws"].append({"kind": kind, "draw": draw, "accuracy": right, "differ": differ})
            yield found


def _answers(graph: Path, classifier: Classifier, test: LabeledTexts) -> np.ndarray:
    """What an OpenVINO graph of a whole network says of texts, on one thread."""
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": 1})
    encoder, said = classifier.runner.cascade.last, np.empty(len(test), np.int64)
    for batch in encoder.batches(encoder.read(test.texts, None), classifier.token_budget):
        said[batch.ids] = compiled(batch.tokens)["logits"].argmax(-1)
    return said


def attached(given: argparse.Namespace, real: LabeledTexts, test: LabeledTexts) -> Iterator[dict[str, Any]]:
    """How often attached exits agree with full depth, by the texts that they were fitted to.

    The encoder is frozen, so that dev and test texts run through it but once.
    """
    model = adopt(given.model, exits=(1, 2, 3, 4, 5))
    network, dev = model.network, read_labeled(given.dev, Columns())
    found: dict[str, Any] = {"set": given.name, "test": len(test), "exits": network.config.exits, "draws": []}
    with tempfile.TemporaryDirectory() as place:
        judging, seen = (_kept(model, rows, Path(place) / name) for rows, name in ((dev, "dev"), (test, "test")))
        for kind, draw, texts in kinds(given.model, real, LEARNED, model.tokenizer):
            learning = _kept(model, texts, Path(place) / "train")
            phase = exits_alone(len(network.heads), labeled=0.0, distill=1.0)
            fit_exits(network, learning, judging, phase, ExitFit(), seed=draw)
            said = exit_logits_of(network, seen[0]).argmax(-1)
            found["draws"].append({"kind": kind, "draw": draw, "agreement": (said == said[-1]).mean(axis=1).tolist()})
            yield found


def _kept(model: LoadedModel, texts: LabeledTexts | Texts, file: Path) -> tuple[KeptStates, np.ndarray]:
    """What exits see of texts, whose labels they are not told."""
    rows = rows_of(model, Texts(texts.texts, None, 0, texts.source))
    return keep_states(model, rows.encoded, file.with_suffix(".npy")), rows.targets


def table() -> str:
    """All results as Markdown: means over draws, and the least and the greatest."""
    lines = ["| set | what | texts | figure | draws |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(RESULTS.glob("*.json")):
        found, what = json.loads(path.read_text()), path.stem.partition("-")[0]
        for kind in ("real", "self-made"):
            draws = [draw for draw in found["draws"] if draw["kind"] == kind]
            figures = _of_int8(draws) if what == "int8" else _of_exits(found, draws)
            lines += [
                f"| {found['set']} | {what} | {kind} | {name} | {_spread(values)} |" for name, values in figures.items()
            ]
    return "\n".join(lines)


def _of_int8(draws: list[dict[str, Any]]) -> dict[str, list[float]]:
    return {name: [draw[name] for draw in draws] for name in ("accuracy", "differ")}


def _of_exits(found: dict[str, Any], draws: list[dict[str, Any]]) -> dict[str, list[float]]:
    early = enumerate(found["exits"][:-1])
    return {f"agreement after layer {layer}": [draw["agreement"][at] for draw in draws] for at, layer in early}


def _spread(values: list[float]) -> str:
    mean, low, high = (100 * figure for figure in (np.mean(values), min(values), max(values)))
    return f"{mean:.2f} % ({low:.2f} to {high:.2f}; {len(values)} draws)"


def _some(rows: LabeledTexts, number: int, seed: int) -> LabeledTexts:
    return rows.subset(np.sort(np.random.default_rng(seed).permutation(len(rows))[:number]))


if __name__ == "__main__":
    main()
