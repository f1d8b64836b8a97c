import numpy as np
import pytest

from helpers.cached import exit_answers
from offramp.errors import DataError
from offramp.policy import Risk, accuracy_drop, disagreement


def test_costs_are_shares_of_the_mean_row_at_full_depth():
    rows = exit_answers(n_rows=3, n_exits=2, tokens=(5, 10, 15), stage_costs=(1.0, 2.0), full_cost=2.5)
    np.testing.assert_allclose(rows.row_costs, [[0.2, 0.4, 0.6], [0.6, 1.2, 1.8]])
    # Of a part of the rows, the mean row is another.
    np.testing.assert_allclose(rows.subset(np.array([2])).row_costs, [[0.4], [1.2]])


@pytest.mark.parametrize("multi_label", [False, True])
def test_losses_and_right_answers(multi_label):
    rows = exit_answers(n_rows=50, multi_label=multi_label)
    answers = rows.probabilities
    np.testing.assert_array_equal(rows.losses(answers, Risk.DISAGREEMENT), disagreement(answers, rows.problem))
    np.testing.assert_array_equal(
        rows.losses(answers, Risk.ACCURACY_DROP), accuracy_drop(answers, rows.targets, rows.problem)
    )
    np.testing.assert_array_equal(rows.good(answers, Risk.DISAGREEMENT), rows.losses(answers, Risk.DISAGREEMENT) == 0)
    np.testing.assert_array_equal(rows.good(answers, Risk.ACCURACY_DROP), rows.problem.right(answers, rows.targets))
    assert rows.best_risk is Risk.ACCURACY_DROP


def test_without_labels_only_disagreement_shows():
    rows = exit_answers(n_rows=5, labeled=False)
    assert rows.best_risk is Risk.DISAGREEMENT
    assert rows.good(rows.probabilities, Risk.DISAGREEMENT)[-1].all()
    for ask in (rows.losses, rows.good):
        with pytest.raises(DataError, match="accuracy takes rows with labels"):
            ask(rows.probabilities, Risk.ACCURACY_DROP)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(("share", "sizes"), [(0.5, (10, 11)), (0.25, (5, 16)), (0.0, (1, 20))])
def test_parts_share_no_row_and_are_the_same_for_the_same_seed(multi_label, share, sizes):
    rows = exit_answers(n_rows=21, multi_label=multi_label, tokens=tuple(range(1, 22)))
    some, others = rows.split(share, seed=3)
    assert sorted([*some.tokens, *others.tokens]) == sorted(rows.tokens)
    assert (len(some), len(others)) == sizes
    for part in (some, others):
        places = part.tokens - 1
        np.testing.assert_array_equal(part.probabilities, rows.probabilities[:, places])
        np.testing.assert_array_equal(part.targets, rows.targets[places])
    np.testing.assert_array_equal(rows.split(share, seed=3)[0].tokens, some.tokens)
    assert set(rows.split(share, seed=4)[0].tokens) != set(some.tokens)


def test_one_row_cannot_be_split():
    with pytest.raises(DataError, match="1 row cannot be split into one part for fitting and one for judging"):
        exit_answers(n_rows=1).split(0.5, seed=0)
