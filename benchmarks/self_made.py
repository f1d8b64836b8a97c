"""Texts that a model makes itself against real ones: the ranges of int8, and what attached exits learn from.

    python -m benchmarks.self_made int8 sst2 --model sst2-model --real dev.jsonl --test test.jsonl
    python -m benchmarks.self_made attach r8 --model r8-classifier --real held.jsonl --dev dev.jsonl --test test.jsonl

``int8`` takes the ranges of a whole model's int8 in OpenVINO from 300 texts, and tells the accuracy of the result at
full depth and how often it differs from PyTorch in fp32. ``attach`` fits exits to what a classifier says of texts, with
real dev texts, and tells what each exit is worth. The self-made texts are as long as the middle nine tenths of the real
ones. Each draw takes other texts. Results go to ``benchmarks/results/self_made``, and ``table`` sums them up.
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

import offramp
from offramp.backends import REFERENCE
from offramp.calibration import Calibration
from offramp.data import Columns, LabeledTexts, SelfMade, Texts, read_labeled
from offramp.engine import Classifier
from offramp.engine.exports import FULL
from offramp.engine.loading import torch_classifier
from offramp.exporting.graphs import write_graphs
from offramp.exporting.quantization import quantize_graph
from offramp.model import adopt
from offramp.model.self_made import make_texts

RESULTS = Path(__file__).parent / "results" / "self_made"
DRAWS, RANGES, LEARNED, TESTED = 5, 300, 1000, 1000


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
    found = (int8 if given.what == "int8" else attached)(given, real, test)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{given.what}-{given.name}.json").write_text(json.dumps(found, indent=1) + "\n")


def kinds(model: str, real: LabeledTexts, rows: int, tokenizer: Any) -> Iterator[tuple[str, int, LabeledTexts | Texts]]:
    """Texts of every kind and draw."""
    lengths = [len(ids) for ids in tokenizer(real.texts, truncation=True)["input_ids"]]
    declared = SelfMade(tuple(np.quantile(lengths, (0.05, 0.95)).astype(int).tolist()))
    for draw in range(DRAWS):
        yield "real", draw, _some(real, min(rows, len(real) - len(real) // 5), draw)
        yield "self-made", draw, make_texts(model, declared, rows, pairs=False, seed=draw)


def int8(given: argparse.Namespace, real: LabeledTexts, test: LabeledTexts) -> dict[str, Any]:
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
            print(found["draws"][-1], flush=True)
    return found


def _answers(graph: Path, classifier: Classifier, test: LabeledTexts) -> np.ndarray:
    """What an OpenVINO graph of a whole network says of texts, on one thread."""
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": 1})
    encoder, said = classifier.runner.cascade.last, np.empty(len(test), np.int64)
    for batch in encoder.batches(encoder.read(test.texts, None), classifier.token_budget):
        said[batch.ids] = compiled(batch.tokens)["logits"].argmax(-1)
    return said


def attached(given: argparse.Namespace, real: LabeledTexts, test: LabeledTexts) -> dict[str, Any]:
    """What attached exits are worth, by the texts that they were fitted to."""
    tokenizer = offramp.model.open_classifier(given.model).tokenizer
    found: dict[str, Any] = {"set": given.name, "test": len(test), "draws": []}
    for kind, draw, texts in kinds(given.model, real, LEARNED, tokenizer):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "model"
            architecture = offramp.Architecture(exits=(1, 2, 3, 4, 5, 6))
            plain = Texts(texts.texts, None, 0, kind)
            offramp.attach(given.model, plain, output=folder, dev=given.dev, architecture=architecture, seed=draw)
            classifier = offramp.load(folder, backend=REFERENCE.backend)
            found["draws"].append({"kind": kind, "draw": draw, "texts": len(texts), **_worth(classifier, test)})
        print(found["draws"][-1], flush=True)
    return found


def _worth(classifier: Classifier, test: LabeledTexts) -> dict[str, Any]:
    """Accuracy and agreement of each exit; and of the model at its default threshold, with the layers that it runs."""
    answers = classifier.exit_answers(test.texts)
    names = np.array(classifier.labels)
    truth = np.array(test.labels)
    full = answers.full.argmax(-1)
    said = classifier.predict(test.texts)
    return {
        "exits": list(classifier.exit_names),
        "accuracy": [float((names[exit_.argmax(-1)] == truth).mean()) for exit_ in answers.probabilities],
        "agreement": [float((exit_.argmax(-1) == full).mean()) for exit_ in answers.probabilities],
        "default": {
            "accuracy": float((np.array(said.label) == truth).mean()),
            "agreement": float((np.array(said.label) == names[full]).mean()),
            "layers": float(said.layers.mean()),
        },
    }


def table() -> str:
    """All results as Markdown: means over draws, and the least and the greatest."""
    lines = ["| set | what | texts | figure | draws |", "| --- | --- | --- | --- | --- |"]
    for path in sorted(RESULTS.glob("*.json")):
        found, what = json.loads(path.read_text()), path.stem.partition("-")[0]
        for kind in ("real", "self-made"):
            draws = [draw for draw in found["draws"] if draw["kind"] == kind]
            figures = _of_int8(draws) if what == "int8" else _of_exits(draws)
            lines += [
                f"| {found['set']} | {what} | {kind} | {name} | {_spread(name, values)} |"
                for name, values in figures.items()
            ]
    return "\n".join(lines)


def _of_int8(draws: list[dict[str, Any]]) -> dict[str, list[float]]:
    return {name: [draw[name] for draw in draws] for name in ("accuracy", "differ")}


def _of_exits(draws: list[dict[str, Any]]) -> dict[str, list[float]]:
    early = enumerate(draws[0]["exits"][:-1])
    figures = {f"agreement after {name}": [draw["agreement"][place] for draw in draws] for place, name in early}
    for name in ("agreement", "layers"):
        figures[f"{name} at the default"] = [draw["default"][name] for draw in draws]
    return figures


def _spread(name: str, values: list[float]) -> str:
    scale, unit = (1.0, "") if name.startswith("layers") else (100.0, " %")
    mean, low, high = (scale * figure for figure in (np.mean(values), min(values), max(values)))
    return f"{mean:.2f}{unit} ({low:.2f} to {high:.2f}; {len(values)} draws)"


def _some(rows: LabeledTexts, number: int, seed: int) -> LabeledTexts:
    return rows.subset(np.sort(np.random.default_rng(seed).permutation(len(rows))[:number]))


if __name__ == "__main__":
    main()
