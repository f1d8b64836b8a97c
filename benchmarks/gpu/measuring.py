"""What is measured of a network on a device: throughput, host synchronizations, memory."""

import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.making import Shape, reading, rule_of
from offramp.engine.full_pass import predict_full
from offramp.engine.runner import Runner
from offramp.evaluation import interleave
from offramp.model import EarlyExitForSequenceClassification
from offramp.model.encoding import Encoded

ALONE, FULL, EXITS, FULL_TEXTS, EXITS_TEXTS = (
    "network alone",
    "full depth",
    "exits",
    "full depth, from texts",
    "exits, from texts",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A network on a device, and what it reads.

    Attributes:
        runner: offramp's engine around the network.
        texts, read: texts, and the same tokenized.
        compiled: whether the network's layers are.
    """

    shape: Shape
    network: EarlyExitForSequenceClassification
    runner: Runner
    texts: list[str]
    read: Encoded
    compiled: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return torch.device(self.network.device)


def measure(subject: Subject, token_budget: int, ways: Iterable[str], rounds: int) -> list[dict[str, Any]]:
    """Times some ways in turn, after a run of each in which what it does is counted; one result for each."""
    actions = {way: _action(subject, token_budget, way) for way in ways}
    bounds = {way: action() for way, action in actions.items()}
    counts = {way: _counted(action, subject) for way, action in actions.items()}
    seconds = interleave(actions, rounds)
    results = {}
    for way, times in seconds.items():
        speeds = int(subject.read.lengths.sum()) / times
        low, median, high = np.quantile(speeds, [0.25, 0.5, 0.75]).tolist()
        results[way] = {
            "way": way,
            "compiled": subject.compiled,
            "token_budget": token_budget,
            "tokens_per_second": median,
            "quartiles": [low, high],
            "texts_per_second": median / float(subject.read.lengths.mean()),
            **counts[way],
        }
    for early, whole in ((EXITS, FULL), (EXITS_TEXTS, FULL_TEXTS)):
        if early in results and whole in results:
            speedup = float(np.median(seconds[whole] / seconds[early]))
            results[early] |= {"speedup": speedup, "bound": bounds[early], "efficiency": speedup / bounds[early]}
    return list(results.values())


def _action(subject: Subject, token_budget: int, way: str) -> Callable[[], float]:
    """A way to run all texts; it gives the speed-up that is possible by layers."""
    from_texts = way in (FULL_TEXTS, EXITS_TEXTS)
    texts = subject.texts if from_texts else [str(row) for row in range(len(subject.read))]
    runner = replace(subject.runner if from_texts else reading(subject.runner, subject.read), token_budget=token_budget)

    def full() -> float:
        predict_full(runner, texts, None)
        return 1.0

    def exits() -> float:
        found = runner.predict(texts, None, rule_of(subject.shape))
        return float(found.tokens.sum()) * subject.shape.layers / float((found.tokens * found.layers).sum())

    if way == ALONE:
        return _alone(subject, token_budget)
    return full if way in (FULL, FULL_TEXTS) else exits


@torch.inference_mode()
def _alone(subject: Subject, token_budget: int) -> Callable[[], float]:
    """The network on batches that lie on the device, asked for nothing in between: as fast as the engine can be."""
    network, encoder = subject.network, subject.runner.cascade.last
    inputs = [batch.inputs(subject.device) for batch in encoder.batches(subject.read, token_budget)]

    @torch.inference_mode()
    def run() -> float:
        for batch in inputs:
            state = network.stack.embed(batch)
            network.exit_logits(*network.run_layers(state, None, range(subject.shape.layers)), len(network.heads) - 1)
        if subject.device.type == "cuda":
            torch.cuda.synchronize()
        return 1.0

    return run


def _counted(action: Callable[[], float], subject: Subject) -> dict[str, Any]:
    """Runs of stages, and on a GPU how often the host waited for it, and the most memory that was in use."""
    runs: list[None] = []
    hooks = [head.register_forward_hook(lambda *_: runs.append(None)) for head in subject.network.heads]
    try:
        if subject.device.type == "cuda":
            return _waiting(action) | {"stage_runs": len(runs)}
        action()
        return {"stage_runs": len(runs)}
    finally:
        for hook in hooks:
            hook.remove()


def _waiting(action: Callable[[], float]) -> dict[str, Any]:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action()
    finally:
        torch.cuda.set_sync_debug_mode(before)
    waits = sum("synchronizing" in str(warning.message) for warning in caught)
    return {"synchronizations": waits, "gigabytes": torch.cuda.max_memory_allocated() / 1e9}


def compiled(subject: Subject, backend: str) -> Subject:
    """The same with every layer compiled, for batches of any size; the network itself is changed."""
    for layer in subject.network.backbone.encoder.layer:
        layer.compile(dynamic=True, backend=backend)
    return replace(subject, compiled=True)


@torch.inference_mode()
def graphs(subject: Subject, rows: int, length: int, repeats: int) -> dict[str, Any]:
    """Full depth on one batch without padding, launched kernel by kernel and as a CUDA graph; seconds of each."""
    network = subject.network
    ids = torch.full((rows, length), 5, device=subject.device)

    def run() -> None:
        state = network.stack.embed({"input_ids": ids})
        network.exit_logits(*network.run_layers(state, None, range(subject.shape.layers)), len(network.heads) - 1)

    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return {
        "rows": rows,
        "length": length,
        "compiled": subject.compiled,
        "seconds": _seconds(run, repeats),
        "graph_seconds": _seconds(graph.replay, repeats),
    }


def _seconds(action: Callable[[], None], repeats: int) -> float:
    """Of one of several runs without a pause."""
    action()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(repeats):
        action()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats
