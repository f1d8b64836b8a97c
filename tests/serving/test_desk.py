"""What the server promises, on a clock that only computing moves: nothing is lost, answered twice, late or starved."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.simulated import FIXED, PER_TOKEN, PROBLEM, Table, World, point, table
from offramp.policy import replay
from offramp.serving.shapes import Shapes

ROWS = 40
THRESHOLDS = [None, point(0.0), point(0.5), point(0.95), point(1.01)]


@st.composite
def requests(draw):
    """Times, texts, points, deadlines and times at which clients leave."""
    rows = st.tuples(st.integers(0, ROWS - 1), st.integers(1, 40))
    request = st.fixed_dictionaries(
        {
            "gap": st.sampled_from([0.0, 0.001, 0.01, 0.2]),
            "rows": st.lists(rows, min_size=1, max_size=12),
            "own": st.sampled_from(THRESHOLDS),
            "patience": st.sampled_from([None, None, 0.004, 0.03]),
            "leaves": st.sampled_from([None, None, None, 0.0, 0.005, 0.05]),
        }
    )
    return draw(st.lists(request, max_size=12))


@settings(max_examples=150)
@given(
    requests(),
    st.integers(1, 5),
    st.sampled_from([1, 30, 400]),
    st.sampled_from([Shapes(), Shapes((8, 16, 32, 64), (1, 2, 4, 8, 16))]),
    st.sampled_from([0.0, 0.01, 1.0]),
)
def test_every_request_gets_one_answer_and_that_of_replay(asked, stages, budget, shapes, wait):
    """Rows of one request keep their order, rows of one batch their own thresholds, and nobody works for the gone."""
    logits = table(stages, ROWS)
    world = World(Table(logits), budget=budget, shapes=shapes, wait=wait)
    time, jobs = 0.0, []
    for request in asked:
        time += request["gap"]
        keys, lengths = zip(*request["rows"], strict=True)
        deadline = float("inf") if request["patience"] is None else time + request["patience"]
        job = world.ask(time, keys, lengths, own=request["own"], deadline=deadline)
        left = min(deadline, float("inf") if request["leaves"] is None else time + request["leaves"])
        if left < float("inf"):
            world.at(left, lambda job=job: job.open and world.desk.drop(job))
        jobs.append((job, list(keys), request["own"] or world.normal, left))
    world.run()

    answered = Counter(id(job) for _, job in world.ended)
    assert set(answered.values()) <= {1}
    ended = {id(job): time for time, job in world.ended}
    for job, keys, where, left in jobs:
        if id(job) not in answered:
            assert left < float("inf")
            continue
        # A step that was under way when the client left may still end.
        assert ended[id(job)] <= left + FIXED + PER_TOKEN * 16 * 64
        expected = replay(PROBLEM.probabilities(logits[:, keys]), where.rule)
        np.testing.assert_array_equal(job.exits, expected.exits)
        np.testing.assert_array_equal(job.probabilities, expected.probabilities)
        assert not job.degraded
    for begun, step in world.steps:
        assert all(begun < row.job.deadline for row in step.rows)
        assert all(left > begun for row in step.rows for job, _, _, left in jobs if job is row.job)
    look = world.desk.look(world.clock)
    assert (look.depth, look.age) == (0, 0.0)


def test_nobody_computes_what_is_not_needed():
    logits = table(4, ROWS)
    world = World(Table(logits))
    world.ask(0.0, range(ROWS), [10] * ROWS)
    world.run()
    exits = replay(PROBLEM.probabilities(logits), world.normal.rule).exits
    assert sorted(world.stages.ran) == sorted((stage, row) for row in range(ROWS) for stage in range(exits[row] + 1))


def test_answers_go_out_as_rows_leave():
    """Two texts in one batch: the one that is sure has its answer before the other's next stage."""
    logits = np.zeros((3, 2, 3), np.float32)
    logits[0, 0] = [9, 0, 0]
    world = World(Table(logits))
    easy, hard = world.ask(0.0, [0], [10]), world.ask(0.0, [1], [10])
    world.run()
    assert [len(step.rows) for _, step in world.steps] == [2, 1, 1]
    assert [job for _, job in world.ended] == [easy, hard]
    assert world.ended[0][0] == pytest.approx(FIXED + 20 * PER_TOKEN)


def test_new_rows_join_those_under_way():
    """While a text waits behind an exit for company, others come, and its next stage runs with theirs."""
    logits = np.zeros((2, 40, 3), np.float32)
    world = World(Table(logits), budget=2000, step=1.0, wait=10.0)
    world.ask(0.0, [0], [10])
    world.ask(0.001, range(1, 40), [10] * 39)
    world.run()
    assert [(step.stage, len(step.rows)) for _, step in world.steps] == [(0, 1), (0, 39), (1, 40)]


