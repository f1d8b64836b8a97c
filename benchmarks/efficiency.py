"""How much of the time that early exit could save it saves: measured over the least possible, threshold by threshold.

python benchmarks/efficiency.py MODEL DATA --backend openvino --precision bf16 --rows 1000 --json FILE

Everything runs in turn on the same rows: the network at full depth, as one graph, and every threshold, each with
every token budget. The least possible counts from full depth with its best token budget; early exit has its own best.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from offramp import environment
from offramp.data import Columns, read_labeled
from offramp.engine import Classifier, load
from offramp.engine.reads import tokens_of
from offramp.evaluation import THRESHOLDS, Request, interleave, measure_stages, ratio
from offramp.files import write_json
from offramp.policy import at_exits, row_costs


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--text-pair-column")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=1000, help="drawn from the data")
    parser.add_argument("--threshold", type=float, nargs="+", default=list(THRESHOLDS))
    parser.add_argument("--token-budget", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def request(data: str, text_pair: str | None, rows: int) -> Request:
    """Some of the texts, in their order; always the same ones."""
    texts = read_labeled(data, Columns(text_pair=text_pair))
    chosen = texts.subset(np.sort(np.random.default_rng(0).permutation(len(texts))[:rows]))
    return Request(chosen.texts, chosen.text_pairs)


def measure(classifier: Classifier, texts: Request, options: argparse.Namespace) -> dict[str, Any]:
    """Times full depth (threshold None) and the thresholds, each with all token budgets."""

    def run(token_budget: int, threshold: float | None) -> None:
        budgeted = classifier.with_token_budget(token_budget)
        if threshold is None:
            budgeted.predict_full(texts.texts, texts.text_pairs)
        else:
            budgeted.predict(texts.texts, texts.text_pairs, threshold=threshold)

    settings: list[float | None] = [None, *options.threshold]
    actions: dict[tuple[float | None, int], Callable[[], None]] = {
        (threshold, budget): partial(run, budget, threshold)
        for threshold in settings
        for budget in options.token_budget
    }
    seconds = interleave(actions, options.repeats)
    best = {
        threshold: min(options.token_budget, key=lambda budget: float(np.median(seconds[threshold, budget])))
        for threshold in settings
    }
    full = seconds[None, best[None]]
    classifier = classifier.with_token_budget(best[None])
    costs = measure_stages(classifier, [texts], options.repeats)
    shares = row_costs(costs.stages, tokens_of(classifier.runner.cascade, texts.texts, texts.text_pairs), costs.full)
    points = []
    for threshold in options.threshold:
        taken = classifier.predict(texts.texts, texts.text_pairs, threshold=threshold)
        speedup = ratio(full, seconds[threshold, best[threshold]])
        bound = 1 / float(at_exits(shares, taken.exits[None]).mean())
        points.append(
            {
                "threshold": threshold,
                "token_budget": best[threshold],
                "speedup": speedup.median,
                "quartiles": [speedup.low, speedup.high],
                "bound": bound,
                "efficiency": speedup.median / bound,
            }
        )
    return {
        "texts_per_second": len(texts.texts) / float(np.median(full)),
        "token_budget": best[None],
        "stages": [seconds / costs.full for seconds in costs.stages],
        "points": points,
    }


def main() -> None:
    """Measures and writes."""
    options = arguments()
    torch.set_num_threads(options.threads)
    classifier = load(options.model, backend=options.backend, precision=options.precision, threads=options.threads)
    texts = request(options.data, options.text_pair_column, options.rows)
    result = {
        "environment": environment.describe() | {"threads": options.threads},
        "model": Path(options.model).name,
        "engine": str(classifier.engine),
        "rows": len(texts.texts),
        "repeats": options.repeats,
        **measure(classifier, texts, options),
    }
    print(f"{result['model']}, {result['engine']}: {result['texts_per_second']:.1f} texts/s at full depth")
    for point in result["points"]:
        low, high = point["quartiles"]
        print(
            f"{point['threshold']:7g} {point['speedup']:5.2f}x ({low:.2f}-{high:.2f}) of {point['bound']:5.2f}x: "
            f"{point['efficiency']:.3f} (token budget {point['token_budget']})"
        )
    if options.json is not None:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
