"""Fitting finds the words that decide, whatever the targets are, and chooses how much it believes the texts."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from helpers.problems import PROBLEMS
from helpers.slow_words import grams_of
from helpers.toys import LABELS, multi, single
from offramp.calibration import Problem
from offramp.errors import DataError
from offramp.words import fit
from offramp.words import fitting as module
from offramp.words.grams import BUCKETS
from offramp.words.linear import fit_layer, loss_of


def texts_and_targets(rows):
    """Texts of toy rows, with the index of each one's label."""
    return [row["text"] for row in rows], np.array([LABELS.index(row["label"]) for row in rows])


def texts_and_sets(rows):
    """Texts of toy rows, with 1 for each label that one has, and else 0."""
    sets = [[int(label in row["label"]) for label in LABELS] for row in rows]
    return [row["text"] for row in rows], np.array(sets)


def accuracy(words, texts, targets):
    problem = Problem(words.about.problem)
    return problem.right(problem.probabilities(words.logits(texts)), targets).mean()


def test_it_learns_labels():
    texts, targets = texts_and_targets(single(400))
    words = fit(texts, targets, labels=LABELS, problem=Problem.SINGLE_LABEL)
    assert accuracy(words, *texts_and_targets(single(200, seed=1))) > 0.95
    assert (words.about.rows, words.about.labels) == (400, ("a", "b", "c"))


def test_it_learns_sets_of_labels():
    texts, targets = texts_and_sets(multi(600))
    words = fit(texts, targets, labels=LABELS, problem=Problem.MULTI_LABEL)
    assert accuracy(words, *texts_and_sets(multi(200, seed=1))) > 0.9


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_learns_what_another_model_says_of_texts_without_labels(problem):
    texts = [row["text"] for row in single(400)]
    teacher = fit(*texts_and_targets(single(400, seed=7)), labels=LABELS, problem=Problem.SINGLE_LABEL)
    beliefs = problem.probabilities(teacher.logits(texts))
    words = fit(texts, beliefs, labels=LABELS, problem=problem)
    others = [row["text"] for row in single(200, seed=1)]
    assert problem.agree(*(problem.probabilities(one.logits(others)) for one in (words, teacher))).mean() > 0.93


def test_it_learns_from_what_both_texts_of_a_pair_have_in_common():
    randomly = np.random.default_rng(0)
    texts = [f"x{number} y{number}" for number in randomly.integers(0, 30, 900)]
    same = randomly.integers(0, 2, 900)
    pairs = [text if yes else other for text, other, yes in zip(texts, np.roll(texts, 1), same, strict=True)]
    kind = {"labels": ("no", "yes"), "problem": Problem.SINGLE_LABEL}
    words = fit(texts[:700], same[:700], text_pairs=pairs[:700], **kind)
    answers = words.logits(texts[700:], pairs[700:]).argmax(axis=1)
    assert (answers == same[700:]).mean() > 0.9


def test_the_same_texts_give_the_same_model():
    texts, targets = texts_and_targets(single(200))
    first, second = (fit(texts, targets, labels=LABELS, problem=Problem.SINGLE_LABEL, seed=3) for _ in range(2))
    assert first.fingerprint() == second.fingerprint()


def test_the_layer_is_that_of_scikit_learn():
    randomly = np.random.default_rng(0)
    features = csr_array(randomly.random((300, 20)) * (randomly.random((300, 20)) < 0.3), dtype=np.float32)
    targets = randomly.integers(0, 3, 300)
    hot = np.eye(3, dtype=np.float32)[targets]
    ours = fit_layer(features, hot, Problem.SINGLE_LABEL, 2.0)
    reference = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(features, targets)
    np.testing.assert_allclose(ours.weights, reference.coef_.T, atol=0.01)
    ours = fit_layer(features, hot, Problem.MULTI_LABEL, 2.0)
    for label in range(3):
        alone = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(features, hot[:, label])
        np.testing.assert_allclose(ours.weights[:, label], alone.coef_[0], atol=0.01)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_slope_is_that_of_the_loss(problem):
    randomly = np.random.default_rng(0)
    logits = randomly.normal(size=(4, 3)).astype(np.float64)
    targets = problem.probabilities(randomly.normal(size=(4, 3)))
    _, slope = loss_of(logits, targets, problem)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        rise = loss_of(logits + step, targets, problem)[0] - loss_of(logits - step, targets, problem)[0]
        assert rise / 2e-5 == pytest.approx(slope[place], abs=1e-4)


def test_texts_that_say_little_count_for_less():
    """Where labels are chance, the penalty wins; where a word decides, the texts do."""
    texts, targets = texts_and_targets(single(300))
    chance = np.random.default_rng(0).integers(0, 3, 300)
    kind = {"labels": LABELS, "problem": Problem.SINGLE_LABEL}
    assert fit(texts, chance, **kind).about.strength < fit(texts, targets, **kind).about.strength


def test_where_not_all_fits_into_the_file_what_most_texts_have_is_kept(monkeypatch):
    monkeypatch.setattr(module, "most_features", lambda labels: 3)
    texts = ["often", "often also", "also rare", "often"]
    words = fit(texts, np.array([0, 1, 1, 0]), labels=("x", "y"), problem=Problem.SINGLE_LABEL)
    kept = set(words._arrays["buckets"].tolist())
    assert len(kept) == 3
    assert set(grams_of("often")) <= kept < set(range(BUCKETS))


@pytest.mark.parametrize("texts", [["", ""], ["one", "one"], ["one"]])
def test_few_texts_and_texts_without_words_give_a_model_that_answers(texts):
    words = fit(texts, np.zeros(len(texts), np.int64), labels=("x", "y"), problem=Problem.SINGLE_LABEL)
    assert words.logits([*texts, "another"]).argmax(axis=1).tolist() == [0] * (len(texts) + 1)


@pytest.mark.parametrize(
    ("targets", "problem", "told"),
    [
        ([0, 3], Problem.SINGLE_LABEL, "index of a label, from 0 to 2"),
        ([0, -1], Problem.SINGLE_LABEL, "index of a label, from 0 to 2"),
        ([0, 1, 2], Problem.SINGLE_LABEL, r"shape \(3,\), but 2 texts and 3 labels need \(2, 3\)"),
        ([0, 1], Problem.MULTI_LABEL, r"need \(2, 3\)"),
        ([[0.5, 0.5, 0.5]] * 2, Problem.SINGLE_LABEL, "have to sum to 1"),
        ([[2, 0, 0]] * 2, Problem.MULTI_LABEL, "from 0 to 1"),
        ([[np.nan, 0, 0]] * 2, Problem.MULTI_LABEL, "from 0 to 1"),
    ],
)
def test_targets_that_do_not_go_with_the_texts_are_refused(targets, problem, told):
    with pytest.raises(DataError, match=told):
        fit(["one", "two"], np.array(targets), labels=LABELS, problem=problem)


def test_no_texts_and_pairs_of_another_number_are_refused():
    with pytest.raises(DataError, match="no texts to fit"):
        fit([], np.array([], np.int64), labels=LABELS, problem=Problem.SINGLE_LABEL)
    with pytest.raises(DataError, match="1 second texts for 2 texts"):
        fit(["a", "b"], np.array([0, 1]), labels=LABELS, problem=Problem.SINGLE_LABEL, text_pairs=["c"])