def test_rows_behind_an_exit_wait_for_company_only_so_long():
    logits = np.zeros((2, 200, 3), np.float32)
    world = World(Table(logits), step=0.02, wait=0.03)
    world.ask(0.0, [0], [10])
    for number in range(1, 200):
        world.ask(0.001 * number, [number], [10])
    world.run()
    joined = {}
    for begun, step in world.steps:
        for row in step.rows:
            if step.stage == 0:
                joined[row] = begun + FIXED + PER_TOKEN * step.tokens
            else:
                # Longer by at most the step that was running.
                assert begun - joined[row] <= 0.03 + FIXED + PER_TOKEN * 200


def test_an_idle_server_never_waits():
    world = World(Table(np.zeros((3, 1, 3), np.float32)), wait=10.0)
    world.ask(0.0, [0], [10])
    world.run()
    assert world.clock == pytest.approx(3 * (FIXED + 10 * PER_TOKEN))


def test_a_small_request_does_not_wait_for_a_large_one():
    logits = np.zeros((1, 600, 3), np.float32)
    world = World(Table(logits), budget=400)
    large = world.ask(0.0, range(500), [20] * 500)
    small = world.ask(0.01, [599], [20])
    world.run()
    ended = {id(job): time for time, job in world.ended}
    longest = FIXED + 400 * PER_TOKEN
    assert ended[id(small)] <= 0.01 + 2 * longest
    assert ended[id(large)] > 20 * longest


def test_two_large_requests_share():
    world = World(Table(np.zeros((1, 600, 3), np.float32)), budget=100)
    first = world.ask(0.0, range(300), [10] * 300)
    second = world.ask(0.001, range(300, 600), [10] * 300)
    world.run()
    (one, _), (other, _) = world.ended
    assert {first, second} == {job for _, job in world.ended}
    assert other - one < 0.1 * other


def test_a_request_is_not_overtaken_without_end():
    """For long, twice as many single texts come as can be begun; one with eight texts has its turn among them."""
    world = World(Table(np.zeros((1, 2000, 3), np.float32)), budget=100)
    singles = [world.ask(number * 0.002, [number], [20]) for number in range(1500)]
    several = world.ask(0.2001, range(1600, 1608), [20] * 8)
    world.run()
    last = max(place for place, (_, step) in enumerate(world.steps) if any(row.job is several for row in step.rows))
    begun = {id(row.job) for _, step in world.steps[:last] for row in step.rows}
    overtaking = sum(id(job) in begun for job in singles[101:])
    assert 20 * overtaking <= 8 * 20
    assert last < len(world.steps) / 4


def test_rows_of_one_length_run_together():
    world = World(Table(np.zeros((1, 40, 3), np.float32)), budget=200, step=1.0)
    world.ask(0.0, range(40), [20, 5] * 20)
    world.run()
    assert all(len({row.length for row in step.rows}) == 1 for _, step in world.steps)


def test_rows_run_together_if_that_saves_time():
    """One step for two rows of nearly one length; two for a short and a long one."""
    for lengths, steps in (((20, 18), 1), ((40, 5), 2)):
        world = World(Table(np.zeros((1, 40, 3), np.float32)), budget=200, step=1.0)
        for tokens in (20, 60, 100, 200) * 10:
            world.desk.costs.learn(0, tokens, FIXED + PER_TOKEN * tokens)
        world.ask(0.0, range(2), lengths)
        world.run()
        assert len(world.steps) == steps


