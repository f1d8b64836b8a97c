import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

import offramp
from conftest import write_encoder
from helpers.toys import EXITS, QUICK, at_steps, grouped, multi, names, pairs, single, write_csv, write_jsonl
from offramp.calibration import Calibration, fit_calibration
from offramp.data import Columns, encode_labels, read_labeled, uses_of
from offramp.data.seen import FITTING
from offramp.errors import BackboneError, DataError, OptionError, StorageError
from offramp.training import Listener, Regime, train
from offramp.training import trainer as trainer_module

ONE_EPOCH = replace(QUICK, epochs=1)


def weights(folder):
    return load_file(Path(folder) / "model.safetensors")


def same_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


class Stage:
    """A folder with an encoder and toy data, and ``train`` with short defaults on them."""

    def __init__(self, folder):
        self.folder = folder
        self.encoder = folder / "encoder"
        write_encoder(self.encoder)
        self.data = write_jsonl(folder / "train.jsonl", single(240, seed=1))
        self.dev = write_jsonl(folder / "dev.jsonl", single(60, seed=2))

    def train(self, output="model", **options):
        settings = {"dev": self.dev, "exits": EXITS, "pooling": "mean", "recipe": QUICK, **options}
        return train(
            settings.pop("model", str(self.encoder)),
            settings.pop("data", self.data),
            output=self.folder / output,
            **grouped(**settings),
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def finished(stage):
    """An unbroken run that all tests of its result share."""
    steps, epochs, seen = [], [], []

    def on_step(done, total):
        steps.append((done, total))
        seen.append((stage.folder / "finished").exists())

    listener = Listener(on_progress=at_steps(on_step), on_epoch=epochs.append)
    summary = stage.train("finished", listener=listener)
    return summary, steps, epochs, seen


def test_a_separable_problem_is_learnt(finished):
    summary, *_ = finished
    assert min(one.accuracy for one in summary.calibration.exits) > 0.9
    classifier = offramp.load(summary.folder)
    rows = single(50, seed=3)
    labels = [prediction.label for prediction in classifier.predict([row["text"] for row in rows], threshold=0.9)]
    assert np.mean([label == row["label"] for label, row in zip(labels, rows, strict=True)]) > 0.9


def test_the_mixing_weights_are_learnt(finished):
    stored = weights(finished[0].folder)
    for index, layers in enumerate(EXITS):
        mix = stored[f"heads.{index}.mix"]
        assert mix.shape == (layers,)
        assert layers == 1 or mix.abs().min() > 1e-4


def test_the_listener_hears_every_step_and_epoch(finished):
    summary, steps, epochs, _ = finished
    assert steps == [(step, 60) for step in range(1, 61)]
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert tuple(epoch.accuracies for epoch in epochs) == tuple(epoch.accuracies for epoch in summary.epochs)
    assert all(epoch.training_loss > 0 for epoch in summary.epochs)


def test_the_best_epoch_is_kept(stage, finished):
    summary, *_ = finished
    assert summary.best.mean_accuracy == max(epoch.mean_accuracy for epoch in summary.epochs)
    classifier, rows = offramp.load(summary.folder), read_labeled(stage.dev, Columns())
    targets = encode_labels(rows, classifier.labels, multi_label=False)
    right = (classifier.exit_answers(rows.texts).logits.argmax(-1) == targets).mean(1)
    assert right == pytest.approx(summary.best.accuracies)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_temperatures_are_those_of_the_saved_model(stage, finished, precision, tmp_path):
    folder = finished[0].folder
    if precision == "bf16":
        folder = stage.train(tmp_path / "bf16", recipe=replace(ONE_EPOCH, precision="bf16")).folder
    classifier, rows = offramp.load(folder), read_labeled(stage.dev, Columns())
    targets = encode_labels(rows, classifier.labels, multi_label=False)
    again = fit_calibration(
        classifier.exit_answers(rows.texts).logits, targets, classifier.problem, classifier.exits, ""
    )
    there = Calibration.load(folder)
    assert there.temperatures == pytest.approx(again.temperatures, abs=1e-3)
    assert [one.accuracy for one in there.exits] == [one.accuracy for one in again.exits]
    assert there.fitted_on == rows.fingerprint


def test_the_folder_holds_what_is_needed_and_no_pickle(stage, finished):
    folder = finished[0].folder
    assert names(folder) == [
        "README.md",
        "calibration.json",
        "config.json",
        "model.safetensors",
        "seen_rows.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    ]


def test_nothing_has_the_final_name_before_the_end_and_nothing_is_left_behind(stage, finished):
    assert not any(finished[3])
    assert not [name for name in names(stage.folder) if name.startswith((".finished", "finished."))]


def test_training_json_tells_how_the_model_was_made(stage, finished):
    summary, *_ = finished
    record = json.loads((summary.folder / "training.json").read_text())
    assert record["schema"] == 2
    assert record["rows"] == {"train": 240, "dev": 60}
    assert record["data"]["dev"] == summary.calibration.fitted_on
    assert record["recipe"]["epochs"] == 4
    assert record["trial"] == {"number": 0, "learning_rate": 1e-2, "seed": 0}
    assert record["environment"]["torch"]
    assert summary.exits == EXITS
    assert summary.total_parameters == sum(tensor.numel() for tensor in weights(summary.folder).values())
    assert summary.exit_parameters == sum(
        tensor.numel() for name, tensor in weights(summary.folder).items() if name.startswith("heads.")
    )


def test_the_seed_decides_everything(stage, finished):
    assert same_weights(stage.train("again").folder, finished[0].folder)
    first = stage.train("seed-1", recipe=ONE_EPOCH, seed=1).folder
    other = stage.train("seed-2", recipe=ONE_EPOCH, seed=2).folder
    assert not same_weights(first, other)


def test_texts_are_as_long_as_the_record_says(stage, tmp_path):
    rows = [*single(40), *[{"text": "w1 " * 30, "label": "a"}] * 3]
    data = write_jsonl(tmp_path / "data.jsonl", rows)
    first = stage.train(tmp_path / "first", data=data, recipe=ONE_EPOCH, max_length=16)
    for model, asked, length, cut in (
        (first.folder, 24, 24, 3),
        (first.folder, None, 16, 3),
        (stage.encoder, 48, 48, 0),
    ):
        found = stage.train(tmp_path / f"{length}", model=str(model), data=data, recipe=ONE_EPOCH, max_length=asked)
        assert json.loads((found.folder / "training.json").read_text())["max_length"] == length
        assert AutoTokenizer.from_pretrained(found.folder).model_max_length == length
        assert found.truncated == cut


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_several_labels_are_learnt(stage, tmp_path, kind):
    rows, columns = multi(400, seed=4), Columns()
    if kind == "jsonl":
        data = write_jsonl(tmp_path / "multi.jsonl", rows)
    else:
        columns = Columns(label_separator=";")
        data = write_csv(tmp_path / "multi.csv", [row | {"label": ";".join(row["label"])} for row in rows])
    longer = replace(QUICK, epochs=8)
    summary = stage.train(tmp_path / "model", data=data, dev=0.2, columns=columns, recipe=longer)
    classifier = offramp.load(summary.folder)
    assert classifier.problem.type == "multi_label_classification"
    assert summary.calibration.rows == 80
    assert summary.calibration.exits[-1].accuracy > 0.8
    assert classifier.predict(["w0 w3 w40", "w40"], threshold=2)[0].labels == ("a", "b")


def test_a_label_whose_only_row_is_split_off_is_known(stage, tmp_path):
    rows = [*multi(40), {"text": "w50", "label": ["rare"]}]
    data = write_jsonl(tmp_path / "rare.jsonl", rows)
    summary = stage.train(tmp_path / "model", data=data, dev=0.9, recipe=ONE_EPOCH)
    assert offramp.load(summary.folder).labels == ("a", "b", "c", "rare")
    assert summary.calibration.rows == 37


def test_pairs_are_learnt(stage, tmp_path):
    data = write_jsonl(tmp_path / "pairs.jsonl", pairs(240, seed=5))
    columns = Columns(text="first", text_pair="second")
    summary = stage.train(tmp_path / "model", data=data, dev=None, columns=columns, recipe=replace(QUICK, epochs=8))
    assert summary.calibration.exits[-1].accuracy > 0.8
    classifier = offramp.load(summary.folder)
    assert classifier.config.text_pair
    assert classifier.predict(["w40"], ["w0 w1"], threshold=2)[0].label == "a"


def test_training_stops_early_when_nothing_gets_better(stage, tmp_path):
    stuck = replace(QUICK, epochs=6, learning_rates=(1e-12,), head_learning_rate=1e-12, patience=1)
    summary = stage.train(tmp_path / "model", recipe=stuck)
    assert [epoch.number for epoch in summary.epochs] == [1, 2]
    assert summary.best.number == 1


def test_trials_draw_learning_rates_and_the_best_is_kept(stage, tmp_path):
    drawn, epochs = [], []
    recipe = replace(ONE_EPOCH, learning_rates=(1e-12, 1e-2), head_learning_rate=None)
    listener = Listener(on_trial=lambda *trial: drawn.append(trial), on_epoch=epochs.append)
    summary = stage.train(tmp_path / "model", recipe=recipe, trials=4, listener=listener)
    assert [(number, of) for number, of, _ in drawn] == [(0, 4), (1, 4), (2, 4), (3, 4)]
    assert {rate for *_, rate in drawn} == {1e-12, 1e-2}
    accuracies = [epoch.mean_accuracy for epoch in epochs]
    trial = json.loads((summary.folder / "training.json").read_text())["trial"]
    assert trial["number"] == trial["seed"] == int(np.argmax(accuracies))
    assert summary.best.mean_accuracy == max(accuracies)
    assert names(tmp_path) == ["model"]


def interrupt_at(step):
    def on_step(done, total):
        if done == step:
            raise KeyboardInterrupt

    return Listener(on_progress=at_steps(on_step))


@pytest.fixture(scope="module")
def broken_off(stage):
    """The unbroken run again, broken off in its second epoch."""
    with pytest.raises(KeyboardInterrupt):
        stage.train("broken", listener=interrupt_at(20))
    return stage.folder / "broken"


def test_an_unfinished_run_is_not_started_anew_unasked(stage, broken_off):
    assert not broken_off.exists()
    with pytest.raises(OptionError, match=r"broken\.checkpoints holds an unfinished run; add `resume`"):
        stage.train("broken")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 5}, r"seed \(0, now 5\)"),
        ({"exits": "all"}, r"exits \(.*, now all\)"),
        ({"recipe": replace(QUICK, epochs=9), "pooling": "cls"}, r"pooling .*, recipe epochs \(4, now 9\)"),
        ({"dev": None}, r"data dev \(.*\), data train \(.*\)"),
        ({"trials": 2, "distill": 1.0}, r"recipe trials \(1, now 2\), regime distill \(0\.0, now 1\.0\)"),
    ],
)
def test_an_unfinished_run_is_resumed_with_its_own_options_only(stage, broken_off, change, named):
    with pytest.raises(OptionError, match=f"holds a run with another {named}; resume with the same options"):
        stage.train("broken", resume=True, **change)


