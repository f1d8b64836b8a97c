"""Runs in which no row leaves early: what every exit answers, and the baselines of early exit."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.cascade import Member
from offramp.engine.encoder import Encoder
from offramp.engine.portions import by_portions, portions
from offramp.engine.predictions import Predictions, concatenated, predictions_of
from offramp.engine.reads import Reads, reads
from offramp.engine.runner import Runner
from offramp.engine.windows import begins, combined, goes_on
from offramp.errors import OptionError
from offramp.exit_names import window_of
from offramp.model.windows import ReadOn
from offramp.policy import ExitAnswers, StageCosts, repeated


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
    return together(window_answers(runner, texts, text_pairs), runner.cascade.read_on)


def window_answers(runner: Runner, texts: Sequence[str], text_pairs: Sequence[str] | None) -> ExitAnswers:
    """:func:`exit_answers`, but where long texts are read window by window each exit speaks for its window alone."""
    cascade = runner.cascade
    logits = np.zeros((len(cascade.places), len(texts), len(cascade.labels)), np.float32)
    read = Reads(np.zeros((len(cascade.places), len(texts)), np.int64), np.zeros(len(texts), np.bool_))
    seconds, started = np.zeros(len(cascade.places)), time.perf_counter()
    for exit_index, ids, values in full_pass(runner, texts, text_pairs, read):
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
        tokens=read.total,
        reads=None if cascade.read_on is None else read.tokens,
        truncated=read.truncated,
        layers=cascade.layers,
        names=cascade.names,
        costs=StageCosts(stages, sum(stages)),
    )


def together(answers: ExitAnswers, read_on: ReadOn | None) -> ExitAnswers:
    """What exits answer who speak for all windows read so far, given what each says of its window alone."""
    if read_on is None or answers.ends is None:
        return answers
    stages = sum(window_of(name) == 1 for name in answers.names)
    logits = read_on.combined_exits(np.asarray(answers.logits, np.float32), stages)
    return replace(answers, logits=repeated(logits, answers.ends))


def full_pass(
    runner: Runner, texts: Sequence[str], text_pairs: Sequence[str] | None, noted: Reads | None = None
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
    """Runs every row to the end, stage after stage.

    Args:
        noted: is filled with what the last encoder read of each row.

    Yields:
        The index of an exit, and positions (n,) and logits (n, labels) of rows that have come there, when they have. A
        member's first stage comes after its reading. A window's logits are its own.
    """
    start, cascade = 0, runner.cascade
    for portion in portions(texts, text_pairs):
        everyone = np.arange(start, start := start + len(portion[0]))
        read: Any = None
        rows = everyone
        for number, (first, member) in enumerate(zip(cascade.first_exits, cascade.members, strict=True)):
            if goes_on(cascade.members, number):
                onward = np.flatnonzero(read.windows > 1)
                read, rows = read.next_windows(onward), rows[onward]
            else:
                read, rows = member.read(*portion), everyone
                if noted is not None and isinstance(member, Encoder):
                    noted.tokens[:, rows] = reads(cascade, read)
                    noted.truncated[rows] = read.truncated
            for batch in member.batches(read, runner.token_budget):
                for exit_index, logits in enumerate(run_exits(member, batch), first):
                    yield exit_index, rows[batch.ids], logits


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
    """Lets all rows leave at one exit, whose logits come from ``logits(batch)``, or where they end before it.

    Windows before the exit's own run to full depth in one go.
    """
    cascade, parts = runner.cascade, []
    last = cascade.places[exit_index][0]
    first = begins(cascade.members, last)
    exits = [*(stop - 1 for stop in cascade.first_exits[first + 1 : last + 1]), exit_index]
    source = next(filter(lambda source: source is not None, map(cascade.source, exits)), None)

    def begun(texts: Sequence[str], text_pairs: Sequence[str] | None) -> tuple[Any, NDArray[np.float64]]:
        """The texts as the member reads them, and what exits before it said of them, (exits, rows, labels)."""
        passed = np.empty((0 if source is None else len(cascade.places), len(texts), len(cascade.labels)))
        if source is not None:
            passed[source] = predict_at(runner, source, texts, text_pairs).probabilities
        return cascade.members[first].read(texts, text_pairs), passed

    for begun_read, passed in by_portions(begun, texts, text_pairs):
        read = begun_read
        rows, taken, tokens = np.arange(len(read)), np.full(len(read), exits[0]), np.zeros(len(read), np.int64)
        probabilities = np.empty((len(read), len(cascade.labels)))
        said, lost = np.zeros(probabilities.shape, np.float32), read.truncated.copy()
        for number, here in enumerate(exits, first):
            if number > first:
                onward = np.flatnonzero(read.windows > 1)
                read, rows = read.next_windows(onward), rows[onward]
            taken[rows], tokens[rows] = here, tokens[rows] + read.lengths
            member: Any = cascade.members[number]
            for batch in member.batches(read, runner.token_budget):
                ids = rows[batch.ids]
                own = logits(batch) if number == last else member.stages.full(batch)
                said[ids] = combined(member, said[ids], own)
                probabilities[ids] = cascade.probabilities(here, said[ids], passed.take(ids, axis=1))
        if goes_on(cascade.members, last + 1):
            lost[rows] |= read.windows > 1
        parts.append(predictions_of(cascade, probabilities, taken, tokens, lost, 1))
    return concatenated(parts)
