"""How long it takes to get through what waits, learned from the steps that end while more waits than a step takes."""

import math
from collections.abc import Sequence

from offramp.serving.costs import Costs

# Each step counts a little less than the one after it: what counts is about the last second.
_FORGET = 0.98
# What is believed before anything was measured, and returns where nothing is: a full batch's seconds, and tokens.
_BELIEF, _TOKENS = 0.02, 200.0
# Rows of one length run together, so that some overtake others, and no estimate is exact. This share of requests is to
# wait no longer than was estimated times a factor, which is learned: it rises by so much with each that does.
_SURE, _LEARN = 0.95, 0.05
_CAUTION, _MOST_CAUTION = 1.5, 4.0
# What a pause of the machine costs says nothing about the next step.
_OUTLIER = 4.0


class Pace:
    """Turns waiting tokens into seconds.

    The work of a token is that of the stages it has before it, each weighted by the share of tokens that come so far,
    and computed in full batches. How long work takes is another matter: batches are not full, rows are padded, threads
    wait for each other, and the machine has other things to do. So it is measured, from one step's end to the next,
    over the work that was done meanwhile. A server with little to do runs small batches, which says nothing about one
    with much to do; it is therefore measured only while more waits than a step takes.

    Args:
        costs: what stages take.
        step: seconds that a step should take at most.
        threads: that compute at once.
    """

    def __init__(self, costs: Costs, step: float, threads: int) -> None:
        self._costs = costs
        self._step = step
        self._believed = 1.0 / threads
        self._elapsed = self._work = 0.0
        stages = len(costs.lines)
        # Until something is known, every row goes to the end.
        self._came, self._stayed = [_TOKENS] * stages, [_TOKENS] * stages
        self._rows, self._tokens = 1.0, 30.0
        self._tokenizing = 0.0
        self._caution = _CAUTION

    @property
    def tokens_a_row(self) -> float:
        """Mean tokens of a row."""
        return self._tokens / self._rows

    @property
    def tokenizing(self) -> float:
        """Seconds that the tokenizer takes for a text."""
        return self._tokenizing

    def tokenized(self, rows: int, tokens: int) -> None:
        """Takes the size of a request."""
        self._rows = _FORGET * self._rows + rows
        self._tokens = _FORGET * self._tokens + tokens

    def tokenized_in(self, rows: int, seconds: float) -> None:
        """Takes the time of the tokenizer."""
        self._tokenizing += (1 - _FORGET) * (seconds / rows - self._tokenizing)

    def stayed(self, stage: int, tokens: int, staying: int) -> None:
        """Takes how many of the tokens of a step go on to the next stage."""
        self._came[stage] = _FORGET * self._came[stage] + tokens
        self._stayed[stage] = _FORGET * self._stayed[stage] + staying

    def ended(self, stage: int, tokens: int, elapsed: float | None) -> None:
        """Takes the end of a step of so many tokens, padding not included, and the seconds since the one before it.

        Args:
            elapsed: None if less waited meanwhile than a step takes.
        """
        self._elapsed *= _FORGET
        self._work *= _FORGET
        if elapsed is not None:
            work = tokens * self._costs.rate(stage, self._step)
            self._elapsed += min(elapsed, _OUTLIER * work * self._slowness)
            self._work += work

    def waited(self, expected: float, seconds: float) -> None:
        """Takes how long a request waited to be begun, and how long it was expected to."""
        longer = seconds > self._caution * expected
        self._caution *= math.exp(_LEARN * (_SURE if longer else _SURE - 1.0))
        self._caution = min(max(1.0, self._caution), _MOST_CAUTION)

    def at_most(self, expected: float) -> float:
        """How long hardly any request waits that is expected to wait for so many seconds."""
        return self._caution * expected

    def seconds(self, tokens: Sequence[float]) -> float:
        """How long it takes until nothing is left of so many tokens at each stage, padding not included."""
        work = passing = 0.0
        for stage, waiting in enumerate(tokens):
            passing += waiting
            work += passing * self._costs.rate(stage, self._step)
            passing *= self._stayed[stage] / self._came[stage]
        return work * self._slowness

    @property
    def _slowness(self) -> float:
        """Seconds that pass for each second of work."""
        return (self._elapsed + _BELIEF * self._believed) / (self._work + _BELIEF)
