"""Cascades of one encoder, made of stages alone, and what comes of running token ids through them."""

import numpy as np

from conftest import tiny_tokenizer
from offramp.engine import run
from offramp.engine.batching import batches
from offramp.engine.cascade import Cascade
from offramp.engine.encoder import Encoder
from offramp.engine.full_pass import run_exits
from offramp.engine.steps import InFlight
from offramp.model import EarlyExitConfig


def _encoder(stages):
    """An encoder that reads all tokens it is given: these never come from its tokenizer."""
    return Encoder(stages, tiny_tokenizer(max_length=4096), EarlyExitConfig())


def cascade_of(stages, problem, temperatures, labels):
    """The label names do not matter, their number does."""
    names = tuple(f"label {number}" for number in range(labels))
    return Cascade((_encoder(stages),), problem, tuple(temperatures), names)


def leaving(cascade, encoded, budget, rule):
    """Runs token ids through a cascade of one encoder; gives the rows as they leave."""
    begun = (
        InFlight(batch.ids, batch.lengths, np.empty((0, len(batch.ids), len(cascade.labels))), batch)
        for batch in batches(encoded, budget, 0)
    )
    return run.run(cascade, 0, begun, rule, budget, [])


def logits_of(stages, encoded, budget=10**6, labels=3):
    """The logits of all exits, (exits, rows, labels)."""
    found = np.empty((len(stages.layers), len(encoded), labels), np.float32)
    for batch in batches(encoded, budget, 0):
        for stage, logits in enumerate(run_exits(_encoder(stages), batch)):
            found[stage, batch.ids] = logits
    return found
