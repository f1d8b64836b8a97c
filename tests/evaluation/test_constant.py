from dataclasses import replace

import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.evaluation import ConstantAnswer, answers_alike, constant_answer, learned_nothing

ROWS = exit_answers(n_rows=10)


def test_the_most_frequent_label_is_the_constant_answer():
    rows = replace(ROWS, targets=np.array([2, 1, 1, 2, 1, 0, 1, 2, 1, 1]))
    assert constant_answer(rows, "abc") == ConstantAnswer(("b",), 0.6)
    tied = replace(ROWS, targets=np.array([2, 1] * 5))
    assert constant_answer(tied, "abc") == ConstantAnswer(("b",), 0.5)


def test_the_most_frequent_set_of_labels_is_the_constant_answer():
    sets = np.array([[1, 0, 1]] * 4 + [[0, 0, 0]] * 3 + [[1, 0, 0]] * 3, np.float32)
    rows = replace(ROWS, problem=Problem.MULTI_LABEL, targets=sets)
    assert constant_answer(rows, "abc") == ConstantAnswer(("a", "c"), 0.4)
    assert constant_answer(replace(rows, targets=0 * sets), "abc") == ConstantAnswer((), 1.0)


def test_without_labels_there_is_none():
    with pytest.raises(DataError):
        constant_answer(exit_answers(labeled=False), "abc")


def test_a_model_has_to_be_right_more_often_than_a_constant_answer():
    half = ConstantAnswer(("a", "c"), 0.5)
    assert learned_nothing([0.4, 0.51], half) is None
    told = learned_nothing([0.4, 0.5], half)
    assert told.startswith("The model has learned nothing that shows on these texts: its best exit is right on 50.00%")
    assert "the most frequent answer ('a' + 'c') is right on 50.00%" in told
    assert "(no label)" in learned_nothing([0.4], ConstantAnswer((), 0.5))


def test_texts_of_one_label_cannot_show_anything():
    told = learned_nothing([0.9, 1.0], ConstantAnswer(("a",), 1.0))
    assert told.startswith("All of these texts have the same answer ('a'), so they cannot show")


def test_the_same_answer_to_all_texts_is_told():
    same = replace(ROWS, logits=np.repeat(ROWS.logits[:, :1], 10, axis=1))
    assert answers_alike(same).startswith("The model gives the same answer to all 10 texts")
    assert answers_alike(ROWS) is None
    assert answers_alike(same.subset(np.arange(1))) is None
