"""Whether a benchmark is too rough to choose token budgets by it or to compare with it."""

from collections.abc import Sequence

from offramp.benchmark.contenders import Kind
from offramp.benchmark.result import BenchmarkRow, Spread
from offramp.data.wording import count

# Fewer rounds have no meaningful quartiles.
LEAST_ROUNDS = 3
# Fewer texts hardly make a batch.
LEAST_TEXTS = 32
# If quartiles are further apart than this factor, the machine was busy with other things.
WIDEST = 1.5
# Measured speed over the highest possible speed. Both are measured, so slightly above 1 is chance; a higher value means
# that the machine was busy with other things during one of the two.
HIGHEST_EFFICIENCY = 1.1


def doubts_of(rows: Sequence[BenchmarkRow], timed_texts: int, texts: int, token_budgets: int) -> tuple[str, ...]:
    """The reasons why figures are too rough to build on, as clauses; empty if they are not.

    Args:
        rows: the result.
        timed_texts: number of texts in the offline scenario.
        texts: number of all texts.
        token_budgets: number of token budgets to choose from.
    """
    if not rows:
        return ()
    rounds = min(len(row.offline.texts_per_second.rounds) for row in rows)
    shakiest, width = max(((row, _width(row)) for row in rows), key=lambda pair: pair[1])
    luckiest, efficiency = max(((row, _efficiency(row)) for row in rows), key=lambda pair: pair[1])
    untried = [row for row in rows if row.kind is Kind.EARLY_EXIT and token_budgets > 1 and not row.offline.tried]
    doubts = []
    if rounds < LEAST_ROUNDS:
        doubts.append(f"there was time for only {rounds} of the {LEAST_ROUNDS} rounds that quartiles take")
    if timed_texts < min(LEAST_TEXTS, texts):
        doubts.append(
            f"{count(timed_texts, 'text was', 'texts were')} timed at once; it takes {min(LEAST_TEXTS, texts)}"
        )
    if untried:
        doubts.append(f"there was no time to try token budgets for {_name(untried[0])}")
    if width > WIDEST:
        doubts.append(f"the quartiles of {_name(shakiest)} are a factor of {width:.2f} apart, more than {WIDEST:g}")
    if efficiency > HIGHEST_EFFICIENCY:
        doubts.append(f"{_name(luckiest)} has an efficiency of {efficiency:.2f}, although more than 1 is impossible")
    return tuple(doubts)


def _name(row: BenchmarkRow) -> str:
    return f"{row.name} ({count(row.threads, 'thread')})"


def _width(row: BenchmarkRow) -> float:
    """The larger factor between the quartiles of both scenarios."""
    return max(_factor(row.offline.texts_per_second), _factor(row.single_stream.p50_of_rounds))


def _factor(spread: Spread) -> float:
    return spread.high / spread.low


def _efficiency(row: BenchmarkRow) -> float:
    """The larger efficiency of both scenarios; 0 if there is none."""
    return max(row.offline.efficiency or 0.0, row.single_stream.efficiency or 0.0)
