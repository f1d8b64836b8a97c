"""An encoder with fewer neurons: which of them matter, a copy without the others, and its repair."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from offramp.compressing.activations import activity, energy, some_batches
from offramp.compressing.allotting import Floats, Work, importance
from offramp.compressing.repairing import repair
from offramp.model import EarlyExitForSequenceClassification, LoadedModel
from offramp.model.encoding import Encoded
from offramp.model.heads import ExitHead
from offramp.model.padding import padding_id_of
from offramp.model.widths import FeedForward, check_removed, feed_forwards
from offramp.training.frozen import fit_exits, keep_states
from offramp.training.phases import Phase
from offramp.training.recipe import ExitFit
from offramp.training.rows import Rows

# Tokens whose activations say which neurons matter, and that matrices are refitted to.
RANKED, REPAIRED = 8192, 24576
# Exits start from what they were, so little is to be learnt.
EXIT_FIT = ExitFit(epochs=10, learning_rate=1e-3)
_CHOOSING = 0.15

Step = Callable[[str, int, int | None], None]


def work_of(network: EarlyExitForSequenceClassification, length: float, experts: int | None = None) -> Work:
    """What the layers compute for one token of a text of so many tokens, and what a router of experts would."""
    stack, blocks = network.stack, feed_forwards(network.stack)
    neuron = [float(block.up.in_features * block.parts + block.down.out_features) for block in blocks]
    fixed = []
    for layer, block, each in zip(stack.layers, blocks, neuron, strict=True):
        weights = sum(module.weight.numel() for module in layer.modules() if isinstance(module, nn.Linear))
        # Attention compares each token with all others, and adds up as many.
        fixed.append(weights - each * block.width + 2 * length * stack.width)
    return Work(tuple(fixed), tuple(neuron), tuple(block.width for block in blocks), (experts or 0) * stack.width)


def importances_of(model: LoadedModel, encoded: Encoded, reached: Floats, seed: int, on_step: Step) -> list[Floats]:
    """What each layer loses with each of its neurons, (neurons,) each, as some tokens of the texts tell.

    Args:
        reached: share of the rows that reach each layer, (layers,).
    """
    stack = model.network.stack
    batches = some_batches(encoded, padding_id_of(model.tokenizer), RANKED, seed)
    told = activity(stack, batches, lambda done, total: on_step("ranking neurons", done, total))
    return [
        importance(energy(neurons), column_norms(block), share)
        for (_, neurons), block, share in zip(told, feed_forwards(stack), reached.tolist(), strict=True)
    ]


def column_norms(block: FeedForward) -> Floats:
    """The squared norms of the columns by which a block's output takes in its neurons, (neurons,)."""
    norms: Floats = block.down.weight.detach().double().square().sum(0).cpu().numpy()
    return norms


def narrowed(model: LoadedModel, kept: Sequence[NDArray[np.int64]]) -> LoadedModel:
    """A copy that has only some neurons in each layer, given by their indices, and is as it was otherwise.

    Raises:
        BackboneError: its feed-forward blocks are not found, or need all of their neurons.
    """
    network = copy.deepcopy(model.network)
    indices = [torch.from_numpy(neurons).to(network.device) for neurons in kept]
    for block, neurons in zip(feed_forwards(network.stack), indices, strict=True):
        block.keep(neurons)
    network.config.feed_forward_widths = [len(neurons) for neurons in kept]
    check_removed(model.network.stack, network.stack, indices)
    return LoadedModel(network, model.tokenizer)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """The texts that a narrowed model is repaired on, and what it is to answer.

    Attributes:
        rows: tokenized texts; ``beliefs`` are the logits of the original at full depth.
        folder: where states of the rows are kept meanwhile.
    """

    rows: Rows
    folder: Path
    seed: int
    on_step: Step


def repaired(original: LoadedModel, model: LoadedModel, lesson: Lesson) -> None:
    """Refits second matrices, and after them the exits, so that a narrowed model answers as the original does."""
    batches = some_batches(lesson.rows.encoded, padding_id_of(model.tokenizer), REPAIRED, lesson.seed)
    repair(
        original.network.stack,
        model.network.stack,
        batches,
        lambda done, total: lesson.on_step("refitting layers", done, total),
    )
    refit_exits(model, lesson)


def refit_exits(model: LoadedModel, lesson: Lesson) -> None:
    """Fits the exits to what the original says at full depth; one that came with a classifier stays as it is."""
    network, rows = model.network, lesson.rows
    fitted = len(network.heads) - (not isinstance(network.heads[-1], ExitHead))
    if not fitted:
        return
    number = len(rows.encoded)
    order = np.random.default_rng(lesson.seed).permutation(number)
    choosing, learning = np.split(order, [max(1, int(_CHOOSING * number))])
    states = keep_states(
        model,
        rows.encoded,
        lesson.folder / "states.npy",
        lambda done: lesson.on_step("running the narrower encoder", done, number),
        network.config.exits[fitted - 1],
    )
    states = replace(states, beliefs=rows.beliefs)
    learnt, chosen = ((states.subset(part), rows.targets[part]) for part in (np.sort(learning), np.sort(choosing)))
    phase = Phase(((1.0,) * fitted + (0.0,) * (len(network.heads) - fitted),), None, labeled=0.0, distill=1.0)
    fit_exits(
        network,
        learnt,
        chosen,
        phase,
        EXIT_FIT,
        seed=lesson.seed,
        on_step=lambda done, total: lesson.on_step("fitting exits", done, total),
        afresh=False,
    )
