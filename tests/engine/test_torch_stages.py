import numpy as np
import pytest
import torch

from conftest import FAMILIES, LAYERS, VOCABULARY, tiny_network
from offramp.engine.batching import batches
from offramp.engine.torch_stages import TorchStages
from offramp.model.encoding import Encoded

EXITS = (1, 2, LAYERS)


def batch_of(lengths, pairs=False, seed=0):
    random = np.random.default_rng(seed)
    ids = [random.integers(5, VOCABULARY, length).tolist() for length in lengths]
    types = [[int(position > 1) for position in range(length)] for length in lengths] if pairs else None
    encoded = Encoded(ids, types, np.array(lengths), np.zeros(len(lengths), np.bool_))
    return next(batches(encoded, 10**6, 0))


def whole(network, batch):
    inputs = {"input_ids": batch.input_ids, "attention_mask": batch.mask.astype(np.int64)}
    if batch.token_type_ids is not None:
        inputs["token_type_ids"] = batch.token_type_ids
    with torch.no_grad():
        logits = network(**{name: torch.from_numpy(array) for name, array in inputs.items()}).exit_logits
    return logits.numpy().swapaxes(0, 1)


@pytest.mark.parametrize("lengths", [[9, 4, 1], [5, 5], [1]])
@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
def test_stages_give_the_networks_logits(pooling, pairs, lengths):
    network, batch = tiny_network(pooling=pooling), batch_of(lengths, pairs)
    stages, expected = TorchStages(network), whole(network, batch)
    assert stages.layers == EXITS
    rows = stages.start(batch)
    assert rows.logits.shape == (len(lengths), 0)
    for stage in range(len(EXITS)):
        rows = stages.run(stage, rows)
        assert rows.logits.dtype == np.float32
        np.testing.assert_allclose(rows.logits, expected[stage], atol=1e-5)
        for earlier in range(stage + 1):
            np.testing.assert_allclose(stages.head(earlier, rows), expected[earlier], atol=1e-5)
    assert rows.ids.tolist() == batch.ids.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_run_all_is_the_last_exit(family):
    network, batch = tiny_network(family), batch_of([9, 4, 1])
    stages = TorchStages(network)
    np.testing.assert_allclose(stages.run_all(stages.start(batch)).logits, whole(network, batch)[-1], atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("staying", [[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]])
def test_keep_compacts(family, pooling, staying):
    if pooling == "pooler" and family != "bert":
        pooling = "cls"
    network, batch = tiny_network(family, pooling=pooling), batch_of([20, 7, 7, 2])
    stages, expected = TorchStages(network), whole(network, batch)
    mask = np.array(staying, bool)
    rows = stages.keep(stages.run(0, stages.start(batch)), mask)
    assert rows.ids.tolist() == batch.ids[mask].tolist()
    assert rows.lengths.tolist() == batch.lengths[mask].tolist()
    np.testing.assert_array_equal(rows.logits.shape, (mask.sum(), 3))
    assert rows.state.layers.hidden.shape[:2] == (mask.sum(), batch.lengths[mask].max())
    assert rows.state.history.shape[:2] == (mask.sum(), 1)
    for stage in (1, 2):
        rows = stages.run(stage, rows)
        np.testing.assert_allclose(rows.logits, expected[stage][mask], atol=5e-5)


def test_without_padding_there_is_no_mask():
    stages = TorchStages(tiny_network())
    assert stages.start(batch_of([5, 5])).state.layers.mask is None
    rows = stages.start(batch_of([5, 5, 4]))
    assert rows.state.layers.mask is not None
    rows = stages.keep(stages.run(0, rows), np.array([True, True, False]))
    assert rows.state.layers.mask is None
    assert rows.state.layers.context == (None,)  # nor one inside attention


def test_dropout_is_off_and_gradients_too():
    network = tiny_network().train()
    stages = TorchStages(network)
    assert not network.training
    rows = stages.run(0, stages.start(batch_of([5])))
    assert not rows.state.layers.hidden.requires_grad
