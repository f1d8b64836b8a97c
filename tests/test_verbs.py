"""Verbs are alike: the model first, then data, whatever form they come in."""

from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

import offramp
from conftest import write_encoder
from helpers.toys import QUICK, quick, single, write_jsonl
from offramp.data import LabeledTexts, Texts, uses_of
from offramp.data.seen import FITTING
from offramp.errors import DataError
from offramp.folder import TRAINING
from offramp.training import Architecture, Regime

TRAIN, DEV, CAL = single(240, 1), single(60, 2), single(400, 3)


def texts(rows):
    return [row["text"] for row in rows]


def labels(rows):
    return [row["label"] for row in rows]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoder"))


def trained(encoder, output, data, dev, **options):
    options = {"architecture": Architecture(exits=(1, 2)), "recipe": QUICK, **options}
    offramp.train(encoder, data, output=output, dev=dev, **options)
    return output


@pytest.fixture(scope="module")
def model(encoder, tmp_path_factory):
    """Trained on a data frame."""
    return trained(encoder, tmp_path_factory.mktemp("trained") / "model", pd.DataFrame(TRAIN), pd.DataFrame(DEV))


def test_training_on_data_in_memory_is_training_on_the_file(encoder, model, tmp_path):
    source, dev = write_jsonl(tmp_path / "train.jsonl", TRAIN), write_jsonl(tmp_path / "dev.jsonl", DEV)
    same = trained(encoder, tmp_path / "model", source, dev)
    first, second = (TRAINING.read(one, dict[str, Any]) for one in (model, same))
    assert first["data"] == second["data"]
    np.testing.assert_array_equal(*(offramp.load(one).exit_answers(texts(CAL)).logits for one in (model, same)))
    assert uses_of(model, Texts.of(texts(TRAIN)))[FITTING] == 1
    with pytest.raises(DataError, match=r"100% of the rows in DataFrame in memory were used to make this model"):
        offramp.tune(model, pd.DataFrame(TRAIN))


def test_texts_without_labels_teach_from_memory(encoder, tmp_path):
    more = Texts.of(texts(CAL[:40]))
    folder = trained(
        encoder, tmp_path / "m", (texts(TRAIN), labels(TRAIN)), 0.2, regime=Regime(distill=1, unlabeled=more)
    )
    assert TRAINING.read(folder, dict[str, Any])["data"]["unlabeled"] == more.fingerprint


def test_verbs_take_what_users_hold(model, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    fresh, rows = datasets.Dataset.from_list(single(100, 7)), (texts(CAL), labels(CAL))
    known = LabeledTexts.of(*rows)
    found = offramp.calibrate(folder, fresh).after
    assert found.fitted_on == LabeledTexts.of(fresh["text"], fresh["label"]).fingerprint
    tuned = offramp.tune(folder, rows, **quick(max_disagreement=0.05))
    assert tuned.data["fingerprint"] == known.fingerprint
    assert tuned.data["labeled"]
    other = offramp.tune(folder, texts(single(300, 8)), **quick(threshold=0.9, name="other"))
    assert not other.data["labeled"]
    evaluation = offramp.evaluate(folder, pd.DataFrame(CAL), thresholds=[0.9], seconds=0.01)
    assert evaluation.data.fingerprint == known.fingerprint
    assert evaluation.data.used_before["operating point tuned of torch fp32"] == 1
    attached = offramp.attach(folder, texts(single(100, 9)), output=tmp_path / "attached", dev=texts(single(30, 10)))
    assert attached.folder == tmp_path / "attached"
