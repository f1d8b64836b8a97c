"""When a benchmark is too rough to build on: to choose token budgets by it, or to compare with it."""

from collections.abc import Sequence

from offramp.benchmark.contenders import Kind
from offramp.benchmark.result import BenchmarkRow, Spread
from offramp.data.wording import count

# Fewer rounds have no quartiles to speak of.
LEAST_ROUNDS = 3
# Fewer texts at once hardly make a batch.
LEAST_TEXTS = 32
# Quartiles further apart than this factor say that the machine was busy with other things.
WIDEST = 1.5
# Measured over possible at most. Both are measured, so a little above 1 is chance; more is a machine that was busy
# with other things while one of them was.
HIGHEST_EFFICIENCY = 1.1


def doubts_of(rows: Sequence[BenchmarkRow], timed_texts: int, texts: int, token_budgets: int) -> tuple[str, ...]:
    """Gives each reason why figures are too rough to build on, as a clause; nothing where they are not.

    Args:
        rows: what was measured.
        timed_texts: number of texts of the offline scenario, of so many ``texts`` that there are.
        token_budgets: number of those to choose from.
    """
    if not rows:
        return ()
    rounds = min(len(row.offline.texts_per_second.rounds) for row in rows)
    shakiest, width = max(((row, _width(row)) for row in rows), key=lambda pair: pair[1])
    luckiest, efficiency = max(((row, _efficiency(row)) for row in rows), key=lambda pair: pair[1])
    untried = [row for row in rows if row.kind is Kind.EARLY_EXIT and token_budgets > 1 and not row.offline.tried]
    doubts = []
    if rounds < LEAST_ROUNDS:
        doubts.append(f"{rounds} of the {LEAST_ROUNDS} rounds that quartiles take were done in the time")
    if timed_texts < min(LEAST_TEXTS, texts):
        doubts.append(
            f"{count(timed_texts, 'text was', 'texts were')} timed at once; it takes {min(LEAST_TEXTS, texts)}"
        )
    if untried:
        doubts.append(f"there was no time to try token budgets for {_name(untried[0])}")
    if width > WIDEST:
        doubts.append(f"the quartiles of {_name(shakiest)} are a factor of {width:.2f} apart, more than {WIDEST:g}")
    if efficiency > HIGHEST_EFFICIENCY:
        doubts.append(f"{_name(luckiest)} has an efficiency of {efficiency:.2f}, and more than 1 is not possible")
    return tuple(doubts)


def _name(row: BenchmarkRow) -> str:
    return f"{row.name} ({count(row.threads, 'thread')})"


def _width(row: BenchmarkRow) -> float:
    """The larger factor between the quartiles of both scenarios."""
    return max(_factor(row.offline.texts_per_second), _factor(row.single_stream.p50_of_rounds))


def _factor(spread: Spread) -> float:
    return spread.high / spread.low


def _efficiency(row: BenchmarkRow) -> float:
    """The larger of both scenarios; 0 where there is none."""
    return max(row.offline.efficiency or 0.0, row.single_stream.efficiency or 0.0)
