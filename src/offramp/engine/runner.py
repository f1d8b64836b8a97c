"""A cascade at work: every way in which rooms have texts run through one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from offramp.engine.ahead import ahead
from offramp.engine.cascade import Cascade
from offramp.engine.choosing import WINDOW
from offramp.engine.predictions import Predictions, concatenated
from offramp.engine.run import OnLeaving, Passage
from offramp.errors import OptionError
from offramp.model.encoding import Encoded
from offramp.policy import ExitRule

_Made = TypeVar("_Made")
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
            message = f"token_budget is {self.token_budget}; it must be at least 1"
            raise OptionError(message, option="token_budget", value=self.token_budget)

    def prepare(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        rule: ExitRule,
        on_leaving: OnLeaving | None = None,
    ) -> Passage:
        """Begins a window of texts, as far as that goes well beside the computing of other texts."""
        passage = Passage(self.cascade, texts, text_pairs, rule, self.token_budget, on_leaving)
        passage.prepare()
        return passage

    def complete(
        self, passage: Passage, top_k: int | None = 1, *, on_rows: Callable[[int], None] = lambda rows: None
    ) -> Predictions:
        """Runs the rest of what :meth:`prepare` began; ``on_rows`` is told how many of its rows have left so far."""
        passage.complete(on_rows)
        handed_over = passage.handed_over if passage.may_hand_over else None
        return self.predictions(
            passage.probabilities, passage.exits, passage.tokens, passage.truncated, top_k, handed_over
        )

    def predict(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None, rule: ExitRule, top_k: int | None = 1
    ) -> Predictions:
        """Classifies texts, a window after the other."""

        def prepare(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Passage:
            return self.prepare(texts, text_pairs, rule)

        parts = [self.complete(passage, top_k) for passage in by_windows(prepare, texts, text_pairs)]
        return parts[0] if len(parts) == 1 else concatenated(parts)

    def tokens(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.int64]:
        """Tokens of each text as full depth reads it, all windows together, (rows,)."""
        return self.cascade.encoders[-1].read(texts, text_pairs).tokens.sum(axis=0)

    def reads_of(self, texts: Sequence[str], text_pairs: Sequence[str] | None) -> NDArray[np.int64]:
        """:meth:`reads` of texts."""
        return self.reads(self.cascade.encoders[-1].read(texts, text_pairs))

    def reads(self, read: Encoded) -> NDArray[np.int64]:
        """Tokens of each row that each stage reads, (exits, rows), given what the last encoder has read of them.

        Stages of other members count as if they read all of a row. A stage reads 0 of rows that never come to it.
        """
        cascade, tokens = self.cascade, read.tokens
        reads = np.repeat(tokens.sum(axis=0)[None], len(cascade.places), axis=0)
        if cascade.read_on is not None:
            first = len(cascade.members) - cascade.read_on.windows
            for exit_index, (member, _) in enumerate(cascade.places):
                if member >= first:
                    reads[exit_index] = tokens[member - first] if member - first < len(tokens) else 0
        return reads

    def predictions(
        self,
        probabilities: NDArray[np.float64],
        exits: NDArray[np.int64],
        tokens: NDArray[np.int64],
        truncated: NDArray[np.bool_],
        top_k: int | None,
        handed_over: NDArray[np.bool_] | None = None,
    ) -> Predictions:
        """Puts together what is known of texts that have left; each (rows,), the probabilities (rows, labels).

        ``handed_over`` is None where the rule hands nothing over.
        """
        cascade = self.cascade
        return Predictions(
            names=cascade.labels,
            exit_names=cascade.names,
            problem=cascade.problem,
            probabilities=probabilities,
            exits=exits,
            layers=np.asarray(cascade.layers)[exits],
            truncated=truncated,
            tokens=tokens,
            handed_over=np.zeros(len(exits), np.bool_) if handed_over is None else handed_over,
            may_hand_over=handed_over is not None,
            top_k=top_k,
        )


def by_windows(
    make: Callable[[Sequence[str], Sequence[str] | None], _Made],
    texts: Sequence[str],
    text_pairs: Sequence[str] | None,
) -> Iterator[_Made]:
    """What ``make`` makes of each window; where there are several, the next is made while one is worked on."""
    made = (make(*window) for window in windows(texts, text_pairs))
    return ahead(made) if len(texts) > WINDOW else made  # a thread for one text would cost more than it saves


def windows(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Iterator[_Window]:
    """Texts that are sorted and batched together; at least one window, be it empty."""
    for start in range(0, max(1, len(texts)), WINDOW):
        stop = start + WINDOW
        yield texts[start:stop], None if text_pairs is None else text_pairs[start:stop]
