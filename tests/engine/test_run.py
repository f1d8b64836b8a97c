"""The compacting loop: against replay, and counting what the layers really compute."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import FAMILIES, LAYERS, VOCABULARY, tiny_network
from helpers.cascades import cascade_of, leaving, logits_of
from offramp.calibration import Problem
from offramp.engine.batching import batches
from offramp.engine.stages import StageOutput
from offramp.engine.tensor_stages import HiddenBuffer, HiddenState
from offramp.engine.torch_stages import TorchStages
from offramp.model.encoding import Encoded
from offramp.policy import Confidence, ExitRule, Patience, Threshold, layers_run, replay

SINGLE, MULTI = Problem.SINGLE_LABEL, Problem.MULTI_LABEL
EXITS = (1, 2, LAYERS)
TEMPERATURES = (2.5, 0.8, 1.3)


@dataclass
class Numbers:
    """Stages without a network: row r has the logits ``table[stage, r]``. Keeps a record of who ran."""

    table: np.ndarray
    length_step: int = 1

    def __post_init__(self):
        self.ran = []
        self.shapes, self.memory = [], []

    @property
    def layers(self):
        return tuple(range(1, len(self.table) + 1))

    def first(self, batch):
        """The hidden state of a row is its id."""
        ids = torch.from_numpy(batch.ids)[:, None, None].expand(*batch.input_ids.shape, 1)
        return self.later(0, HiddenState(ids.clone(), ids[:, :0]), batch.lengths)

    def later(self, stage, state, lengths):
        rows, longest, _ = state.hidden.shape
        ids = state.hidden[:, 0, 0].numpy()
        assert (state.hidden == state.hidden[:, :1])[np.arange(longest) < lengths[:, None]].all()
        assert len(lengths) == rows
        assert longest >= lengths.max()
        assert state.history[:, :, 0].tolist() == [[row] * stage for row in ids]
        self.ran += [(stage, row) for row in ids.tolist()]
        self.shapes.append((rows, longest))
        self.memory.append(state.hidden)
        history = state.hidden[:, :1].expand(rows, stage + 1, 1)
        return StageOutput(HiddenState(state.hidden, history), self.table[stage, ids])

    def full(self, batch):
        return self.table[-1, batch.ids]

    def length(self, state):
        return state.hidden.shape[1]

    def buffer(self, like, rows, length):
        return HiddenBuffer(like, rows, length)


@dataclass(frozen=True)
class SameTwice(ExitRule):
    """A rule that needs its history: leaves when an exit agrees with the one before."""

    problem: Problem

    def decide(self, probabilities, history):
        assert history.shape[1:] == probabilities.shape
        if not len(history):
            return np.zeros(len(probabilities), bool)
        return self.problem.agree(probabilities, history[-1])

    def answer(self, probabilities, history):
        return probabilities

    def asks(self, exit_index):
        return True


class Everybody(ExitRule):
    def decide(self, probabilities, history):
        return np.ones(len(probabilities), bool)

    def answer(self, probabilities, history):
        return probabilities

    def asks(self, exit_index):
        return True


def encoded_of(lengths, seed=0):
    random = np.random.default_rng(seed)
    ids = [random.integers(5, VOCABULARY, length).tolist() for length in lengths]
    return Encoded(ids, None, np.array(lengths, np.int64), np.zeros(len(lengths), np.bool_))


def collect(parts, rows, labels):
    """The rows put back in order; fails where a row comes twice or not at all."""
    exits, probabilities = np.full(rows, -1), np.full((rows, labels), np.nan)
    for part in parts:
        assert (exits[part.ids] == -1).all()
        exits[part.ids] = part.exit
        probabilities[part.ids] = part.probabilities
    assert (exits >= 0).all()
    return exits, probabilities


@st.composite
def tables(draw):
    stages, rows, labels = draw(st.tuples(st.integers(1, 5), st.integers(0, 12), st.integers(2, 4)))
    seed = draw(st.integers(0, 2**16))
    return np.random.default_rng(seed).normal(scale=3, size=(stages, rows, labels)).astype(np.float32)


@settings(max_examples=80)
@given(
    tables(),
    st.integers(1, 60),
    st.sampled_from(
        [
            Threshold(0.6, Confidence(SINGLE)),
            Threshold(0.3, Confidence(MULTI)),
            Threshold(0.8, Confidence(SINGLE), answer_from=0.9),
            Threshold(3, Patience(SINGLE), answer_from=1),
            SameTwice(SINGLE),
            Everybody(),
        ]
    ),
)
def test_does_what_replay_does(table, budget, rule):
    problem = getattr(getattr(rule, "criterion", rule), "problem", SINGLE)
    stages, rows, labels = table.shape
    temperatures = tuple(0.5 + 0.4 * stage for stage in range(stages))
    numbers = Numbers(table)
    lengths = np.random.default_rng(rows).integers(1, 20, rows)
    found = list(leaving(cascade_of(numbers, problem, temperatures, labels), encoded_of(lengths), budget, rule))
    exits, probabilities = collect(found, rows, labels)
    calibrated = problem.probabilities(table, np.array(temperatures)[:, None, None])
    expected = replay(calibrated, rule)
    for part in found:
        np.testing.assert_array_equal(part.passed, calibrated[: part.exit + 1, part.ids])
        np.testing.assert_array_equal(part.handed_over, expected.handed_over[part.ids])
    np.testing.assert_array_equal(exits, expected.exits)
    np.testing.assert_array_equal(probabilities, expected.probabilities)
    # And nobody ran past the exit they took.
    ran = sorted(numbers.ran)
    assert ran == sorted((stage, row) for row in range(rows) for stage in range(exits[row] + 1))
    assert all(size == 1 or size * longest <= budget for size, longest in numbers.shapes)


def test_one_exit():
    numbers = Numbers(np.zeros((1, 3, 2), np.float32))
    exits, _ = collect(leaving(cascade_of(numbers, SINGLE, (1.0,), 2), encoded_of([1, 2, 3]), 9, Everybody()), 3, 2)
    assert exits.tolist() == [0, 0, 0]


def test_rows_come_out_as_they_leave():
    """A batch is only started when the one before is done, and results are handed out at once."""
    numbers = Numbers(np.zeros((2, 2, 2), np.float32))
    found = leaving(cascade_of(numbers, SINGLE, (1.0, 1.0), 2), encoded_of([5, 5]), 5, Everybody())
    assert next(found).ids.tolist() == [0]
    assert numbers.ran == [(0, 0)]


def test_survivors_fill_batches():
    """Half of each batch stays: every two batches make one full one behind the exit, and a rest at the end."""
    table = np.zeros((2, 20, 2), np.float32)
    table[0, ::2] = [9, 0]
    numbers, rule = Numbers(table), Threshold(0.9, Confidence(SINGLE))
    collect(leaving(cascade_of(numbers, SINGLE, (1.0, 1.0), 2), encoded_of([5] * 20), 20, rule), 20, 2)
    assert numbers.shapes == [(4, 5)] * 7 + [(2, 5)]
    assert [stage for stage, _ in numbers.ran] == [0] * 8 + [1] * 4 + [0] * 8 + [1] * 4 + [0] * 4 + [1] * 2


def test_survivors_that_differ_in_length_go_on_in_smaller_batches():
    """Rows of 20 and of 10 tokens are no company, once there are enough of either."""
    table = np.zeros((2, 24, 2), np.float32)
    table[0, ::2] = [9, 0]
    numbers, rule = Numbers(table), Threshold(0.9, Confidence(SINGLE))
    collect(leaving(cascade_of(numbers, SINGLE, (1.0, 1.0), 2), encoded_of([20] * 8 + [10] * 16), 160, rule), 24, 2)
    assert numbers.shapes == [(8, 20), (16, 10), (4, 20), (8, 10)]


def test_a_batch_that_stays_is_not_copied():
    numbers = Numbers(np.zeros((3, 8, 2), np.float32))
    rule = Threshold(2, Confidence(SINGLE))
    collect(leaving(cascade_of(numbers, SINGLE, (1.0,) * 3, 2), encoded_of([5] * 8), 20, rule), 8, 2)
    assert len(numbers.memory) == 6
    assert len({hidden.data_ptr() for hidden in numbers.memory}) == 2


def layer_calls(network):
    """Will hold the shape (rows, length) of every call of a layer, in order."""
    calls = []

    def note(module, args, output):
        calls.append(tuple((output if hasattr(output, "shape") else output[0]).shape[:2]))

    for layer in network.stack.layers:  # ALBERT has one, called again and again
        layer.register_forward_hook(note)
    return calls


@pytest.mark.parametrize("family", FAMILIES)
def test_network_equals_replay_and_computes_no_layer_too_many(family):
    network = tiny_network(family)
    stages = TorchStages(network)
    lengths = np.random.default_rng(3).integers(1, 40, 48)
    encoded, budget = encoded_of(lengths), 200
    logits = logits_of(stages, encoded, budget)
    everything = SINGLE.probabilities(logits, np.array(TEMPERATURES)[:, None, None])
    # Between two confidences, so that rounding decides nothing; where every exit is taken; in the widest such gap.
    confidences = np.sort(SINGLE.confidence(everything[:2], 0).ravel())
    rules = [Threshold(threshold, Confidence(SINGLE)) for threshold in (confidences[1:] + confidences[:-1]) / 2]
    gaps = [
        gap if len(set(replay(everything, rule).exits)) == len(EXITS) else 0.0
        for gap, rule in zip(np.diff(confidences), rules, strict=True)
    ]
    assert max(gaps) > 1e-4
    rule = rules[int(np.argmax(gaps))]

    calls = layer_calls(network)
    exits, probabilities = collect(
        leaving(cascade_of(stages, SINGLE, TEMPERATURES, 3), encoded, budget, rule), len(lengths), 3
    )
    expected = replay(everything, rule)
    np.testing.assert_array_equal(exits, expected.exits)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-4)
    assert set(exits) == {0, 1, 2}

    # Rows pad each other, and nothing else is computed beside what replay promises.
    tokens = layers_run(exits, EXITS, lengths) * lengths.sum()
    assert tokens <= sum(rows * longest for rows, longest in calls) <= 1.15 * tokens
    assert all(rows * longest <= budget for rows, longest in calls)


@pytest.mark.parametrize("family", FAMILIES)
def test_full_run_is_the_last_exit(family):
    stages = TorchStages(tiny_network(family))
    encoded = encoded_of([9, 4, 1, 9, 30])
    full = np.empty((5, 3))
    for batch in batches(encoded, 20, 0):
        full[batch.ids] = stages.full(batch)
    np.testing.assert_allclose(full, logits_of(stages, encoded, 60)[-1], atol=1e-4)
