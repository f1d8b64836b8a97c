import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from conftest import FAMILIES, LAYERS, VOCABULARY, tiny_network
from offramp.engine.batching import batches
from offramp.engine.stages import gathered
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
    mask = np.arange(batch.input_ids.shape[1]) < batch.lengths[:, None]
    inputs = {"input_ids": batch.input_ids, "attention_mask": mask.astype(np.int64)}
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
    ran = stages.first(batch)
    for stage in range(len(EXITS)):
        ran = ran if stage == 0 else stages.later(stage, ran.state, batch.lengths)
        assert ran.logits.dtype == np.float32
        assert ran.state.history.shape[:2] == (len(lengths), EXITS[stage])
        np.testing.assert_allclose(ran.logits, expected[stage], atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_full_is_the_last_exit(family):
    network, batch = tiny_network(family), batch_of([9, 4, 1])
    np.testing.assert_allclose(TorchStages(network).full(batch), whole(network, batch)[-1], atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean", "pooler"])
@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("staying", [[0, 1, 3], [1, 2], [3], [3, 0, 1, 2]])
def test_rows_go_on_in_other_company(family, pooling, staying):
    if pooling == "pooler" and family != "bert":
        pooling = "cls"
    network, batch = tiny_network(family, pooling=pooling), batch_of([20, 7, 7, 2])
    stages, expected = TorchStages(network), whole(network, batch)
    state = stages.first(batch).state
    lengths = batch.lengths[staying]
    state = gathered(stages, [(state, np.array(staying))], int(lengths.max()))
    for stage in (1, 2):
        ran = stages.later(stage, state, lengths)
        state = ran.state
        np.testing.assert_allclose(ran.logits, expected[stage][staying], atol=5e-5)


def test_without_padding_there_is_no_mask():
    network = tiny_network()
    stages, masks = TorchStages(network), []
    network.stack.resume = lambda hidden, mask, resume=network.stack.resume: masks.append(mask) or resume(hidden, mask)
    for lengths in ([5, 5], [5, 5, 4]):
        batch = batch_of(lengths)
        stages.later(1, stages.first(batch).state, batch.lengths)
    assert masks[0] is None
    assert masks[1].tolist() == [[1] * 5, [1] * 5, [1] * 4 + [0]]


class Asked(TorchDispatchMode):
    """Counts how often the host asks for a value of a tensor: on a GPU it waits for all that runs there each time."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("lengths", "most"), [([5, 5, 5], 0), ([9, 4, 1], 1)])
def test_a_stage_asks_the_device_for_nothing_but_logits_and_whether_a_mask_masks(lengths, most):
    stages, batch = TorchStages(tiny_network()), batch_of(lengths)
    stages.first(batch)  # the first run learns what layers return
    with Asked() as asked:
        state = stages.first(batch).state
    assert asked.count <= most
    with Asked() as asked:
        gathered(stages, [(state, np.array([0, 2]))], lengths[0])
    assert asked.count == 0
    with Asked() as asked:
        stages.later(1, state, batch.lengths)
    assert asked.count <= most


def test_dropout_is_off_and_gradients_too():
    network = tiny_network().train()
    stages = TorchStages(network)
    assert not network.training
    assert not stages.first(batch_of([5])).state.hidden.requires_grad
