"""Whose answers count instead of those at full depth."""

import numpy as np
import pytest

import offramp
from conftest import tiny_model
from helpers.toys import multi, pairs, single, write_model
from offramp.calibration import Calibration
from offramp.data import Columns
from offramp.data.unlabeled import read_any
from offramp.engine import torch_classifier
from offramp.errors import DataError, ModelFolderError, OptionError
from offramp.evaluation import Asked
from offramp.policy import Reference
from offramp.progress import unheard


def classifier(**config):
    model = tiny_model(**config)
    return torch_classifier(model, Calibration.neutral(model.network.config.exits))


def compared(asked, model, data, columns=None):
    columns = columns or Columns()
    asked.check(model)
    return asked.compared(model, read_any(data, columns), data, columns, unheard)


TABLE = {"text": [row["text"] for row in single(60)], "gpt": [row["label"] for row in single(60, seed=1)]}


def test_labels_of_a_reference_model_go_by_their_names(tmp_path):
    folder = write_model(tmp_path / "original", labels=("c", "a", "b"), seed=3)
    expected, found = offramp.load(folder), compared(Asked(folder), classifier(), TABLE)
    assert found.reference == Reference("original", expected.fingerprint)
    said = [("a", "b", "c")[place] for place in found.predictions]
    assert said == expected.predict_full(TABLE["text"]).label
    assert len(set(said)) > 1
    again = compared(Asked(str(folder)), classifier(), TABLE)
    np.testing.assert_array_equal(again.predictions, found.predictions)


def test_sets_of_labels_and_pairs_of_texts_are_compared_alike():
    several = {"problem_type": "multi_label_classification"}
    expected = classifier(labels=("c", "a", "b"), seed=3, **several)
    table = {"text": [row["text"] for row in multi(60)]}
    found = compared(Asked(expected), classifier(**several), table)
    sets = [{label for label, holds in zip("abc", row, strict=True) if holds} for row in found.predictions]
    assert sets == [set(labels) for labels in expected.predict_full(table["text"]).labels]
    assert found.reference == Reference("in memory", expected.fingerprint)
    both = {"text": [row["first"] for row in pairs(60)], "text_pair": [row["second"] for row in pairs(60)]}
    other = classifier(text_pair=True, seed=3)
    found = compared(Asked(other), classifier(text_pair=True), both, Columns(text_pair="text_pair"))
    assert [("a", "b", "c")[place] for place in found.predictions] == other.predict_full(*both.values()).label


def test_a_column_is_read_as_labels_are():
    found = compared(Asked(column="gpt"), classifier(), TABLE)
    assert (found.reference, found.predictions.tolist()) == (
        Reference("gpt"),
        ["abc".index(one) for one in TABLE["gpt"]],
    )
    nothing = compared(Asked(), classifier(), TABLE)
    assert (nothing.reference, nothing.predictions) == (None, None)
    with pytest.raises(DataError, match="the model has no label 'other'"):
        compared(Asked(column="gpt"), classifier(), TABLE | {"gpt": ["other"] * 60})


def test_a_reference_that_answers_something_else_is_refused_before_anything_is_loaded(tmp_path):
    folder = write_model(tmp_path / "other", labels=("a", "b", "x", "y"))
    (folder / "model.safetensors").write_bytes(b"not looked at")
    with pytest.raises(OptionError, match="not have the labels of the model: it has 'x', 'y' and lacks 'c'"):
        Asked(folder).check(classifier())
    with pytest.raises(OptionError, match="is a model of pairs of texts, and the model one of single texts"):
        Asked(classifier(text_pair=True)).check(classifier())
    with pytest.raises(OptionError, match="is a model of any number of labels, and the model one of one label"):
        Asked(classifier(problem_type="multi_label_classification")).check(classifier())
    with pytest.raises(ModelFolderError, match="there is no folder"):
        Asked(tmp_path / "nowhere").check(classifier())
    with pytest.raises(
        OptionError, match="`reference` 'original' and `reference_column` 'gpt' are given; give only one"
    ):
        Asked("original", "gpt")


def test_columns_are_one_by_name_and_models_by_fingerprint():
    assert Reference("gpt").is_same(Reference("gpt"))
    assert not Reference("gpt").is_same(Reference("other"))
    assert Reference("here", "sha256:1").is_same(Reference("moved", "sha256:1"))
    assert not Reference("here", "sha256:1").is_same(Reference("here", "sha256:2"))
    assert not Reference("here", "sha256:1").is_same(Reference("here"))