def test_batches_have_the_shapes_that_are_prepared():
    shapes = Shapes((8, 16, 32, 64), (1, 2, 4, 8, 16))
    world = World(Table(table(3, ROWS)), shapes=shapes)
    world.ask(0.0, range(ROWS), [1 + 40 * row // ROWS for row in range(ROWS)])
    world.run()
    assert {step.length for _, step in world.steps} <= set(shapes.lengths)
    assert {len(step.rows) for _, step in world.steps} <= set(shapes.rows)


def test_a_step_takes_no_longer_than_allowed():
    """Once the costs are learned; what they were thought to be before does not matter."""
    world = World(Table(np.zeros((1, 2000, 3), np.float32)), budget=100_000, step=0.01)
    world.ask(0.0, range(2000), [10] * 2000)
    world.run()
    taken = [FIXED + PER_TOKEN * step.tokens for _, step in world.steps]
    assert max(taken[20:]) <= 0.011 + FIXED * 10


def test_under_load_texts_leave_earlier_and_say_so():
    logits = np.zeros((4, 400, 3), np.float32)
    world = World(Table(logits), degraded=point(0.0, "fast"), above=0.05)
    jobs = [world.ask(0.0005 * number, [number], [20]) for number in range(400)]
    own = world.ask(0.1, [0], [20], own=point(1.01))
    late = world.ask(100.0, [0], [20])
    world.run()
    assert len(world.ended) == 402
    degraded = [job for job in jobs if job.degraded]
    assert 0 < len(degraded) < 400
    assert all((job.exits[0], job.point.name) == (0, "fast") for job in degraded)
    assert all(job.exits[0] == 3 for job in jobs if not job.degraded)
    assert own.exits[0] == 3
    assert not own.degraded
    assert not late.degraded


def test_load_is_over_when_it_is_well_over():
    world = World(Table(np.zeros((1, 1, 3), np.float32)), degraded=point(0.0), above=0.1)
    modes = [str(world.desk.in_force.look(age, False)) for age in (0.05, 0.11, 0.05, 0.02, 0.05)]
    assert modes == ["normal", "degraded", "degraded", "normal", "normal"]


def test_audits_run_in_idle_time_only_and_find_what_differs():
    """Early answers of label 0 that the last exit calls 1: every audit of one differs."""
    logits = np.zeros((3, 300, 3), np.float32)
    logits[0, :, 0] = 9
    logits[2, :150, 1] = 9
    logits[2, 150:, 0] = 9
    world = World(Table(logits), audit_share=1.0, expected=None)
    jobs = [world.ask(0.0, [number], [10]) for number in range(200)]
    world.run()
    audits = [(begun, step) for begun, step in world.steps if step.audit]
    assert all(not step.audit for _, step in world.steps[: len(world.steps) - len(audits)])
    assert all(job.exits[0] == 0 for job in jobs)
    found = world.desk.auditor.found
    assert found.looked == 200
    assert found.recent().value == 0.75


def test_after_an_alarm_texts_leave_at_the_safe_point():
    logits = np.zeros((2, 1, 3), np.float32)
    logits[0, 0, 0] = logits[1, 0, 1] = 9
    world = World(Table(logits), audit_share=1.0, expected=0.02, safe=point(1.01, "full depth"))
    jobs = [world.ask(0.1 * number, [0], [10]) for number in range(100)]
    world.run()
    assert world.desk.auditor.found.raised is not None
    exits = [int(job.exits[0]) for job in jobs]
    assert exits == sorted(exits)
    assert exits.count(0) <= 20
    assert jobs[-1].point.name == "full depth"


SINGLE, SEVERAL = (lambda chance: 1), (lambda chance: chance.randint(1, 8))
EVEN, TWO_KINDS = (lambda chance: chance.randint(5, 40)), (lambda chance: 5 if chance.random() < 0.7 else 120)
MIXES = {
    "single texts": (SINGLE, EVEN),
    "short and long ones": (SINGLE, TWO_KINDS),
    "several texts": (SEVERAL, EVEN),
    "a few large requests": (lambda chance: 1 if chance.random() < 0.97 else 150, EVEN),
}


def overloaded(mix, times, limit, seed, seconds=8.0):
    """A world in which requests come at random, so many times as often as they can be answered."""
    texts, tokens = MIXES[mix]
    chance = random.Random(seed)
    exits = chance.choices(range(4), [4, 3, 1, 2], k=200)
    logits = np.zeros((4, 200, 3), np.float32)
    for key, exit_index in enumerate(exits):
        logits[exit_index:, key, 0] = 9
    sizes = [texts(chance) * tokens(chance) for _ in range(2000)]
    rate = times / (np.mean(sizes) * PER_TOKEN * np.mean([1 + one for one in exits]))
    world = World(Table(logits), budget=2000, limit=limit)
    time = 0.0
    while (time := time + chance.expovariate(rate)) < seconds:
        lengths = [tokens(chance) for _ in range(texts(chance))]
        world.ask(time, [chance.randrange(200) for _ in lengths], lengths)
    world.run()
    return world


def tokens_a_second(world):
    return sum(int(job.tokens.sum()) for _, job in world.ended) / world.clock


@pytest.mark.parametrize("mix", MIXES)
def test_under_overload_nobody_waits_longer_than_the_limit(mix):
    """Those who would are told at once, but for a few; and the server gets about as much done as with any queue."""
    most = tokens_a_second(overloaded(mix, 1.5, 100.0, seed=0))
    for times, limit in ((1.5, 1.0), (3.0, 1.0), (3.0, 0.2)):
        world = overloaded(mix, times, limit, seed=int(times))
        assert max(job.begun - job.arrived for _, job in world.ended) <= limit
        assert len(world.late) <= 0.1 * len(world.ended)
        assert world.refused
        assert tokens_a_second(world) > 0.8 * most


def test_the_wait_of_a_new_request_is_told():
    world = World(Table(np.zeros((1, 300, 3), np.float32)))
    assert world.desk.wait(1) == 0.0
    for number in range(200):
        world.ask(0.0, [number], [10])
    told = []
    world.at(0.03, lambda: told.append((world.clock, world.desk.wait(1), world.desk.look(world.clock).depth)))
    last = world.ask(0.03, [299], [10])
    world.run()
    ((_, wait, depth),) = told
    assert depth > 50
    taken = next(begun for begun, step in world.steps if any(row.job is last for row in step.rows)) - 0.03
    assert wait == pytest.approx(taken, rel=0.5)
