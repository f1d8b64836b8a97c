import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.calibration import Problem
from offramp.engine import Prediction, Predictions, column_names
from offramp.errors import MissingExtraError

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5], [0.4, 0.6, 0.0], [0.3, 0.4, 0.3]])


def predictions(problem=Problem.SINGLE_LABEL, top_k=1, probabilities=PROBABILITIES, handed_over=()):
    rows = len(probabilities)
    return Predictions(
        names=("a", "b", "c"),
        exit_names=("words", "layer 2", "layer 4"),
        problem=problem,
        probabilities=probabilities,
        exits=np.arange(rows) % 3,
        layers=np.array([0, 2, 4])[np.arange(rows) % 3],
        truncated=np.arange(rows) == 1,
        tokens=np.arange(rows) + 5,
        handed_over=np.isin(np.arange(rows), handed_over),
        may_hand_over=bool(handed_over),
        top_k=top_k,
    )


def test_one_prediction():
    assert predictions(top_k=2)[1] == Prediction(
        labels=("c",),
        confidence=0.5,
        exit="layer 2",
        exit_index=1,
        layers=2,
        truncated=True,
        probabilities={"c": 0.5, "a": 0.25},
        handed_over=False,
        guessed_labels=("c",),
    )
    assert predictions()[1].label == "c"


def test_columns():
    found = predictions()
    assert found.labels == [("a",), ("c",), ("b",), ("b",)]
    assert found.confidence.tolist() == [0.7, 0.5, 0.6, 0.4]
    assert not found.multi_label


@pytest.mark.parametrize(
    ("top_k", "expected"), [(1, ["b"]), (2, ["b", "a"]), (3, ["b", "a", "c"]), (None, list("bac"))]
)
def test_top_k_names_the_most_probable_first(top_k, expected):
    assert list(predictions(top_k=top_k)[2].probabilities) == expected
    assert list(predictions(top_k=99)[2].probabilities) == ["b", "a", "c"]


def test_labels_that_tie_keep_their_order():
    assert list(predictions(top_k=None)[3].probabilities) == ["b", "a", "c"]
    assert predictions(top_k=None)[1].probabilities == {"c": 0.5, "a": 0.25, "b": 0.25}


def test_sets_of_labels():
    found = predictions(Problem.MULTI_LABEL, probabilities=np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.5]]))
    assert found.multi_label
    assert found.labels == [("a", "b"), ()]
    assert found.confidence.tolist() == pytest.approx([0.9 * 0.8 * 0.9, 0.9 * 0.8 * 0.5])
    for row, count in ((0, 2), (1, 0)):
        with pytest.raises(ValueError, match=f"the prediction holds {count} labels; read .labels instead"):
            _ = found[row].label
    alone = predictions(Problem.MULTI_LABEL, probabilities=np.array([[0.1, 0.8, 0.1]]))
    assert alone[0].label == "b"


@given(st.integers(-6, 6))
def test_indexing_is_a_lists(index):
    found = predictions()
    every = list(found)
    assert len(every) == len(found) == 4
    if -4 <= index < 4:
        assert found[index] == every[index] == found[np.int64(index)]
    else:
        with pytest.raises(IndexError, match=f"there is no prediction {index}"):
            found[index]


@given(st.slices(4))
def test_slices_are_predictions(rows):
    found = predictions(top_k=2)
    assert isinstance(found[rows], Predictions)
    assert list(found[rows]) == list(found)[rows]
    assert found[rows].tokens.tolist() == found.tokens[rows].tolist()


def test_it_is_a_sequence():
    found = predictions()
    assert found[0] in found
    assert list(reversed(found)) == list(found)[::-1]
    assert found.index(found[2]) == 2
    assert repr(found) == "<4 predictions>"


def test_nothing():
    found = predictions(probabilities=np.empty((0, 3)))
    assert (len(found), list(found), found.labels) == (0, [], [])
    with pytest.raises(IndexError):
        found[0]


def test_a_row_that_is_handed_over_has_no_label_but_a_best_guess():
    found = predictions(handed_over=[2])
    assert (found.label, found.best_guess) == (["a", "c", None, "b"], ["a", "c", "b", "b"])
    assert found.labels == [("a",), ("c",), (), ("b",)]
    one = found[2]
    assert (one.label, one.labels, one.best_guess, one.handed_over) == (None, (), "b", True)
    assert (one.confidence, one.probabilities) == (0.6, {"b": 0.6})
    assert found[1:3].handed_over.tolist() == [False, True]
    columns = found.columns(probabilities=True)
    assert list(columns) == column_names(found.names, True, may_hand_over=True)
    assert columns["label"] == ["a", "c", None, "b"]
    assert columns["best_guess"] == ["a", "c", "b", "b"]
    assert columns["handed_over"].tolist() == [False, False, True, False]
    several = predictions(Problem.MULTI_LABEL, handed_over=[0])
    assert several.columns()["label"][:2] == [None, []]
    assert several.columns()["best_guess"][:2] == [["a"], []]


def test_columns_tell_of_handing_over_only_where_a_rule_may():
    assert list(predictions().columns()) == ["label", "confidence", "exit", "truncated"]
    assert not predictions().handed_over.any()


def test_the_column_of_labels():
    assert predictions().label == ["a", "c", "b", "b"]
    assert predictions()[:0].label == []
    several = predictions(Problem.MULTI_LABEL)
    with pytest.raises(ValueError, match=r"read \.labels instead of \.label"):
        _ = several.label


def test_a_data_frame_has_the_columns_of_a_file():
    found = predictions()
    frame = found.to_pandas()
    assert list(frame) == column_names(found.names, False) == ["label", "confidence", "exit", "truncated"]
    assert frame["label"].tolist() == ["a", "c", "b", "b"]
    assert frame["confidence"].tolist() == found.confidence.tolist()
    assert frame["exit"].tolist() == ["words", "layer 2", "layer 4", "words"]
    assert frame["truncated"].tolist() == [False, True, False, False]
    wide = found.to_pandas(probabilities=True)
    assert wide[["probability_a", "probability_b", "probability_c"]].to_numpy().tolist() == PROBABILITIES.tolist()
    assert len(found[:0].to_pandas()) == 0


def test_a_data_frame_of_a_multi_label_model_holds_lists():
    several = predictions(Problem.MULTI_LABEL, probabilities=np.array([[0.9, 0.8, 0.1], [0.1, 0.2, 0.5]]))
    assert several.to_pandas()["label"].tolist() == [["a", "b"], []]


def test_a_data_frame_needs_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"a data frame needs .* pip install 'offramp\[pandas\]'"):
        predictions().to_pandas()
