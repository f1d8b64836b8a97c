"""Exits on an encoder that stays as it is: one pass keeps what they will see of every row, then they are fitted to it.

The encoder is by far the most work, so it runs once for each text and not once for each text and epoch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn

from offramp.model import EarlyExitForSequenceClassification, LoadedModel
from offramp.model.encoding import Encoded
from offramp.model.heads import ExitHead
from offramp.model.padding import padded_batches, padding_id_of
from offramp.training.phases import Phase, phase_loss
from offramp.training.recipe import ExitFit
from offramp.training.rows import Rows

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class KeptStates:
    """What the exits see of rows that went through the whole network.

    Attributes:
        pooled: states of the layers up to the last exit that is fitted, (rows, layers, width) float32, mapped from a
            file.
        logits: the last exit's, (rows, labels) float32.
        beliefs: what another network says of the rows, (rows, labels) of logits; None where the last exit teaches.
    """

    pooled: NDArray[np.float32]
    logits: NDArray[np.float32]
    beliefs: NDArray[np.float32] | None = None

    def subset(self, rows: NDArray[np.int64]) -> "KeptStates":
        """The states of the given rows, in that order, in memory."""
        beliefs = None if self.beliefs is None else self.beliefs[rows]
        return KeptStates(self.pooled[rows], self.logits[rows], beliefs)


@dataclass(frozen=True, slots=True, eq=False)
class FrozenFit:
    """Exits fitted to states.

    Attributes:
        dev_logits: of all exits on the dev rows, (exits, rows, labels).
        beliefs: the last exit's logits on the rows that the others were fitted to, (rows, labels).
        encoder_seconds, exit_seconds, dev_seconds: of the pass through the network, of fitting the exits, and of
            asking them about the dev rows.
    """

    dev_logits: NDArray[np.float32]
    beliefs: NDArray[np.float32]
    encoder_seconds: float
    exit_seconds: float
    dev_seconds: float


@torch.inference_mode()
def keep_states(
    model: LoadedModel,
    encoded: Encoded,
    file: Path,
    on_rows: Callable[[int], None] = lambda rows: None,
    layers: int | None = None,
) -> KeptStates:
    """Runs the network once over all rows. Memory holds one batch and the logits; the states go to the file.

    Args:
        file: the ``.npy`` file to write, of 4 bytes a row, layer and unit of width.
        on_rows: is told how many rows are done.
        layers: whose states are kept; by default those up to the last exit but one.
    """
    network = model.network.eval()
    last = len(network.stages) - 1
    layers = network.config.exits[-2] if layers is None else layers
    pooled = open_memmap(file, mode="w+", dtype=np.float32, shape=(len(encoded), layers, network.stack.width))
    logits = np.empty((len(encoded), network.config.num_labels), np.float32)
    done = 0
    for batch in padded_batches(encoded, padding_id_of(model.tokenizer)):
        state = network.stack.embed(batch.inputs(network.device))
        state, history = network.run_layers(state, None, range(network.stack.depth))
        pooled[batch.ids] = history[:, :layers].float().cpu().numpy()
        logits[batch.ids] = network.exit_logits(state, history, last).float().cpu().numpy()
        done += len(batch.ids)
        on_rows(done)
    return KeptStates(pooled, logits)


def fit_exits(
    network: EarlyExitForSequenceClassification,
    train: tuple[KeptStates, NDArray[Any]],
    dev: tuple[KeptStates, NDArray[Any]],
    phase: Phase,
    fit: ExitFit,
    *,
    seed: int,
    on_step: Callable[[int, int], None] = lambda done, total: None,
    afresh: bool = True,
) -> None:
    """Fits the exits whose states were kept, each up to the epoch that was best for it on the dev rows.

    Args:
        train: kept states, and targets: class indices (rows,), or 0/1 (rows, labels), ``UNLABELLED`` where there is
            none; so is ``dev``.
        phase: what counts how much.
        on_step: is told about steps done and steps in all.
        afresh: whether they start from scratch; otherwise from what they are, which stays where no epoch is better.
    """
    heads = _fitted(network, train[0])
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    for head in heads:
        assert isinstance(head, ExitHead)
        if afresh:
            head.reset_parameters()
    steps = fit.epochs * -(-len(train[1]) // fit.batch_size)
    parameters = [
        {"params": [tensor], "weight_decay": fit.weight_decay * (tensor.ndim > 1)} for tensor in heads.parameters()
    ]
    optimizer = torch.optim.AdamW(parameters, lr=fit.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    best = [_Best.of(head, np.inf) for head in heads]
    if not afresh:
        best = _better(network, dev, phase, best)
    done = 0
    for _ in range(fit.epochs):
        heads.train()
        for rows in np.array_split(random.permutation(len(train[1])), steps // fit.epochs):
            optimizer.zero_grad()
            loss = _loss(network, train, np.sort(rows), phase, done / steps)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            done += 1
            on_step(done, steps)
        heads.eval()
        best = _better(network, dev, phase, best)
    for head, kept in zip(heads, best, strict=True):
        head.load_state_dict(kept.weights)


def fit_on_states(
    model: LoadedModel,
    train: Rows,
    dev: Rows,
    phase: Phase,
    fit: ExitFit,
    *,
    seed: int,
    folder: Path,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> FrozenFit:
    """Runs the network once over all rows, and fits all exits but the last to what they see of them.

    Args:
        folder: where the states are kept.
        on_rows, on_step: are told about rows and steps done, and how many there are in all.
    """
    begun, rows = time.monotonic(), len(train.encoded) + len(dev.encoded)
    train_states = keep_states(model, train.encoded, folder / "train.npy", lambda done: on_rows(done, rows))
    dev_states = keep_states(
        model, dev.encoded, folder / "dev.npy", lambda done: on_rows(len(train.encoded) + done, rows)
    )
    kept = time.monotonic()
    fit_exits(
        model.network, (train_states, train.targets), (dev_states, dev.targets), phase, fit, seed=seed, on_step=on_step
    )
    fitted = time.monotonic()
    logits = exit_logits_of(model.network, dev_states)
    return FrozenFit(logits, train_states.logits, kept - begun, fitted - kept, time.monotonic() - fitted)


@torch.no_grad()
def exit_logits_of(network: EarlyExitForSequenceClassification, kept: KeptStates) -> NDArray[np.float32]:
    """Logits of every exit on kept states: (exits, rows, labels)."""
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, len(kept.logits), _ROWS_AT_ONCE)]
    return np.concatenate([_logits(network, kept, part).cpu().numpy().transpose(1, 0, 2) for part in parts], 1)


@dataclass(frozen=True, slots=True)
class _Best:
    """An exit's weights when its loss on the dev rows was lowest."""

    loss: float
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, head: nn.Module, loss: float) -> Self:
        """Notes the weights as they are now."""
        return cls(loss, {name: tensor.clone() for name, tensor in head.state_dict().items()})


