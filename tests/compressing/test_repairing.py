"""The closed form of a repair, and what it does to an encoder."""

import copy

import numpy as np
import pytest
import torch

from conftest import VOCABULARY, tiny_network
from offramp.compressing.activations import activity, energy, input_of, some_batches
from offramp.compressing.repairing import refit, repair
from offramp.model.encoding import Encoded
from offramp.model.padding import batch_of
from offramp.model.widths import feed_forwards


def rows(number, seed=0):
    random = np.random.default_rng(seed)
    ids = [random.integers(5, VOCABULARY, random.integers(1, 12)).tolist() for _ in range(number)]
    return Encoded(ids, None, np.array([len(one) for one in ids]), np.zeros(number, np.bool_))


@pytest.mark.parametrize("ridge", [1e-6, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("tokens", [5, 400])
def test_a_refit_is_never_worse_than_none_on_its_rows(ridge, tokens):
    generator = torch.Generator().manual_seed(0)
    inputs, missing = (torch.randn(tokens, size, generator=generator).double() for size in (12, 7))
    change = refit(inputs.T @ inputs, inputs.T @ missing, ridge)
    assert (missing - inputs @ change).square().sum() <= missing.square().sum()
    # At the minimum the slope of error and penalty is 0.
    slope = inputs.T @ (inputs @ change - missing) + ridge * (inputs.T @ inputs).diagonal().mean() * change
    assert slope.abs().max() < 1e-6 * (inputs.T @ missing).abs().max()


def test_energies_are_those_of_tokens_and_not_of_padding():
    network, encoded = tiny_network(), rows(30)
    found = [energy(neurons) for _, neurons in activity(network.stack, some_batches(encoded, 0, 10**6, 0))]
    blocks = feed_forwards(network.stack)
    expected = [torch.zeros(64, dtype=torch.float64) for _ in blocks]
    for row in range(30):
        state = network.stack.embed(batch_of(encoded, np.array([row]), 0).inputs(torch.device("cpu")))
        for index, block in enumerate(blocks):
            with torch.no_grad(), input_of(block.down) as seen:
                state = network.stack.layer(state, index)
            expected[index] += seen[0][0].double().square().sum(0)
    for mine, total in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, total.numpy() / encoded.lengths.sum(), rtol=1e-4)


def test_some_batches_are_as_large_as_asked():
    encoded = rows(200)
    sizes = [sum(int(batch.lengths.sum()) for batch in some_batches(encoded, 0, tokens, 1)) for tokens in (50, 10**6)]
    assert 50 <= sizes[0] <= 62
    assert sizes[1] == encoded.lengths.sum()


def states_of(network, batches):
    with torch.no_grad():
        return torch.cat([network(**batch.inputs(torch.device("cpu"))).exit_logits for batch in batches])


@pytest.mark.parametrize("family", ["bert", "distilbert", "mpnet", "modernbert"])
def test_a_repair_brings_answers_closer_to_the_originals(family):
    network = tiny_network(family)
    narrow = copy.deepcopy(network)
    for block in feed_forwards(narrow.stack):
        block.keep(torch.arange(0, 64, 2))
    fitting, fresh = some_batches(rows(300), 0, 10**6, 0), some_batches(rows(60, seed=1), 0, 10**6, 0)
    expected, broken = states_of(network, fresh), states_of(narrow, fresh)
    told = []
    repair(network.stack, narrow.stack, fitting, lambda *one: told.append(one))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    better = states_of(narrow, fresh)
    assert (better - expected).square().mean() < 0.8 * (broken - expected).square().mean()
    torch.testing.assert_close(states_of(network, fresh), expected)


def test_a_repair_of_what_is_whole_changes_nothing_to_speak_of():
    network = tiny_network()
    same = copy.deepcopy(network)
    batches = some_batches(rows(80), 0, 10**6, 0)
    repair(network.stack, same.stack, batches)
    torch.testing.assert_close(states_of(same, batches), states_of(network, batches), atol=1e-4, rtol=1e-4)
