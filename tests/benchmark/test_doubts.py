from dataclasses import replace

import pytest

from helpers.benchmark_rows import benchmark_row
from offramp.benchmark import Kind, Spread
from offramp.benchmark.doubts import HIGHEST_EFFICIENCY, WIDEST, doubts_of
from offramp.benchmark.result import Budget


def spread(median=100.0, low=0.97, high=1.03, rounds=5):
    return Spread(median, low * median, high * median, (median,) * rounds)


def row(name="a", offline=None, single=None, efficiency=(0.95, 0.9)):
    made = benchmark_row(name, offline or spread(), single or spread(10.0))
    first, second = efficiency
    return replace(
        made,
        offline=replace(made.offline, efficiency=first),
        single_stream=replace(made.single_stream, efficiency=second),
    )


def test_a_quiet_machine_leaves_no_doubt():
    assert doubts_of([row(), row("b", efficiency=(None, None)), row("c", efficiency=(1.05, 1.0))], 32, 500, 1) == ()
    assert doubts_of([row()], 20, 20, 1) == ()
    assert doubts_of([], 0, 20, 1) == ()


@pytest.mark.parametrize(
    ("rows", "doubt"),
    [
        ([row(), row("b", efficiency=(5.11, 0.9))], "b (1 thread) has an efficiency of 5.11, although more than 1 is"),
        ([row("b", efficiency=(None, HIGHEST_EFFICIENCY + 0.01)), row()], "b (1 thread) has an efficiency of 1.11,"),
        (
            [row(), row("b", offline=spread(low=0.6, high=1.2))],
            "the quartiles of b (1 thread) are a factor of 2.00 ap",
        ),
        ([row("b", single=spread(low=1.0, high=WIDEST + 0.01)), row()], "are a factor of 1.51 apart, more than 1.5"),
        ([row(offline=spread(rounds=2))], "there was time for only 2 of the 3 rounds that quartiles take"),
    ],
)
def test_what_cannot_be_built_on_is_named(rows, doubt):
    (found,) = doubts_of(rows, 32, 500, 1)
    assert doubt in found


def test_few_texts_are_no_batch():
    assert doubts_of([row()], 31, 500, 1) == ("31 texts were timed at once; it takes 32",)


def test_budgets_that_there_was_no_time_to_try_are_none_to_store():
    early = replace(row("b"), kind=Kind.EARLY_EXIT)
    assert doubts_of([row(), early], 32, 500, 1) == ()
    assert doubts_of([row(), early], 32, 500, 2) == ("there was no time to try token budgets for b (1 thread)",)
    tried = replace(early, offline=replace(early.offline, tried=(Budget(64, 1.0), Budget(128, 2.0))))
    assert doubts_of([row(), tried], 32, 500, 2) == ()
