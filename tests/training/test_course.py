"""Phases one after the other, on the same toy network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import offramp
from conftest import write_encoder
from helpers.toys import EXITS, QUICK, at_steps, grouped, names, single, write_jsonl
from offramp.data import Columns, read_labeled, read_texts, uses_of
from offramp.data.seen import FITTING
from offramp.errors import OptionError
from offramp.training import Listener, Regime, course, train
from offramp.training.trainer import fit

ONE_EPOCH = replace(QUICK, epochs=1)
REGIMES = ["weighted", "frozen", "mixed", "sweet", "alternating"]


class Stage:
    def __init__(self, folder):
        write_encoder(folder / "encoder")
        self.folder = folder
        self.data = write_jsonl(folder / "train.jsonl", single(160, seed=1))
        self.dev = write_jsonl(folder / "dev.jsonl", single(60, seed=2))
        self.more = write_jsonl(folder / "more.jsonl", [{"text": row["text"]} for row in single(96, seed=3)])

    def train(self, output, name="joint", **options):
        switches = {key: options.pop(key) for key in ("distill", "consistent", "equilibrium") if key in options}
        settings = {"dev": self.dev, "exits": EXITS, "pooling": "mean", "recipe": ONE_EPOCH, **options}
        regime = Regime(name=name, **switches)
        settings.setdefault("model", str(self.folder / "encoder"))
        return train(settings.pop("model"), self.data, output=output, **grouped(regime=regime, **settings))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("stage"))


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other, names=None):
    return all(torch.equal(one[name], other[name]) for name in names or one)


@pytest.mark.parametrize("name", REGIMES)
def test_every_regime_teaches_every_exit(stage, tmp_path, name):
    epochs = []
    summary = stage.train(tmp_path / "model", name, recipe=QUICK, listener=Listener(on_epoch=epochs.append))
    assert min(one.accuracy for one in summary.calibration.exits) > 0.4
    assert tuple(epochs) == summary.epochs
    assert summary.best.exits == EXITS
    alone = [epoch for epoch in epochs if epoch.exits == (4,)]
    assert bool(alone) == (name in ("frozen", "mixed"))
    assert summary.calibration.exits[0].layers == 1
    assert names(tmp_path) == ["model"]


def test_switches_change_what_is_learnt(stage, tmp_path):
    plain = weights(stage.train(tmp_path / "plain").folder)
    for switch in ({"distill": 1.0}, {"consistent": True}, {"equilibrium": True}):
        found = weights(stage.train(tmp_path / f"{switch}", **switch).folder)
        assert not same(found, plain)


def steps_until(phase_steps, stop):
    """A listener that interrupts at step ``stop`` of the ``len(phase_steps)``-th phase."""
    seen = []

    def on_step(done, total):
        if done == 1:
            seen.append(total)
        if len(seen) == phase_steps and done == stop:
            raise KeyboardInterrupt

    return Listener(on_progress=at_steps(on_step))


@pytest.mark.parametrize("name", ["mixed", "frozen"])
def test_a_run_broken_off_in_its_second_phase_is_resumed_there(stage, tmp_path, name):
    recipe = replace(QUICK, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        stage.train(tmp_path / "broken", name, recipe=recipe, listener=steps_until(2, 6))
    first = load_file(tmp_path / "broken.checkpoints" / "trial-0" / "phase-0" / "weights.safetensors")
    totals = []
    listener = Listener(on_progress=at_steps(lambda done, total: totals.append(total)))
    resumed = stage.train(tmp_path / "broken", name, recipe=recipe, resume=True, listener=listener)
    assert len(set(totals)) == 1  # of the second phase alone
    whole = stage.train(tmp_path / "whole", name, recipe=recipe)
    assert same(weights(resumed.folder), weights(whole.folder))
    assert [epoch.accuracies for epoch in resumed.epochs] == [epoch.accuracies for epoch in whole.epochs]
    # What the second phase leaves alone.
    kept = [key for key in first if not key.startswith(("heads.0.", "heads.1."))]
    assert same(weights(whole.folder), first, kept) == (name == "frozen")


@pytest.mark.parametrize("name", ["joint", "frozen"])
def test_texts_without_labels_teach_the_early_exits(stage, tmp_path, name):
    lengths = []
    listener = Listener(on_progress=at_steps(lambda done, total: lengths.append(total)))
    with_more = stage.train(tmp_path / "more", name, distill=1.0, unlabeled=stage.more, listener=listener)
    assert max(lengths) == ((160 + 96) // 16 if name == "joint" else 20 * 4)
    assert uses_of(with_more.folder, read_texts(stage.more, Columns()))[FITTING] == 1
    assert uses_of(with_more.folder, read_labeled(stage.data, Columns()))[FITTING] == 1
    without = stage.train(tmp_path / "without", name, distill=1.0)
    assert not same(weights(with_more.folder), weights(without.folder))
    assert with_more.calibration.rows == 60


def test_the_first_half_of_mixed_teaches_the_second(stage, tmp_path, monkeypatch):
    seen, told = [], []

    def looked_into(model, rows, *arguments, **options):
        with torch.no_grad():
            said = [model.network.eval()(torch.tensor([ids])).logits[0] for ids in rows.encoded.input_ids[150:170]]
        seen.append((rows.beliefs, torch.stack(said).numpy() if len(rows.encoded) > 160 else None))
        return fit(model, rows, *arguments, **options)

    monkeypatch.setattr(course, "fit", looked_into)
    recipe = replace(QUICK, epochs=4, precision="fp32")
    listener = Listener(on_progress=lambda what, *rows: told.append(rows) if what == "asking the last exit" else None)
    stage.train(tmp_path / "model", "mixed", distill=1.0, unlabeled=stage.more, recipe=recipe, listener=listener)
    (before, _), (beliefs, said) = seen
    assert before is None
    np.testing.assert_allclose(beliefs[150:170], said, atol=1e-5)
    assert np.ptp(said) > 0.1
    assert told[-1] == (256, 256)


def test_texts_without_labels_need_distillation(stage, tmp_path):
    with pytest.raises(OptionError, match="texts without labels teach through distillation alone; give `distill` a w"):
        stage.train(tmp_path / "model", unlabeled=stage.more)
    assert names(tmp_path) == []


def test_the_standard_model_has_one_exit(stage, tmp_path):
    summary = stage.train(tmp_path / "model", exits="4", recipe=replace(QUICK, epochs=3))
    assert summary.exits == (4,)
    classifier = offramp.load(summary.folder)
    assert np.mean([one.layers for one in classifier.predict(["w0", "w3", "w6"], threshold=0)]) == 4
    assert summary.calibration.exits[0].accuracy > 0.6


def test_layers_that_are_the_same_cannot_be_told_apart(stage, tmp_path):
    write_encoder(tmp_path / "albert", "albert")
    for options, named in (({"name": "sweet"}, "regime 'sweet'"), ({"equilibrium": True}, "equilibrium")):
        with pytest.raises(OptionError, match=f"{named} is about .* layers of albert share their parameters"):
            stage.train(tmp_path / "model", model=str(tmp_path / "albert"), **options)
    assert names(tmp_path) == ["albert"]
    assert stage.train(tmp_path / "model", "weighted", model=str(tmp_path / "albert")).exits == EXITS


@pytest.mark.parametrize("shape", [{"exits": "4"}, {"exits": None, "layers": 2}])
def test_options_that_one_exit_makes_idle_are_refused_and_leave_nothing(stage, tmp_path, shape):
    for options, named in (
        ({"distill": 1.0}, "distill without a teacher"),
        ({"distill": 1.0, "unlabeled": stage.more}, "distill without a teacher"),
        ({"name": "mixed", "equilibrium": True}, "regime 'mixed', equilibrium"),
    ):
        with pytest.raises(OptionError, match=f"{named} would do nothing; leave that out, or give more exits"):
            stage.train(tmp_path / "model", **shape, **options)
    assert names(tmp_path) == []


def test_a_truncated_model_ends_at_its_only_exit(stage, tmp_path):
    summary = stage.train(tmp_path / "model", exits=None, layers=2, recipe=replace(QUICK, epochs=3))
    assert summary.exits == (2,)
    assert not any(".layer.2." in name for name in weights(summary.folder))
    assert summary.calibration.exits[0].accuracy > 0.6
    assert stage.train(tmp_path / "two", exits=(1,), layers=2).exits == (1, 2)
    with pytest.raises(OptionError, match="layers is 9: this encoder has 4 layers"):
        stage.train(tmp_path / "none", exits=None, layers=9)
