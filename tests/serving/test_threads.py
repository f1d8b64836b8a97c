"""Whose fault a failing step is, found out with bounded work."""

import math
import threading

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.simulated import LABELS, PROBLEM, Table, World, encoded_of, table
from offramp.policy import replay
from offramp.serving.jobs import Job
from offramp.serving.metrics import Metrics
from offramp.serving.threads import ComputeThreads
from offramp.serving.watching import Watcher

ROWS = 40


class Poisoned(Table):
    """Stages that fail where a batch holds one of some texts; text 0 is the row that means nothing."""

    def __init__(self, logits, poison):
        super().__init__(logits)
        self.poison = poison
        self.failures = 0
        self.broken = False

    def later(self, stage, state, lengths):
        keys = {int(key) for key in state.hidden[:, 0, 0]}
        if self.broken or any((stage, key) in self.poison for key in keys):
            self.failures += 1
            raise RuntimeError("cannot be computed")
        return super().later(stage, state, lengths)


class Running:
    """The threads of a world, its clock apart; all jobs are there before they start."""

    def __init__(self, stages, requests):
        self.world = World(stages, budget=2000, step=10.0)
        self.changed = threading.Condition()
        self.threads = ComputeThreads(
            [self.world.computer],
            self.world.desk,
            self.changed,
            Watcher(lambda: None),
            Metrics([str(layers) for layers in stages.layers]),
            clock=lambda: 0.0,
        )
        self.ended = {}
        self.all_ended = threading.Event()
        self.jobs = [self.ask(keys) for keys in requests]

    def ask(self, keys):
        job = Job(
            [str(key) for key in keys], None, encoded_of(keys, [10] * len(keys)), LABELS, None, float("inf"), self._done
        )
        with self.changed:
            assert self.world.desk.admit(len(keys)) is None
            self.world.desk.add(job, 0.0)
            self.changed.notify()
        return job

    def _done(self, job, error):
        assert job not in self.ended
        self.ended[job] = error
        if len(self.ended) == len(self.jobs):
            self.all_ended.set()

    def run(self):
        self.threads.start()
        try:
            assert self.all_ended.wait(20)
        finally:
            self.threads.stop()


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, ROWS - 1), min_size=1, max_size=4), min_size=1, max_size=20),
    st.sets(st.tuples(st.integers(0, 2), st.integers(1, ROWS - 1)), max_size=4),
)
def test_a_text_that_fails_takes_nobody_with_it(requests, poison):
    """At any stage: the others get the answers that they would have had, and the number of failures is bounded."""
    logits = table(3, ROWS)
    stages = Poisoned(logits, poison)
    running = Running(stages, requests)
    rule = running.world.normal.rule
    running.run()
    reached = replay(PROBLEM.probabilities(logits), rule).exits
    culprits = {key for stage, key in poison if reached[key] >= stage}
    for job, keys in zip(running.jobs, requests, strict=True):
        assert (running.ended[job] is not None) == bool(culprits & set(keys))
        if running.ended[job] is None:
            expected = replay(PROBLEM.probabilities(logits[:, keys]), rule)
            np.testing.assert_array_equal(job.exits, expected.exits)
            np.testing.assert_array_equal(job.probabilities, expected.probabilities)
    rows = sum(key in culprits for keys in requests for key in keys)
    assert stages.failures <= rows * (1 + math.ceil(math.log2(80)))


def test_a_text_beside_two_of_a_failing_request_is_answered():
    """When the first of the two has failed, the second is nobody's any more, and yet in the other half."""
    running = Running(Poisoned(table(3, ROWS), {(0, 1)}), [[1, 1], [2]])
    running.run()
    assert [running.ended[job] is None for job in running.jobs] == [False, True]


def test_a_network_that_cannot_be_run_is_not_tried_for_every_text():
    stages = Poisoned(table(2, ROWS), set())
    stages.broken = True
    running = Running(stages, [[key] for key in range(1, ROWS)])
    running.run()
    assert all(isinstance(error, RuntimeError) for error in running.ended.values())
    assert stages.failures == 2  # the step, and the row that means nothing
    assert not running.threads.alive


def test_a_batch_that_only_fails_for_its_size_is_answered_in_parts():
    class Small(Table):
        def later(self, stage, state, lengths):
            if len(lengths) > 5:
                raise MemoryError
            return super().later(stage, state, lengths)

    running = Running(Small(table(2, ROWS)), [list(range(1, ROWS))])
    running.run()
    assert set(running.ended.values()) == {None}


def test_a_network_that_recovers_takes_steps_again(monkeypatch):
    monkeypatch.setattr("offramp.serving.threads._AGAIN", 0.01)
    stages = Poisoned(table(2, ROWS), set())
    stages.broken = True
    running = Running(stages, [[1], [2]])
    running.threads.start()
    try:
        assert running.all_ended.wait(20)
        stages.broken = False
        running.all_ended.clear()
        running.jobs.append(running.ask([3]))
        assert running.all_ended.wait(20)
        assert running.ended[running.jobs[-1]] is None
        assert running.threads.alive
    finally:
        running.threads.stop()
