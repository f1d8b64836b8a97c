"""How fast the engine is on a GPU: full depth and exits, compiled or not, and what the host has to wait for.

python -m benchmarks.gpu --json FILE          # one NVIDIA GPU, no network, less than eight minutes
python -m benchmarks.gpu --smoke --json FILE  # everything in small, on any machine; its figures mean nothing

Networks have the shapes of BERT and random weights in bfloat16; texts are made up, and so are the shares of them that
leave at each exit. What is done comes in the order of importance, and each result is in the file at once: when the
seconds are over, the rest is left out, and the file says so.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.making import (
    BERT_BASE,
    BERT_LARGE,
    LONG,
    SHORT,
    TINY,
    Mix,
    Shape,
    network_of,
    runner_of,
    texts_of,
    tokenizer_of,
)
from benchmarks.gpu.measuring import ALONE, EXITS, EXITS_TEXTS, FULL, FULL_TEXTS, Subject, compiled, graphs, measure
from offramp import environment
from offramp.files import write_json

BUDGETS = (16_384, 65_536, 131_072)
GRAPHS = ((1, 64), (8, 128), (512, 128))
ROUNDS = 3
SIZES = ((BERT_BASE, SHORT, 32_768), (BERT_BASE, LONG, 8_192), (BERT_LARGE, SHORT, 16_384))
SMALL = (TINY, SHORT, 64)
WAYS = (ALONE, FULL, EXITS, FULL_TEXTS, EXITS_TEXTS)


@dataclass
class Part:
    """One shape and one mix of lengths, step by step."""

    shape: Shape
    mix: Mix
    texts: int
    options: argparse.Namespace

    def steps(self) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """What is measured: as it is, compiled, and on a GPU as CUDA graphs, too."""
        yield self.choose_budget
        yield lambda: measure(self.subject, self.budget, WAYS, self.options.rounds)
        yield self.graphs
        yield self.compile
        yield self.graphs

    def subject_on(self, device: str) -> Subject:
        """A network on a device with texts to read."""
        tokenizer = tokenizer_of(self.shape, self.mix.longest)
        network = network_of(self.shape, self.mix.longest)
        runner = runner_of(network, tokenizer, device)
        texts = texts_of(self.mix, self.texts, tokenizer)
        return Subject(self.shape, network, runner, texts, runner.cascade.last.read(texts))

    def choose_budget(self) -> list[dict[str, Any]]:
        """Makes everything, and tries token budgets."""
        self.subject = self.subject_on("cuda" if torch.cuda.is_available() else "cpu")
        tried = [one for budget in BUDGETS for one in measure(self.subject, budget, [FULL], rounds=2)]
        self.budget = max(tried, key=lambda one: one["tokens_per_second"])["token_budget"]
        return tried

    def compile(self) -> list[dict[str, Any]]:
        """Compiles every layer and measures again."""
        self.subject = compiled(self.subject, "eager" if self.options.smoke else "inductor")
        return measure(self.subject, self.budget, (ALONE, FULL, EXITS), self.options.rounds)

    def graphs(self) -> list[dict[str, Any]]:
        """Single batches as CUDA graphs."""
        if self.subject.device.type != "cuda":
            return []
        return [graphs(self.subject, rows, length, repeats=20) for rows, length in GRAPHS]


def line(found: dict[str, Any]) -> str:
    """One line of the table."""
    if "graph_seconds" in found:
        what = f"{found['rows']} x {found['length']} tokens: {found['seconds'] * 1e3:.2f} ms"
        what += f", as a CUDA graph {found['graph_seconds'] * 1e3:.2f} ms"
        return f"| {found['shape']} | one batch | {what} | {_compiled(found)} | | | | | |"
    gain = (
        "" if "speedup" not in found else f"{found['speedup']:.2f}x of {found['bound']:.2f}x: {found['efficiency']:.2f}"
    )
    waits = "" if "synchronizations" not in found else f"{found['synchronizations'] / found['stage_runs']:.2f}"
    memory = "" if "gigabytes" not in found else f"{found['gigabytes']:.1f} GB"
    return (
        f"| {found['shape']} | {found['mix']} | {found['way']} | {_compiled(found)} | {found['token_budget']:,} "
        f"| {found['tokens_per_second']:,.0f} | {found['texts_per_second']:,.0f} | {gain} | {waits} | {memory} |"
    )


def _compiled(found: dict[str, Any]) -> str:
    return "compiled" if found["compiled"] else "as it is"


HEAD = (
    "| shape | texts | way | layers | token budget | tokens/s | texts/s | exits' speed-up of the bound by layers "
    "| waits of the host a stage | memory |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=420, help="nothing more is begun after these")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--smoke", action="store_true", help="tiny shapes, on a CPU if there is no GPU")
    options = parser.parse_args()
    began = time.perf_counter()
    if not torch.cuda.is_available() and not options.smoke:
        parser.error("there is no GPU; --smoke runs everything in small on a CPU")
    sizes = (SMALL,) if options.smoke else SIZES
    parts = [Part(*size, options) for size in sizes]
    record: dict[str, Any] = {
        "environment": environment.describe(),
        "precision": "bf16",
        "rounds": options.rounds,
        "results": [],
        "failed": [],
        "left_out": None,
    }
    print(HEAD, flush=True)
    for part in parts:
        about = {"shape": part.shape.name, "mix": part.mix.name, "texts": part.texts}
        for step in part.steps():
            if time.perf_counter() - began > options.seconds:
                record["left_out"] = f"what follows in {part.shape.name}, {part.mix.name}, and all parts after it"
                break
            try:
                found = [about | one for one in step()]
            except Exception as error:  # there may be no second run on such a machine: the other steps still count
                traceback.print_exc()
                record["failed"].append(about | {"error": f"{type(error).__name__}: {error}"})
                continue
            record["results"] += found
            for one in found:
                print(line(one), flush=True)
            write_json(options.json, record)
        if record["left_out"] is not None:
            break
    write_json(options.json, record)
    if record["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