def _loss(
    network: EarlyExitForSequenceClassification,
    data: tuple[KeptStates, NDArray[Any]],
    rows: NDArray[np.int64],
    phase: Phase,
    progress: float,
) -> Tensor:
    kept, targets = data
    labels = torch.from_numpy(targets[rows]).to(network.device)
    logits, problem_type = _logits(network, kept, rows), network.problem_type
    teacher = None if kept.beliefs is None else torch.from_numpy(kept.beliefs[rows]).to(network.device)
    return phase_loss(logits, labels, problem_type, phase, step=0, progress=progress, teacher=teacher)


def _better(
    network: EarlyExitForSequenceClassification,
    dev: tuple[KeptStates, NDArray[Any]],
    phase: Phase,
    best: list[_Best],
) -> list[_Best]:
    """What was best so far, or is now, for each exit on its own."""
    kept, targets = dev
    logits, labels = torch.from_numpy(exit_logits_of(network, kept)).transpose(0, 1), torch.from_numpy(targets)
    teacher = None if kept.beliefs is None else torch.from_numpy(kept.beliefs)
    better = []
    for index, (head, before) in enumerate(zip(_fitted(network, kept), best, strict=True)):
        alone = tuple(float(place == index) for place in range(len(network.heads)))
        only = replace(phase, weights=(alone,), consistent=False)
        loss = float(phase_loss(logits, labels, network.problem_type, only, step=0, progress=1, teacher=teacher))
        better.append(_Best.of(head, loss) if loss < before.loss else before)
    return better


def _logits(network: EarlyExitForSequenceClassification, kept: KeptStates, rows: Any) -> Tensor:
    """(rows, exits, labels)."""
    pooled, last = (torch.from_numpy(array[rows]).to(network.device) for array in (kept.pooled, kept.logits))
    fitted = _fitted(network, kept)
    logits = [head(pooled[:, :layers]) for head, layers in zip(fitted, network.config.exits, strict=False)]
    return torch.stack(logits if len(fitted) == len(network.heads) else [*logits, last], 1)


def _fitted(network: EarlyExitForSequenceClassification, kept: KeptStates) -> nn.ModuleList:
    """The exits that see nothing but states that were kept: all, or all but the last."""
    heads: nn.ModuleList = network.heads[: sum(layers <= kept.pooled.shape[1] for layers in network.config.exits)]
    return heads
