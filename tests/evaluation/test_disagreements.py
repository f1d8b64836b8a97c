from dataclasses import replace

import numpy as np
import pytest

from offramp.calibration import Problem
from offramp.evaluation.disagreements import BothAnswers, worst_disagreements

EARLY = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
FULL = np.array([[0.4, 0.6], [0.1, 0.9], [0.1, 0.9], [0.3, 0.7]])


def answers(problem=Problem.SINGLE_LABEL, targets=(1, 1, 1, 0)):
    exits, names = np.array([0, 1, 2, 0]), ("words", "layer 2", "layer 6")
    return BothAnswers(EARLY, FULL, exits, np.zeros(4, bool), names, (0, 2, 6), np.array(targets), ("a", "b"), problem)


def test_the_surest_of_full_depth_come_first():
    found = worst_disagreements(answers())
    assert [one.row for one in found] == [2, 4, 1]
    second = found[0]
    assert (second.exit_name, second.layers) == ("layer 2", 2)
    assert (second.early.labels, second.full.labels, second.truth) == (("a",), ("b",), ("b",))
    assert [(one.exit_name, one.layers) for one in found[1:]] == [("words", 0), ("words", 0)]
    assert (second.early.confidence, second.full.confidence) == (0.6, 0.9)
    assert second.text is None
    assert [one.row for one in worst_disagreements(answers(), number=2)] == [2, 4]


def test_rows_that_are_handed_over_disagree_with_nothing():
    found = worst_disagreements(replace(answers(), handed_over=np.array([False, True, False, True])))
    assert [one.row for one in found] == [1]


def test_texts_are_given_if_they_may_be_shown():
    texts = ["one", "x" * 400, "three", "lone \ud800 half"]
    found = worst_disagreements(answers(), texts, texts)
    assert [one.text for one in found] == ["x" * 299 + "…", "lone ? half", "one"]
    assert found[0].text_pair == found[0].text


def test_sets_of_labels_may_be_empty():
    found = worst_disagreements(answers(Problem.MULTI_LABEL, [[1, 1], [0, 1], [0, 0], [0, 0]]))
    assert {one.row: (one.early.labels, one.full.labels, one.truth) for one in found} == {
        1: (("a",), ("b",), ("a", "b")),
        2: (("a",), ("b",), ("b",)),
        4: (("a",), ("b",), ()),
    }
    assert found[0].full.confidence == pytest.approx(0.9 * 0.9)


def test_where_all_agree_there_is_none():
    assert worst_disagreements(replace(answers(), early=FULL)) == ()