def test_a_resumed_run_ends_like_an_unbroken_one(stage, broken_off, finished):
    # What a kill in the middle of writing a checkpoint leaves.
    half = stage.folder / "broken.checkpoints" / "trial-0" / "phase-0" / "checkpoint-999"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    (half / "trainer_state.json").write_text('{"epoch": ')
    steps = []
    summary = stage.train(
        "broken", resume=True, listener=Listener(on_progress=at_steps(lambda done, total: steps.append(done)))
    )
    assert steps == list(range(16, 61))
    assert same_weights(summary.folder, finished[0].folder)
    assert [epoch.accuracies for epoch in summary.epochs] == [epoch.accuracies for epoch in finished[0].epochs]
    assert not (stage.folder / "broken.checkpoints").exists()


def test_a_run_broken_off_before_its_first_checkpoint_starts_anew(stage, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        stage.train(tmp_path / "model", recipe=ONE_EPOCH, listener=interrupt_at(3))
    resumed = stage.train(tmp_path / "model", recipe=ONE_EPOCH, resume=True).folder
    assert same_weights(resumed, stage.train(tmp_path / "unbroken", recipe=ONE_EPOCH).folder)


def test_finished_trials_are_not_run_again(stage, tmp_path):
    rates, again = [], []
    listener = Listener(
        on_trial=lambda number, of, rate: rates.append(number),
        on_progress=lambda *told: interrupt_at(3).on_progress(*told) if rates == [0, 1] else None,
    )
    with pytest.raises(KeyboardInterrupt):
        stage.train(tmp_path / "model", recipe=ONE_EPOCH, trials=2, listener=listener)
    assert names(tmp_path / "model.checkpoints" / "trial-0") == ["model"]  # checkpoints are large
    listener = Listener(on_trial=lambda number, of, rate: again.append(number))
    stage.train(tmp_path / "model", recipe=ONE_EPOCH, trials=2, resume=True, listener=listener)
    assert again == [1]


def test_checkpoints_are_also_written_by_time(stage, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        stage.train(tmp_path / "model", recipe=ONE_EPOCH, listener=interrupt_at(4))
    steps = []
    listener = Listener(on_progress=at_steps(lambda done, total: steps.append(done)))
    stage.train(tmp_path / "model", recipe=ONE_EPOCH, resume=True, listener=listener)
    assert steps[0] == 4


def test_an_output_that_is_taken_is_refused_and_left_alone(stage, tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    with pytest.raises(OptionError, match=r"file is a file; give a folder"):
        stage.train(file)
    with pytest.raises(OptionError, match=r"exists and is not empty; choose another output or add `overwrite`"):
        stage.train(folder)
    with pytest.raises(OptionError, match=r"folder holds something other than an offramp model"):
        stage.train(folder, overwrite=True)
    with pytest.raises(StorageError, match="cannot write"):
        stage.train(file / "below")
    assert (folder / "thesis.txt").read_text() == file.read_text() == "mine"
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("resume", [False, True])
def test_checkpoints_are_not_put_beside_what_is_not_ours(stage, tmp_path, resume):
    mine = tmp_path / "model.checkpoints" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OptionError, match=r"model\.checkpoints is where checkpoints go .* holds something else; move"):
        stage.train(tmp_path / "model", resume=resume)
    assert names(tmp_path) == ["model.checkpoints"]
    assert names(mine.parent) == ["mine.txt"]
    # What a kill in the middle of the first note leaves is no obstacle.
    mine.rename(mine.with_name(".run.json.x.partial"))
    stage.train(tmp_path / "model", recipe=ONE_EPOCH, resume=resume)
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_an_output_without_a_name_is_refused(stage, name):
    with pytest.raises(OptionError, match="has no name of its own"):
        train(str(stage.encoder), stage.data, output=name)


def test_overwrite_replaces_a_model_as_a_whole(stage, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "training.json").write_text("{}")
    (folder / "old.txt").write_text("old")
    stage.train(folder, recipe=ONE_EPOCH, overwrite=True)
    assert "old.txt" not in names(folder)
    assert names(tmp_path) == ["model"]


def test_a_model_is_written_where_a_link_leads(stage, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk/model")
    stage.train(tmp_path / "link", recipe=ONE_EPOCH)
    assert names(tmp_path) == ["disk", "link"]
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "disk") == ["model"]
    assert "model.safetensors" in names(tmp_path / "disk" / "model")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"trials": 0}, OptionError, "trials is 0"),
        ({"max_length": 1}, OptionError, "max_length is 1; use at least 8 tokens"),
        ({"max_length": 99}, OptionError, "max_length is 99, .* take at most 48 tokens; give 48 or less"),
        ({"dev": 1.5}, OptionError, r"the dev fraction is 1\.5"),
        ({"seed": -1}, OptionError, "seed is -1; use a whole number from 0"),
        ({"seed": 2**32}, OptionError, "seed is 4294967296"),
        ({"listener": Listener(report_to="paper")}, OptionError, "report_to is 'paper', .* valid here: none, all"),
        ({"exits": (1, 9)}, OptionError, "no exit fits after layer 9: this encoder has 4 layers"),
        ({"exits": "1,2,2"}, OptionError, "exits name layer 2 more than once; name each layer once"),
        ({"exits": "one"}, OptionError, "exits 'one' are not layer numbers"),
        ({"pooling": "max"}, OptionError, "pooling 'max' is not known; valid: pooler, cls, mean"),
        ({"model": "no/such-encoder"}, BackboneError, "cannot load the encoder 'no/such-encoder'"),
        ({"data": "no-such.csv"}, DataError, "no-such.csv does not exist"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(stage, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        stage.train(tmp_path / "model", **options)
    assert names(tmp_path) == []


def test_labels_are_checked_before_anything_is_written(stage, tmp_path):
    rows = single(30)
    one_class = write_jsonl(stage.folder / "one.jsonl", [row | {"label": "a"} for row in rows])
    unseen = write_jsonl(stage.folder / "unseen.jsonl", [*rows, {"text": "w1", "label": "d"}])
    with pytest.raises(DataError, match=r"all 30 rows have the same label \('a'\)"):
        stage.train(tmp_path / "model", data=one_class)
    with pytest.raises(DataError, match=r"unseen\.jsonl, row 31: the model has no label 'd'"):
        stage.train(tmp_path / "model", dev=unseen)
    assert names(tmp_path) == []


def test_blank_and_long_texts_are_counted(stage, tmp_path):
    rows = [*single(40), {"text": " ", "label": "a"}, {"text": "", "label": "b"}]
    rows += [{"text": "w1 " * 100, "label": "a"}] * 3
    data = write_jsonl(tmp_path / "data.jsonl", rows)
    summary = stage.train(tmp_path / "model", data=data, recipe=ONE_EPOCH)
    assert (summary.blank, summary.truncated) == (2, 3)


def test_a_library_writes_nothing_to_the_terminal(stage, finished, tmp_path):
    summary, *_ = finished
    program = (
        f"import offramp; offramp.train({str(summary.folder)!r}, {stage.dev!r}, output={str(tmp_path / 'model')!r}, "
        "architecture=offramp.Architecture(layers=2), recipe=offramp.Recipe(epochs=2))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout + result.stderr == ""


def test_processes_share_the_work(stage, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "offramp"]
    command += ["train", stage.data, "--dev", stage.dev, "--model", str(stage.encoder), "--output", "model"]
    command += ["--exits", "1,2,4", "--pooling", "mean", "--epochs", "4", "--batch-size", "8", "--precision", "fp32"]
    command += ["--learning-rate", "1e-2", "--head-learning-rate", "5e-2", "--trials", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("wrote model") == 1
    assert names(tmp_path) == ["model"]
    classifier, rows = offramp.load(tmp_path / "model"), read_labeled(stage.dev, Columns())
    targets = encode_labels(rows, classifier.labels, multi_label=False)
    again = fit_calibration(
        classifier.exit_answers(rows.texts).logits, targets, classifier.problem, classifier.exits, ""
    )
    assert classifier.calibration.rows == 60
    assert classifier.calibration.temperatures == pytest.approx(again.temperatures, abs=1e-3)
    assert again.exits[-1].accuracy > 0.8


class Second:
    """A second training that starts from a first one's encoder or learns from it; the dev rows are split off."""

    def __init__(self, stage):
        self.stage = stage
        options = {"dev": 0.2, "recipe": ONE_EPOCH}
        self.first = stage.train("first", exits="4", **options).folder

    def train(self, output, role, **options):
        others = {"model": {}, "teacher": {"regime": Regime(distill=1.0)}}[role]
        settings = {"dev": 0.2, "recipe": ONE_EPOCH, role: str(self.first), **others, **options}
        return self.stage.train(output, **settings)


@pytest.fixture(scope="module")
def second(stage):
    return Second(stage)


@pytest.mark.parametrize("role", ["model", "teacher"])
@pytest.mark.parametrize(
    ("options", "share"), [({"seed": 1}, r"8\d|7\d"), ({"dev": 0.4}, "50"), ({"data": "dev"}, r"\d+")]
)
def test_dev_rows_that_were_trained_on_before_are_refused(second, tmp_path, role, options, share):
    if options.get("data"):  # all rows of the first training, split anew
        options = {"data": write_jsonl(tmp_path / "d.jsonl", [*single(240, seed=1), *single(240, seed=8)])}
    with pytest.raises(DataError, match=rf"about ({share})% of the \d+ dev rows are among those that .*first was trai"):
        second.train(tmp_path / "model", role, **options)
    assert "model" not in names(tmp_path)


@pytest.mark.parametrize("role", ["model", "teacher"])
def test_a_second_training_remembers_the_rows_of_the_first(second, stage, tmp_path, role):
    rows = read_labeled(stage.data, Columns())
    same = second.train(tmp_path / "same", role).folder
    assert uses_of(same, rows)[FITTING] == pytest.approx(0.8, abs=0.03)
    fresh = write_jsonl(tmp_path / "fresh.jsonl", single(200, seed=8))
    other = second.train(tmp_path / "other", role, data=fresh, dev=stage.dev).folder
    assert uses_of(other, rows)[FITTING] == pytest.approx(0.8, abs=0.03)
    assert uses_of(other, read_labeled(fresh, Columns()))[FITTING] == 1


def test_dev_rows_are_kept_apart_from_all_rows_of_the_training(stage, tmp_path):
    message = r"100% of the dev rows in .* are among the rows in .* that the model will be fitted to"
    with pytest.raises(DataError, match=message):
        stage.train(tmp_path / "model", dev=stage.data)
    with pytest.raises(DataError, match=message):
        stage.train(tmp_path / "model", unlabeled=stage.dev, regime=Regime(distill=1.0))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "paper"}, "recipe is 'paper', of type str; give an offramp.Recipe"),
        ({"regime": "mixed"}, "regime is 'mixed', of type str; give an offramp.Regime"),
        ({"architecture": {"exits": [1]}}, "architecture is .* of type dict; give an offramp.Architecture"),
        ({"columns": "text"}, "columns is 'text', of type str; give an offramp.Columns"),
    ],
)
def test_options_of_another_type_are_refused(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        offramp.train("encoder", [{"text": "a", "label": "b"}], output=tmp_path / "new", **options)


@pytest.mark.parametrize("verb", [offramp.train, offramp.attach])
def test_what_is_no_path_is_no_encoder(tmp_path, verb):
    with pytest.raises(OptionError, match=r"model is .*; give a folder or a name on the hub"):
        verb(object(), [{"text": "a", "label": "b"}], output=tmp_path / "new")
