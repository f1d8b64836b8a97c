"""Exits, words, int8 and narrower layers together, against the same without some of them.

python -m benchmarks.together MODEL --texts TEXTS --held HELD --test TEST --work FOLDER --json FILE [--flops 0.6]

MODEL is a folder with exits, perhaps with words before them. TEXTS, which it was not trained on, make its layers
narrower (``offramp compress``); both are exported to OpenVINO in int8. On HELD thresholds are chosen so that, with
95 % confidence, at most 2 % of the answers differ from those of MODEL at full depth. Full depth in PyTorch fp32, full
depth in int8 and the promised point, of the model as it was and of the narrow one, then classify TEST in turn, all
texts at once, on one thread. Last, 1,000 sets of as many rows as HELD has are drawn with replacement from HELD and
TEST, which thereby are the population, and it is counted how often the threshold that they certify breaks the promise.
What is made already is not made again.
"""

import argparse
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import offramp
from benchmarks.front import ENGINE, RUNTIME, export, load
from benchmarks.several_labels import violations
from offramp import environment
from offramp.backends import REFERENCE
from offramp.data import Columns, LabeledTexts, read_labeled, read_texts
from offramp.engine import Predictions, answers_of
from offramp.evaluation.timing import interleave, ratio
from offramp.files import write_json
from offramp.policy import Risk

POINT, CHANGED = "two-percent", 0.02
# Texts that are classified in PyTorch in each round, which takes several times as long.
FP32_TEXTS = 400
NOT_COPIED = ("openvino", "onnxruntime", "operating_points.json", "monitoring.json")


def prepare(
    model: Path, work: Path, texts: str, dev: LabeledTexts, held: LabeledTexts, columns: Columns, flops: float
) -> dict[str, Path]:
    """Leaves the model and a narrow one, exported and tuned, in folders."""
    whole, narrow = work / "whole", work / "narrow"
    if not whole.exists():
        shutil.copytree(model, whole, ignore=shutil.ignore_patterns(*NOT_COPIED))
    if not narrow.exists():
        offramp.compress(whole, texts, output=narrow, flops=flops, columns=columns)
    for folder in (whole, narrow):
        export(folder, dev)
        if POINT not in load(folder, ENGINE).points.of(ENGINE):
            tuned = offramp.tune(
                folder,
                held,
                max_disagreement=CHANGED,
                name=POINT,
                reference=None if folder == whole else whole,
                runtime=RUNTIME,
            )
            print(folder.name, [missed.reason for missed in tuned.missed])
    return {"whole": whole, "narrow": narrow}


def draws_of(folders: dict[str, Path], held: LabeledTexts, test: LabeledTexts) -> dict[str, Any]:
    """What becomes of promises of the narrow model about the answers of the one that it was made from."""
    pairs = None if held.text_pairs is None or test.text_pairs is None else held.text_pairs + test.text_pairs
    both = LabeledTexts.of(held.texts + test.texts, [*held.labels, *test.labels], pairs)
    original = answers_of(load(folders["whole"], REFERENCE), both)
    answers = answers_of(load(folders["narrow"], ENGINE), both)
    reference = original.problem.predicted(original.full)
    return violations(replace(answers, reference=reference), ((Risk.DISAGREEMENT, (CHANGED,)),), len(held))


def measure(folders: dict[str, Path], test: LabeledTexts, rounds: int) -> list[dict[str, Any]]:
    """Times everything in turn, against full depth of the model as it was, in int8."""
    classifiers = {name: load(folder, ENGINE) for name, folder in folders.items()}
    plain = {name: load(folder, REFERENCE) for name, folder in folders.items()}
    some = test.texts[:FP32_TEXTS], None if test.text_pairs is None else test.text_pairs[:FP32_TEXTS]
    actions: dict[tuple[str, str], Callable[[], Predictions]] = {}
    for name, classifier in classifiers.items():
        actions[name, "full depth, int8"] = partial(classifier.predict_full, test.texts, test.text_pairs)
        if POINT in classifier.points.of(ENGINE):
            actions[name, "2 % promised, int8"] = partial(classifier.predict, test.texts, test.text_pairs, at=POINT)
        actions[name, "full depth, fp32"] = partial(plain[name].predict_full, *some)
    seconds = interleave(actions, rounds)
    original = np.array(plain["whole"].predict_full(test.texts, test.text_pairs).label)
    truth, lines = np.array(test.labels), []
    for (name, setting), action in actions.items():
        said = np.array(action().label)
        size = len(said)
        base = "full depth, fp32" if setting.endswith("fp32") else "full depth, int8"
        faster = ratio(seconds["whole", base], seconds[name, setting])
        lines.append(
            {
                "model": name,
                "setting": setting,
                "rows": size,
                "accuracy": float((said == truth[:size]).mean()),
                "differ": float((said != original[:size]).mean()),
                "speedup": faster.median,
                "quartiles": (faster.low, faster.high),
                "texts_per_second": size / float(np.median(seconds[name, setting])),
            }
        )
    return lines


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--texts", required=True)
    for part in ("dev", "held", "test"):
        parser.add_argument(f"--{part}", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--flops", type=float, default=0.6)
    parser.add_argument("--pair-column", help="column of second texts")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    columns = Columns(text_pair=given.pair_column)
    dev, held, test = (read_labeled(getattr(given, part), columns) for part in ("dev", "held", "test"))
    folders = prepare(given.model, given.work, given.texts, dev, held, columns, given.flops)
    lines = measure(folders, test, given.rounds)
    for line in lines:
        print(
            f"{line['model']:8} {line['setting']:20} {line['accuracy']:.2%} differ {line['differ']:.2%} "
            f"{line['speedup']:.2f}x ({line['quartiles'][0]:.2f}-{line['quartiles'][1]:.2f})"
        )
    print(draws := draws_of(folders, held, test))
    write_json(
        given.json,
        {
            "environment": environment.describe(),
            "flops": given.flops,
            "rows": {"texts": len(read_texts(given.texts, columns)), "held": len(held), "test": len(test)},
            "rounds": given.rounds,
            "settings": lines,
            "drawn": draws,
        },
    )


if __name__ == "__main__":
    main()
