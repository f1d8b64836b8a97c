"""A cascade at work: every way in which rooms have texts run through one."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.engine.ahead import ahead
from offramp.engine.cascade import Cascade
from offramp.engine.choosing import WINDOW
from offramp.engine.predictions import Predictions
from offramp.engine.run import Passage, run_exits
from offramp.errors import OptionError
from offramp.policy import ExitAnswers, ExitRule, StageCosts

_Window = tuple[Sequence[str], Sequence[str] | None]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs a cascade; what is run is checked before.

    Attributes:
        cascade: what texts pass.
        token_budget: tokens of a batch, padding included. Larger batches use the hardware better and more memory.

    Raises:
        OptionError: the token budget is below 1.
    """

    cascade: Cascade
    token_budget: int

    def __post_init__(self) -> None:
        if self.token_budget < 1:
            raise OptionError(f"token_budget is {self.token_budget}; it must be at least 1")

    def prepare(self, texts: Sequence[str], text_pairs: Sequence[str] | None, rule: ExitRule) -> Passage:
        """Begins a window of texts, as far as that goes well beside the computing of other texts."""
        passage = Passage(self.cascade, texts, text_pairs, rule, self.token_budget)
        passage.prepare()
        return passage

    def complete(
        self, passage: Passage, top_k: int | None = 1, *, on_rows: Callable[[int], None] = lambda rows: None
    ) -> Predictions:
        """Runs the rest of what :meth:`prepare` began; ``on_rows`` is told how many of its rows have left so far."""
        passage.complete(on_rows)
        return self.predictions(passage.probabilities, passage.exits, passage.tokens, passage.truncated, top_k)

    def predict(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None, rule: ExitRule, top_k: int | None = 1
    ) -> Predictions:
        """Classifies texts, a window after the other."""
        passages = (self.prepare(*window, rule) for window in _windows(texts, text_pairs))
        several = len(texts) > WINDOW  # a thread for one text would cost more than it saves
        parts = [self.complete(passage, top_k) for passage in (ahead(passages) if several else passages)]
        return parts[0] if len(parts) == 1 else _concatenate(parts)

    def predict_full(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> Predictions:
        """Classifies at full depth in one go, as if there were no exits but the last."""
        stages = self.cascade.last.stages
        return self._predict_at(len(self.cascade.places) - 1, stages.full, texts, text_pairs)

    def predict_at(self, exit_index: int, texts: Sequence[str], text_pairs: Sequence[str] | None) -> Predictions:
        """Classifies every text at one exit, as a model would that ends there; asks nothing on the way.

        The heads before it are computed too; they are a thousandth of a layer's work.
        """
        place, last = self.cascade.places[exit_index]
        member = self.cascade.members[place]

        def logits(batch: Any) -> NDArray[np.float32]:
            *_, logits = run_exits(member, batch, last)
            return logits

        return self._predict_at(exit_index, logits, texts, text_pairs)

    def exit_answers(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> ExitAnswers:
        """Runs every text to the end and gives what each exit answers, and what was read of each text."""
        cascade = self.cascade
        logits = np.empty((len(cascade.places), len(texts), len(cascade.labels)), np.float32)
        tokens, truncated = np.empty(len(texts), np.int64), np.empty(len(texts), np.bool_)
        seconds, started = np.zeros(len(cascade.places)), time.perf_counter()
        for exit_index, ids, values in self.run_exits(texts, text_pairs, tokens, truncated):
            logits[exit_index, ids] = values
            seconds[exit_index] += (now := time.perf_counter()) - started
            started = now
        stages = tuple((seconds / max(1, len(texts))).tolist())
        return ExitAnswers(
            logits=logits,
            temperatures=cascade.temperatures,
            problem=cascade.problem,
            targets=None,
            tokens=tokens,
            truncated=truncated,
            layers=cascade.layers,
            names=cascade.names,
            costs=StageCosts(stages, sum(stages)),
        )

    def run_exits(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        tokens: NDArray[np.int64] | None = None,
        truncated: NDArray[np.bool_] | None = None,
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
        """Runs every row to the end, stage after stage.

        Args:
            tokens, truncated: (rows,), are filled with what the last member read of each row.

        Yields:
            The index of an exit, and positions (n,) and logits (n, labels) of rows that have come there, when they
            have. A member's first stage comes after its reading.
        """
        start = 0
        for window in _windows(texts, text_pairs):
            for first, member in zip(self.cascade.first_exits, self.cascade.members, strict=True):
                read: Any = member.read(*window)
                for batch in member.batches(read, self.token_budget):
                    for exit_index, logits in enumerate(run_exits(member, batch), first):
                        yield exit_index, start + batch.ids, logits
            here = slice(start, start := start + len(window[0]))
            if tokens is not None:
                tokens[here] = read.lengths
            if truncated is not None:
                truncated[here] = read.truncated

    def tokens(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.int64]:
        """Tokens of each text as full depth reads it, (rows,)."""
        return self.cascade.last.read(texts, text_pairs).lengths

    def predictions(
        self,
        probabilities: NDArray[np.float64],
        exits: NDArray[np.int64],
        tokens: NDArray[np.int64],
        truncated: NDArray[np.bool_],
        top_k: int | None,
    ) -> Predictions:
        """Puts together what is known of texts that have left; each (rows,), the probabilities (rows, labels)."""
        cascade = self.cascade
        return Predictions(
            names=cascade.labels,
            problem=cascade.problem,
            probabilities=probabilities,
            exits=exits,
            layers=np.asarray(cascade.layers)[exits],
            truncated=truncated,
            tokens=tokens,
            top_k=top_k,
        )

    def _predict_at(
        self,
        exit_index: int,
        logits: Callable[[Any], NDArray[np.float32]],
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
    ) -> Predictions:
        """Lets all rows leave at one exit, whose logits come from ``logits(batch)``."""
        cascade, parts = self.cascade, []
        member, _ = cascade.places[exit_index]
        for window in _windows(texts, text_pairs):
            read: Any = cascade.members[member].read(*window)
            probabilities = np.empty((len(read), len(cascade.labels)))
            for batch in cascade.members[member].batches(read, self.token_budget):
                probabilities[batch.ids] = cascade.problem.probabilities(
                    logits(batch), cascade.temperatures[exit_index]
                )
            exits = np.full(len(read), exit_index)
            parts.append(self.predictions(probabilities, exits, read.lengths, read.truncated, 1))
        return _concatenate(parts)


def _windows(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Iterator[_Window]:
    """Texts that are sorted and batched together; at least one window, be it empty."""
    for start in range(0, max(1, len(texts)), WINDOW):
        stop = start + WINDOW
        yield texts[start:stop], None if text_pairs is None else text_pairs[start:stop]


def _concatenate(parts: Sequence[Predictions]) -> Predictions:
    first = parts[0]
    return Predictions(
        names=first.names,
        problem=first.problem,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        exits=np.concatenate([part.exits for part in parts]),
        layers=np.concatenate([part.layers for part in parts]),
        truncated=np.concatenate([part.truncated for part in parts]),
        tokens=np.concatenate([part.tokens for part in parts]),
        top_k=first.top_k,
    )
