"""Records of trainings that somebody has changed by hand."""

import json
from dataclasses import asdict

import pytest

from helpers.toys import write_model
from offramp.errors import ModelFolderError
from offramp.folder import TRAINING
from offramp.training import AttachSummary, TrainingSummary
from offramp.words import WordsTrial, words_trial

EPOCH = {"number": 1.0, "exits": [1, 4], "accuracies": [0.5, 0.75], "training_loss": None, "seconds": 0.1}
MODEL = {"exits": [1, 4], "parameters": {"total": 9, "exits": 2}, "truncated": 0, "blank": 1, "words": None, "seed": 0}
MODEL |= {"long_trial": None}
TRAINED = MODEL | {"epochs": [EPOCH], "best": EPOCH, "seconds": 2.5}
ATTACHED = MODEL | {"targets": "model", "rows": {"train": 8, "dev": 2}, "seconds": {"encoder": 1.0, "exits": 0.5}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model")


def test_a_record_is_read_beside_what_it_holds_for_people(folder):
    TRAINING.write(folder, TRAINED)
    trained = TrainingSummary.read(folder)
    assert (trained.exits, trained.best.accuracies, trained.total_parameters) == ((1, 4), (0.5, 0.75), 9)
    TRAINING.write(folder, ATTACHED)
    attached = AttachSummary.read(folder)
    assert (attached.rows, attached.dev_rows, attached.encoder_seconds, attached.blank) == (8, 2, 1.0, 1)


def test_what_words_got_is_known_where_it_was_tried(folder, tmp_path):
    trial = WordsTrial(True, "labels", 1.0, 0.9, 0.92, 0.91, 3.0, 0.91, 9.0)
    TRAINING.write(folder, MODEL | {"words": asdict(trial)})
    assert words_trial(folder) == trial
    older = {key: value for key, value in MODEL.items() if key != "words"}
    for record in (older, MODEL, MODEL | {"words": {"kept": True}}):
        TRAINING.write(folder, record)
        assert words_trial(folder) is None
    assert words_trial(tmp_path) is None


@pytest.mark.parametrize("kind", [TrainingSummary, AttachSummary])
@pytest.mark.parametrize(
    ("place", "value", "flaw"),
    [
        (["exits"], "1,4", "exits is '1,4', not a list"),
        (["parameters"], ..., "parameters is missing"),
        (["parameters", "exits"], ..., "parameters.exits is missing"),
        (["truncated"], None, "truncated is None, not a whole number"),
        (["seconds"], "long", "seconds is 'long', not"),
    ],
)
def test_a_damaged_record_is_told_with_its_place(folder, kind, place, value, flaw):
    record = json.loads(json.dumps(TRAINED if kind is TrainingSummary else ATTACHED))
    *outer, last = place
    inner = record
    for key in outer:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    TRAINING.write(folder, record)
    with pytest.raises(ModelFolderError) as caught:
        kind.read(folder)
    assert str(caught.value).startswith(f"{folder / 'training.json'} is damaged ({flaw}")


def test_the_best_epoch_is_checked_too(folder):
    TRAINING.write(folder, TRAINED | {"best": EPOCH | {"accuracies": [0.5, "high"]}})
    with pytest.raises(ModelFolderError, match=r"best.accuracies\[1\] is 'high', not a finite number"):
        TrainingSummary.read(folder)
