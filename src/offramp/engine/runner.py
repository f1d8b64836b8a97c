"""A cascade at work: every way in which rooms have texts run through one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from offramp.engine.cascade import Cascade
from offramp.engine.portions import by_portions
from offramp.engine.predictions import Predictions, concatenated, predictions_of
from offramp.engine.run import OnLeaving, Passage
from offramp.errors import OptionError, is_count
from offramp.policy import ExitRule


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
        if not is_count(self.token_budget):
            message = f"token_budget is {self.token_budget!r}; it must be at least 1"
            raise OptionError(message, option="token_budget", value=self.token_budget)

    def prepare(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        rule: ExitRule,
        on_leaving: OnLeaving | None = None,
    ) -> Passage:
        """Begins a portion of texts, as far as that goes well beside the computing of other texts."""
        passage = Passage(self.cascade, texts, text_pairs, rule, self.token_budget, on_leaving)
        passage.prepare()
        return passage

    def complete(
        self, passage: Passage, top_k: int | None = 1, *, on_rows: Callable[[int], None] = lambda rows: None
    ) -> Predictions:
        """Runs the rest of what :meth:`prepare` began; ``on_rows`` is told how many of its rows have left so far."""
        passage.complete(on_rows)
        handed_over = passage.handed_over if passage.may_hand_over else None
        return predictions_of(
            self.cascade, passage.probabilities, passage.exits, passage.tokens, passage.truncated, top_k, handed_over
        )

    def predict(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None, rule: ExitRule, top_k: int | None = 1
    ) -> Predictions:
        """Classifies texts, a portion after the other."""

        def prepare(texts: Sequence[str], text_pairs: Sequence[str] | None) -> Passage:
            return self.prepare(texts, text_pairs, rule)

        parts = [self.complete(passage, top_k) for passage in by_portions(prepare, texts, text_pairs)]
        return parts[0] if len(parts) == 1 else concatenated(parts)
