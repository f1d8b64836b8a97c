"""What a training is made of, and what a resumed run has to have in common with the one that it goes on from."""

import json
from dataclasses import fields, replace

import pytest

from helpers.toys import single, write_jsonl
from offramp.data import Columns, read_labeled, read_texts
from offramp.errors import DataError, OptionError
from offramp.training import Architecture, Recipe, Regime
from offramp.training.job import TrainingJob, gathered


@pytest.fixture
def job(tmp_path):
    rows = read_labeled(write_jsonl(tmp_path / "train.jsonl", single(40, seed=1)), Columns())
    more = write_jsonl(tmp_path / "more.jsonl", single(9, seed=3))
    data = gathered(rows, 0.25, None, 0, models=[], unlabeled=read_texts(more, Columns()), same_split=True)
    return TrainingJob(
        model="encoder",
        data=data,
        labels=("a", "b", "c"),
        architecture=Architecture(exits=[1, 2]),
        regime=Regime(distill=1, teacher="classifier", unlabeled=more),
        recipe=Recipe(learning_rates=(1e-5, 2e-5), trials=3),
        seed=5,
    )


def test_all_options_are_compared_when_a_run_is_resumed(job):
    told = json.loads(json.dumps(job.to_dict()))
    assert told["exits"] == [1, 2]
    assert {field.name for field in fields(Architecture)} <= told.keys()
    assert {field.name for field in fields(Recipe)} == told["recipe"].keys()
    assert {field.name for field in fields(Regime)} - {"unlabeled"} == told["regime"].keys()
    assert (told["backbone"], told["seed"]) == ("encoder", 5)
    assert {name: len(rows) for name, rows in job.data.parts.items()} == {"train": 30, "unlabeled": 9, "dev": 10}
    assert told["data"].keys() == {"train", "unlabeled", "dev"}


def test_the_same_texts_elsewhere_and_resuming_make_no_other_job(job, tmp_path):
    other = write_jsonl(tmp_path / "moved.jsonl", single(9, seed=3))
    data = replace(job.data, unlabeled=read_texts(other, Columns()))
    moved = replace(job, data=data, regime=replace(job.regime, unlabeled=other), resume=True)
    assert moved.to_dict() == job.to_dict()


def test_trials_have_seeds_of_their_own_and_draw_their_learning_rates(job):
    assert [trial.seed for trial in job.trials] == [5, 6, 7]
    assert {trial.learning_rate for trial in job.trials} <= {1e-5, 2e-5}
    assert job.trials == replace(job, resume=True).trials


@pytest.mark.parametrize("exits", [[1, 2], (1, 2), range(1, 3)])
def test_exits_are_the_same_however_they_are_listed(exits):
    assert Architecture(exits=exits) == Architecture(exits=(1, 2))


def test_an_encoder_that_is_cut_off_has_one_exit_unless_others_are_given():
    assert Architecture(layers=3).exits == (3,)
    assert Architecture(layers=3, exits="all").exits == "all"
    with pytest.raises(OptionError, match="max_length is 7; use at least 8 tokens"):
        Architecture(max_length=7)


def test_dev_rows_of_their_own_are_kept_apart(tmp_path):
    source = write_jsonl(tmp_path / "rows.jsonl", single(20))
    rows = read_labeled(source, Columns())
    with pytest.raises(DataError, match="100% of the dev rows"):
        gathered(rows, source, lambda name: read_labeled(name, Columns()), 0, models=[], same_split=True)
