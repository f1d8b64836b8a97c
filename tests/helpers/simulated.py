"""A server in a world of its own: the desk, a network of numbers and a clock that only computing moves."""

import heapq
from dataclasses import dataclass, field

import numpy as np
import torch

from helpers.cascades import cascade_of
from offramp.backends import Engine
from offramp.calibration import Problem
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import HiddenState, TensorStages
from offramp.model.encoding import Encoded
from offramp.policy import Confidence, Threshold
from offramp.serving.audits import Auditor
from offramp.serving.computing import Computer
from offramp.serving.costs import costs_of
from offramp.serving.desk import Desk
from offramp.serving.jobs import Job
from offramp.serving.operating import InForce, NamedRule
from offramp.serving.pace import Pace
from offramp.serving.scheduler import Scheduler, StepLimits
from offramp.serving.shapes import Shapes

PROBLEM = Problem.SINGLE_LABEL
LABELS = 3
FIXED, PER_TOKEN = 0.002, 0.0001


def point(threshold, name=None):
    rule = Threshold(threshold, Confidence(PROBLEM))
    return NamedRule(name or f"{threshold}", rule, f"confidence at least {threshold}")


class Table(TensorStages):
    """Stages without a network: the first token of a text says which row of the table holds its logits."""

    def __init__(self, table):
        super().__init__(Engine("table", "fp32"), tuple(range(1, len(table) + 1)))
        self.table = table
        self.ran = []

    def first(self, batch):
        keys = torch.from_numpy(batch.input_ids[:, :1, None].copy())
        return self.later(0, HiddenState(keys.expand(*batch.input_ids.shape, 1), keys[:, :0]), batch.lengths)

    def later(self, stage, state, lengths):
        rows, longest, _ = state.hidden.shape
        keys = state.hidden[:, 0, 0].numpy()
        assert longest >= lengths.max()
        assert state.history[:, :, 0].tolist() == [[key] * stage for key in keys]
        self.ran += [(stage, key) for key in keys.tolist()]
        history = state.hidden[:, :1].expand(rows, stage + 1, 1)
        return StageOutput(HiddenState(state.hidden, history), self.table[stage, keys].copy())


def table(stages, rows, seed=0):
    return np.random.default_rng(seed).normal(scale=3, size=(stages, rows, LABELS)).astype(np.float32)


def encoded_of(keys, lengths):
    return Encoded(
        [[key] * length for key, length in zip(keys, lengths, strict=True)],
        None,
        np.array(lengths, np.int64),
        np.zeros(len(lengths), np.bool_),
    )


@dataclass
class World:
    """Runs a desk. ``at(time, action)`` plans something; :meth:`run` goes on until nothing is left to do."""

    stages: Table
    normal: NamedRule = field(default_factory=lambda: point(0.7))
    degraded: NamedRule | None = None
    safe: NamedRule | None = None
    above: float = 0.05
    audit_share: float = 0.0
    expected: float | None = 0.1
    step: float = 0.02
    wait: float = 0.01
    budget: int = 200
    shapes: Shapes = field(default_factory=Shapes)
    limit: float = float("inf")
    clock: float = 0.0

    def __post_init__(self):
        exits = len(self.stages.layers)
        self.computer = Computer(cascade_of(self.stages, PROBLEM, (1.0,) * exits, LABELS))
        costs = costs_of(exits, self.budget)
        scheduler = Scheduler(exits, self.shapes, costs, StepLimits(self.step, self.wait))
        auditor = Auditor(PROBLEM, exits - 1, self.audit_share, self.expected, seed=1)
        in_force = InForce(self.normal, self.degraded, self.above, self.safe)
        self.desk = Desk(scheduler, in_force, auditor, costs, Pace(costs, self.step, 1), self.limit)
        self.steps, self.ended, self.refused, self.late, self._planned, self._number = [], [], [], [], [], 0

    def at(self, time, action):
        heapq.heappush(self._planned, (time, self._number, action))
        self._number += 1

    def ask(self, time, keys, lengths, *, own=None, deadline=float("inf")):
        """Plans a request; gives its job."""
        texts = [str(key) for key in keys]
        job = Job(
            texts,
            None,
            encoded_of(keys, lengths),
            LABELS,
            own,
            deadline,
            lambda job, error: self.ended.append((self.clock, job)),
        )
        self.at(time, lambda: self._come(job))
        return job

    def _come(self, job):
        if self.desk.admit(len(job.texts)) is not None:
            self.refused.append(job)
            return
        self.desk.add(job, self.clock)

    def _happen(self):
        while self._planned and self._planned[0][0] <= self.clock:
            heapq.heappop(self._planned)[2]()

    def run(self):
        while True:
            self._happen()
            self.late += [(self.clock, job) for job in self.desk.overdue(self.clock)]
            step = self.desk.begin(self.clock)
            if step is None:
                if not self._planned:
                    return
                self.clock = self._planned[0][0]
                continue
            self.steps.append((self.clock, step))
            computed = self.computer.run(step)
            seconds = FIXED + PER_TOKEN * step.tokens
            end = self.clock + seconds
            while self._planned and self._planned[0][0] <= end:  # it happens while the step runs
                time, _, action = heapq.heappop(self._planned)
                self.clock = max(self.clock, time)
                action()
            self.clock = end
            for job in self.desk.settle(step, computed, seconds, self.clock):
                job.done(job, None)
