"""Runs in which no row leaves early: what every exit answers, and the baselines of early exit."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Member
from offramp.engine.predictions import Predictions, concatenated
from offramp.engine.runner import Runner, by_windows, windows
from offramp.errors import OptionError
from offramp.policy import ExitAnswers, StageCosts


def predict_full(runner: Runner, texts: Sequence[str], text_pairs: Sequence[str] | None) -> Predictions:
    """Classifies at full depth in one go, as if there were no exits but the last."""
    cascade = runner.cascade
    return _predict_at(runner, len(cascade.places) - 1, cascade.last.stages.full, texts, text_pairs)


def predict_at(runner: Runner, exit_index: int, texts: Sequence[str], text_pairs: Sequence[str] | None) -> Predictions:
    """Classifies every text at one exit, as a model that ends there would; asks nothing on the way.

    The heads before it are computed too; they are a thousandth of a layer's work.

    Raises:
        OptionError: there is no such exit.
    """
    places = runner.cascade.places
    if not 0 <= exit_index < len(places):
        raise OptionError(
            f"exit_index is {exit_index}; this model's exits go from 0 to {len(places) - 1}",
            option="exit_index",
            value=exit_index,
        )
    place, last = places[exit_index]
    member = runner.cascade.members[place]

    def logits(batch: Any) -> NDArray[np.float32]:
        *_, logits = run_exits(member, batch, last)
        return logits

    return _predict_at(runner, exit_index, logits, texts, text_pairs)


def exit_answers(runner: Runner, texts: Sequence[str], text_pairs: Sequence[str] | None) -> ExitAnswers:
    """Runs every text to the end and gives what each exit answers, and what was read of each text."""
    cascade = runner.cascade
    logits = np.empty((len(cascade.places), len(texts), len(cascade.labels)), np.float32)
    tokens, truncated = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
    seconds, started = np.zeros(len(cascade.places)), time.perf_counter()
    for exit_index, ids, values in full_pass(runner, texts, text_pairs, tokens, truncated):
        logits[exit_index, ids] = values
        seconds[exit_index] += (now := time.perf_counter()) - started
        started = now
    stages = tuple((seconds / max(1, len(texts))).tolist())
    return ExitAnswers(
        logits=logits,
        temperatures=cascade.temperatures,
        evidence=cascade.evidence,
        sources=cascade.sources,
        problem=cascade.problem,
        targets=None,
        tokens=tokens,
        truncated=truncated,
        layers=cascade.layers,
        names=cascade.names,
        costs=StageCosts(stages, sum(stages)),
    )


def full_pass(
    runner: Runner,
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
    tokens: NDArray[np.int64] | None = None,
    truncated: NDArray[np.bool_] | None = None,
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Runs every row to the end, stage after stage.

    Args:
        tokens, truncated: (rows,), are filled with what the last member read of each row.

    Yields:
        The index of an exit, and positions (n,) and logits (n, labels) of rows that have come there, when they have. A
        member's first stage comes after its reading.
    """
    start = 0
    for window in windows(texts, text_pairs):
        for first, member in zip(runner.cascade.first_exits, runner.cascade.members, strict=True):
            read: Any = member.read(*window)
            for batch in member.batches(read, runner.token_budget):
                for exit_index, logits in enumerate(run_exits(member, batch), first):
                    yield exit_index, start + batch.ids, logits
        rows = slice(start, start := start + len(window[0]))
        if tokens is not None:
            tokens[rows] = read.lengths
        if truncated is not None:
            truncated[rows] = read.truncated


def run_exits(member: Member, batch: Any, last: int | None = None) -> Iterator[NDArray[np.float32]]:
    """Runs a batch through a member, all rows to the end; gives the logits of each exit, (rows, labels).

    Args:
        last: index of the member's exit to end at; by default its last.
    """
    state = batch
    for stage in range(len(member.layers) if last is None else last + 1):
        output = member.run(stage, state, batch.lengths)
        yield output.logits
        state = output.state


def _predict_at(
    runner: Runner,
    exit_index: int,
    logits: Callable[[Any], NDArray[np.float32]],
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
) -> Predictions:
    """Lets all rows leave at one exit, whose logits come from ``logits(batch)``."""
    cascade, parts = runner.cascade, []
    member, source = cascade.members[cascade.places[exit_index][0]], cascade.source(exit_index)

    def begun(texts: Sequence[str], text_pairs: Sequence[str] | None) -> tuple[Any, NDArray[np.float64]]:
        """The texts as the member reads them, and what exits before it said of them, (exits, rows, labels)."""
        passed = np.empty((0 if source is None else len(cascade.places), len(texts), len(cascade.labels)))
        if source is not None:
            passed[source] = predict_at(runner, source, texts, text_pairs).probabilities
        return member.read(texts, text_pairs), passed

    for read, passed in by_windows(begun, texts, text_pairs):
        probabilities = np.empty((len(read), len(cascade.labels)))
        for batch in member.batches(read, runner.token_budget):
            before = passed.take(batch.ids, axis=1)
            probabilities[batch.ids] = cascade.probabilities(exit_index, logits(batch), before)
        exits = np.full(len(read), exit_index)
        parts.append(runner.predictions(probabilities, exits, read.lengths, read.truncated, 1))
    return concatenated(parts)
