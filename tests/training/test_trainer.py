"""The wiring to Trainer: row order, resumption inside an epoch, precision and dropout."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import offramp.training.trainer as trainer
from conftest import tiny_backbone, tiny_network
from offramp.training import Listener, Recipe, train
from offramp.training.trainer import LengthGrouped, _attention_for_training, _optimizer, _set_dropout
from toys import single, write_jsonl

lengths_of_rows = st.lists(st.integers(1, 60), min_size=1, max_size=400).map(np.array)


@settings(max_examples=50, deadline=None)
@given(lengths=lengths_of_rows, batch_size=st.integers(1, 40), seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_an_epoch_has_every_row_once_and_depends_on_seed_and_epoch_only(lengths, batch_size, seed, epoch):
    sampler = LengthGrouped(lengths, batch_size, seed)
    sampler.set_epoch(epoch)
    order = list(sampler)
    assert sorted(order) == list(range(len(lengths)))
    torch.manual_seed(123)
    again = LengthGrouped(lengths, batch_size, seed)
    again.set_epoch(epoch)
    assert list(again) == order


def test_batches_hold_rows_of_like_length_in_random_order():
    lengths = np.random.default_rng(0).integers(1, 200, size=3200)
    sampler = LengthGrouped(lengths, 32, seed=0)
    batches = lengths[list(sampler)].reshape(-1, 32)
    assert np.ptp(batches, axis=1).mean() < 20
    assert abs(np.corrcoef(np.arange(len(batches)), batches.mean(1))[0, 1]) < 0.3
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_a_run_resumed_inside_an_epoch_equals_an_unbroken_one(tmp_path, encoder_folder, monkeypatch):
    data = write_jsonl(tmp_path / "toys.jsonl", single(60))
    options = {"model": str(encoder_folder), "recipe": Recipe(epochs=2, batch_size=8, precision="fp32")}
    train(data, output=tmp_path / "whole", **options)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)

    def stop(done: int, total: int) -> None:
        if done == total // 2 + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, output=tmp_path / "broken", listener=Listener(on_step=stop), **options)
    train(data, output=tmp_path / "broken", resume=True, **options)
    whole, broken = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


def test_exits_have_their_own_learning_rate_and_vectors_do_not_decay():
    network = tiny_network()
    optimizer = _optimizer(network, Recipe(head_learning_rate=1e-2, weight_decay=0.1), 1e-5)
    of_parameter = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    for name, parameter in network.named_parameters():
        group = of_parameter[id(parameter)]
        assert group["lr"] == (1e-2 if name.startswith("heads.") else 1e-5)
        assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


def test_dropout_is_the_encoders_own_unless_set():
    backbone = tiny_backbone()
    _set_dropout(backbone, None)
    assert {module.p for module in backbone.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}
    _set_dropout(backbone, 0.0)
    assert {module.p for module in backbone.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


@pytest.mark.parametrize(("longest", "during"), [(64, "eager"), (512, "sdpa")])
def test_attention_is_plain_only_while_training_short_texts(longest, during):
    backbone = tiny_backbone()
    with _attention_for_training(backbone, longest):
        assert backbone.config._attn_implementation == during
    assert backbone.config._attn_implementation == "sdpa"
