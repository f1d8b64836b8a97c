"""The wiring to Trainer: row order, resumption inside an epoch, precision and dropout."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments

import offramp.training.trainer as trainer
import offramp.training.trials as trials
from conftest import tiny_backbone, tiny_network
from helpers.toys import at_steps, single, write_jsonl
from offramp.calibration import Problem
from offramp.training import Architecture, Listener, Recipe, Regime, train
from offramp.training.job import Trial
from offramp.training.phases import phases_of
from offramp.training.trainer import _attention_for_training, _optimizer, _set_dropout

TRIAL = Trial(0, 1e-4, 0)
# Whether words before the encoder pay hangs on measured time; what is compared here must not.
NO_WORDS = Architecture(exits="all")


def test_a_run_resumed_inside_an_epoch_equals_an_unbroken_one(tmp_path, encoder_folder, monkeypatch):
    data = write_jsonl(tmp_path / "toys.jsonl", single(60))
    options = {"recipe": Recipe(epochs=2, batch_size=8, precision="fp32"), "architecture": NO_WORDS}
    train(str(encoder_folder), data, output=tmp_path / "whole", **options)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)

    def stop(done: int, total: int) -> None:
        if done == total // 2 + 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            str(encoder_folder),
            data,
            output=tmp_path / "broken",
            listener=Listener(on_progress=at_steps(stop)),
            **options,
        )
    train(str(encoder_folder), data, output=tmp_path / "broken", resume=True, **options)
    whole, broken = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "broken"))
    assert all(torch.equal(whole[name], broken[name]) for name in whole)


STUCK = {"epochs": 6, "learning_rates": (1e-12,), "head_learning_rate": 1e-12, "patience": 1}


@pytest.mark.parametrize(
    ("changes", "epochs"), [(STUCK, [1, 2]), ({"epochs": 1.5}, [1, 1.5]), ({"epochs": 0.5}, [0.5]), ({}, [1, 2])]
)
def test_a_run_broken_off_behind_its_last_step_takes_no_more(tmp_path, encoder_folder, monkeypatch, changes, epochs):
    data = write_jsonl(tmp_path / "toys.jsonl", single(71))
    recipe = Recipe(**{"epochs": 2, "batch_size": 8, "precision": "bf16", **changes})
    options = {"recipe": recipe, "architecture": NO_WORDS}
    whole = train(str(encoder_folder), data, output=tmp_path / "whole", **options)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trials, "calibrated", stop)
        with pytest.raises(KeyboardInterrupt):
            train(str(encoder_folder), data, output=tmp_path / "broken", **options)
    resumed = train(
        str(encoder_folder),
        data,
        output=tmp_path / "broken",
        resume=True,
        listener=Listener(on_progress=at_steps(stop)),
        **options,
    )
    assert [epoch.number for epoch in whole.epochs] == epochs
    _assert_equal(resumed, whole)


def _assert_equal(one, other):
    first, second = (load_file(summary.folder / "model.safetensors") for summary in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in second)
    # The mean loss of an epoch that was broken off is that of its rest.
    first, second = (
        [replace(epoch, training_loss=None, seconds=0) for epoch in summary.epochs] for summary in (one, other)
    )
    assert first == second
    assert one.calibration == other.calibration


@pytest.mark.parametrize("epochs", [2, 1.5])
def test_no_epoch_goes_unseen_because_of_a_checkpoint_by_time(tmp_path, encoder_folder, monkeypatch, epochs):
    data = write_jsonl(tmp_path / "toys.jsonl", single(71))
    options = {"recipe": Recipe(epochs=epochs, batch_size=8, precision="fp32"), "architecture": NO_WORDS}
    whole = train(str(encoder_folder), data, output=tmp_path / "whole", **options)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    for number in (1, epochs):

        def stop(epoch, number=number):
            if epoch.number == number:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(
                str(encoder_folder),
                data,
                output=tmp_path / "broken",
                resume=number > 1,
                listener=Listener(on_epoch=stop),
                **options,
            )
    _assert_equal(train(str(encoder_folder), data, output=tmp_path / "broken", resume=True, **options), whole)


def test_exits_have_their_own_learning_rate_and_vectors_do_not_decay():
    network = tiny_network()
    optimizer = _optimizer(network, Recipe(head_learning_rate=1e-2, weight_decay=0.1), 1e-5)
    of_parameter = {id(one): group for group in optimizer.param_groups for one in group["params"]}
    for name, parameter in network.named_parameters():
        group = of_parameter[id(parameter)]
        assert group["lr"] == (1e-2 if name.startswith("heads.") else 1e-5)
        assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


@pytest.mark.parametrize(
    ("schedule", "warmup", "rates"),
    [
        # Shares of the learning rate at the start, halfway up, at the top, midway down and at the end.
        ("linear", 0.2, [0, 0.5, 1, 0.5, 0]),
        ("cosine", 0.2, [0, 0.5, 1, 0.5, 0]),
        ("constant", 0.2, [0, 0.5, 1, 1, 1]),
        ("linear", 0, [1, 0.9, 0.8, 0.4, 0]),
        ("cosine", 0, [1, 0.975528, 0.904508, 0.345492, 0]),
        ("constant", 0, [1, 1, 1, 1, 1]),
    ],
)
def test_learning_rates_rise_and_fall_as_asked(schedule, warmup, rates):
    network, (phase,) = tiny_network(), phases("joint")
    recipe = Recipe(schedule=schedule, warmup=warmup, head_learning_rate=1e-2)
    optimizer = _optimizer(network, recipe, 1e-4)
    arguments = trainer._arguments(recipe, phase, TRIAL, Path("unused"))
    wired = trainer._Trainer(phase, Problem.SINGLE_LABEL, model=network, args=arguments, eval_dataset=[])
    scheduler, found = wired.create_scheduler(100, optimizer), []
    for step in range(101):
        if step in (0, 10, 20, 60, 100):
            found.append(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    for group, top in enumerate(group["initial_lr"] for group in optimizer.param_groups):
        assert [rates[group] for rates in found] == pytest.approx([top * share for share in rates], rel=1e-5)


@pytest.mark.parametrize(("norm", "learns"), [(1e-30, False), (0.0, True)])
def test_gradients_are_cut_to_a_norm_or_left_whole(norm, learns, tmp_path, encoder_folder):
    recipe = Recipe(epochs=1, batch_size=8, weight_decay=0, max_grad_norm=norm, precision="fp32")
    data = write_jsonl(tmp_path / "toys.jsonl", single(40))
    train(str(encoder_folder), data, output=tmp_path / "model", recipe=recipe)
    before, after = (load_file(folder / "model.safetensors") for folder in (encoder_folder, tmp_path / "model"))
    name = "encoder.layer.0.output.dense.weight"
    assert torch.equal(before[name], after[f"backbone.{name}"]) is not learns


def test_dropout_is_the_encoders_own_unless_set():
    backbone = tiny_backbone()
    _set_dropout(backbone, None)
    assert {module.p for module in backbone.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}
    _set_dropout(backbone, 0.0)
    assert {module.p for module in backbone.modules() if isinstance(module, torch.nn.Dropout)} == {0.0}


def test_dropout_of_attention_is_reached_where_it_is_no_module():
    backbone = tiny_backbone("modernbert")
    _set_dropout(backbone, 0.25)
    found = {module.attention_dropout for module in backbone.modules() if hasattr(module, "attention_dropout")}
    assert found == {0.25}


@pytest.mark.parametrize(("longest", "during"), [(64, "eager"), (512, "sdpa")])
def test_attention_is_plain_only_while_training_short_texts(longest, during):
    backbone = tiny_backbone()
    with _attention_for_training(backbone, longest):
        assert backbone.config._attn_implementation == during
    assert backbone.config._attn_implementation == "sdpa"


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    """Trainer makes its output folder even where it writes nothing."""
    monkeypatch.chdir(tmp_path)


def steps_of(phase, number=3):
    """Gradients that the first steps of a phase leave in the parameters, by name; None where there is none."""
    network, found = tiny_network(), []
    network.train()
    arguments = TrainingArguments(output_dir="unused", report_to="none", use_cpu=True, max_steps=number)
    wired = trainer._Trainer(phase, Problem.SINGLE_LABEL, model=network, args=arguments)
    inputs = {"input_ids": torch.randint(5, 60, (4, 9), generator=torch.Generator().manual_seed(0))}
    for step in range(number):
        wired.state.global_step, wired.state.max_steps = step, number
        network.zero_grad(set_to_none=True)
        torch.manual_seed(0)
        wired.compute_loss(network, {**inputs, "labels": torch.tensor([0, 1, 2, 0])}).backward()
        found.append({name: parameter.grad for name, parameter in network.named_parameters()})
    return found


def stages_reached(gradients):
    """Which heads, and the layers of which stages, got a gradient."""
    heads = [gradients[f"heads.{index}.classifier.weight"] is not None for index in range(3)]
    layers = [gradients[f"backbone.encoder.layer.{last}.output.dense.weight"] for last in (0, 1, 3)]
    return heads, [one is not None and bool(one.any()) for one in layers]


def phases(name, **switches):
    return phases_of(Regime(name=name, **switches), (1, 2, 4))


def test_a_step_teaches_what_its_phase_says():
    every = ([True, True, True], [True, True, True])
    last = ([False, False, True], [True, True, True])
    for name, expected in {
        "joint": [every] * 3,
        "weighted": [every] * 3,
        "sweet": [every] * 3,
        "alternating": [last, every, last],
        "mixed": [last] * 3,
        "frozen": [last] * 3,
    }.items():
        assert [stages_reached(found) for found in steps_of(phases(name)[0])] == expected, name


def test_a_step_of_the_joint_regime_is_the_networks_own():
    network = tiny_network().train()
    torch.manual_seed(0)
    ids = torch.randint(5, 60, (4, 9), generator=torch.Generator().manual_seed(0))
    network(ids, labels=torch.tensor([0, 1, 2, 0])).loss.backward()
    (found, *_) = steps_of(phases("joint")[0])
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None and found[name] is None) or torch.equal(parameter.grad, found[name])


def test_rows_weigh_more_and_more_where_they_leave():
    plain, consistent = (steps_of(phases("joint", consistent=switch)[0]) for switch in (False, True))
    name = "heads.0.classifier.weight"
    torch.testing.assert_close(consistent[0][name], plain[0][name])
    assert not torch.allclose(consistent[2][name], plain[2][name])


@pytest.mark.parametrize(("there", "used"), [(0, 0), (1, 1), (4, 1)])
def test_a_process_uses_one_gpu(there, used, monkeypatch):
    def with_gpus(**options):
        arguments = TrainingArguments(**options)
        arguments._n_gpu = there
        return arguments

    monkeypatch.setattr(trainer, "TrainingArguments", with_gpus)
    arguments = trainer._arguments(Recipe(), phases("joint")[0], TRIAL, Path("unused"))
    assert arguments.n_gpu == used
    assert arguments.train_batch_size == Recipe().batch_size


def test_no_exit_is_missing_where_all_processes_have_to_agree():
    for name, some_missing in {"joint": False, "sweet": False, "alternating": True, "mixed": True}.items():
        arguments = trainer._arguments(Recipe(), phases(name)[0], TRIAL, Path("unused"))
        assert arguments.ddp_find_unused_parameters is some_missing
