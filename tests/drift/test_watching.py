"""From what is seen of texts to the alarm "texts have changed"."""

from dataclasses import fields, replace

import numpy as np
import pytest

from offramp.backends import REFERENCE
from offramp.calibration import Problem
from offramp.drift import (
    CalibrationSummaries,
    CalibrationSummary,
    ChangeMonitor,
    Observed,
    View,
    Vocabulary,
    exit_disagreement,
    read_summaries,
    save_summaries,
    words_of_half,
)
from offramp.drift.summaries import Tails
from offramp.errors import ModelFolderError
from offramp.policy import Confidence, Threshold

EXITS = ("words", "layer 1", "layer 2")


def drawn(random, rows, *, longer=0.0, exits=(0.6, 0.3, 0.1)):
    """What is seen of texts, drawn at random."""
    taken = random.choice(len(exits), rows, p=exits)
    later = np.where(taken > 0, 1.0, np.nan)
    return Observed(
        exits=taken,
        confidence=random.beta(8, 1, rows),
        disagreement=random.beta(1, 8, rows) * later,
        characters=np.round(np.exp(random.normal(5 + longer, 1, rows))),
        unknown=random.binomial(8, 0.1, rows) / 8,
        pieces=random.normal(1.3, 0.2, rows) * later,
    )


def summed(observed, **names):
    about = {"point": "safe", "engine": REFERENCE, "model": "sha256:1", "data": "sha256:2"} | names
    return CalibrationSummary.of(observed, len(EXITS), **about)


def rows_of(observed, rows):
    return replace(observed, **{field.name: getattr(observed, field.name)[rows] for field in fields(observed)})


@pytest.mark.parametrize("rows", [40, 300])
def test_no_alarm_on_texts_like_the_calibration_texts_however_few_these_are(rows):
    random = np.random.default_rng(rows)
    for _ in range(20):
        monitor = ChangeMonitor(summed(drawn(random, rows)), EXITS)
        assert not monitor.add(drawn(random, 3000))
        assert monitor.alarm.raised is None
        assert monitor.alarm.looked == 3000


@pytest.mark.parametrize(
    ("change", "cause"), [({"longer": 2}, "longer than"), ({"exits": (0.1, 0.3, 0.6)}, "left after layer 2")]
)
def test_an_alarm_soon_after_a_change_names_its_cause(change, cause):
    random = np.random.default_rng(0)
    for _ in range(5):
        monitor = ChangeMonitor(summed(drawn(random, 400)), EXITS)
        assert not monitor.add(drawn(random, 500))
        assert monitor.add(drawn(random, 200, **change))
        assert 500 < monitor.alarm.raised <= 600
        assert monitor.alarm.cause.detector.startswith(cause)
        assert monitor.alarm.cause.seen > 1.3 * monitor.alarm.cause.expected
        assert not monitor.add(drawn(random, 200, **change))  # it is raised once, and stays


def test_texts_come_in_any_portions():
    random = np.random.default_rng(0)
    summary, texts = summed(drawn(random, 400)), drawn(random, 500, longer=0.7)
    whole, parts = ChangeMonitor(summary, EXITS), ChangeMonitor(summary, EXITS)
    whole.add(texts)
    for start in range(0, 500, 7):
        parts.add(rows_of(texts, slice(start, start + 7)))
    assert whole.alarm.raised == parts.alarm.raised is not None
    for one, other in zip(whole.alarm.figures(), parts.alarm.figures(), strict=True):
        assert one.seen == other.seen
        assert one.log_evidence == pytest.approx(other.log_evidence)


def test_tails_have_at_most_their_share_of_the_values_beyond_them():
    values = np.array([*range(100), np.nan])
    tails = Tails.of(values)
    assert (tails.rows, tails.low, tails.high, tails.counts()) == (100, (5, 25), (94, 74), [5, 25])
    assert Tails.of(np.zeros(50)).high == (0, 0)
    assert Tails.of(np.array([np.nan])).rows == 0


def test_disagreement_is_the_mean_distance_of_two_exits():
    random = np.random.default_rng(0)
    passed = random.dirichlet(np.ones(3), (4, 5))
    pairs = [(first, second) for first in range(4) for second in range(first)]
    apart = [np.abs(passed[first] - passed[second]).sum(-1) / 2 for first, second in pairs]
    np.testing.assert_allclose(exit_disagreement(passed, Problem.SINGLE_LABEL), np.mean(apart, axis=0))
    held = [np.abs(passed[first] - passed[second]).mean(-1) for first, second in pairs]
    np.testing.assert_allclose(exit_disagreement(passed, Problem.MULTI_LABEL), np.mean(held, axis=0))
    assert np.isnan(exit_disagreement(passed[:1], Problem.SINGLE_LABEL)).all()


def test_a_view_leaves_out_exits_that_nobody_asks_and_tokens_that_nobody_counted():
    rule = Threshold(1.01, Confidence(Problem.SINGLE_LABEL))  # which asks none but the last
    view = View.at(rule, Problem.SINGLE_LABEL, (False, True, True), Vocabulary.of(["a b c"], ["d"]))
    passed = np.full((3, 2, 2), np.nan)
    passed[-1] = 0.5
    assert np.isnan(view.disagreement(passed)).all()
    seen = view.observed(["a b x", ""], ["d", ""], np.array([2, 0]), passed[-1], np.full(2, np.nan), np.array([8, 3]))
    assert seen.characters.tolist() == [6, 0]
    assert seen.unknown[0] == 0.25
    assert seen.pieces[0] == 2
    assert np.isnan([seen.unknown[1], seen.pieces[1]]).all()


def test_words_are_known_whatever_their_case_and_after_being_stored():
    texts = [f"w{number} w{number + 1}" for number in range(40)]
    vocabulary, others = words_of_half(texts, None)
    assert others.sum() == 20
    known = [text.upper() for text, other in zip(texts, others, strict=True) if not other]
    stored = Vocabulary.from_text(vocabulary.to_text())
    assert not stored.count(known, None).unknown.any()
    assert stored.count(["w1 nothing like it"], None).words.tolist() == [4]
    assert stored.count([], None).words.shape == (0,)


def test_summaries_live_and_go_with_their_points(tmp_path):
    random = np.random.default_rng(0)
    words = Vocabulary.of(["a"], None)
    fast, safe = (summed(drawn(random, 100), point=name) for name in ("fast", "safe"))
    both = CalibrationSummaries().with_summaries(
        [fast, safe], words, [("fast", REFERENCE, "sha256:1"), ("safe", REFERENCE, "sha256:1")]
    )
    save_summaries(tmp_path, both)
    assert read_summaries(tmp_path) == both
    assert both.at("safe", REFERENCE, "sha256:1") == safe
    assert both.at("safe", REFERENCE, "sha256:9") is None
    anew = summed(drawn(random, 50), data="sha256:3")
    now = both.with_summaries([anew], words, [("safe", REFERENCE, "sha256:1")])
    assert now.summaries == (anew,)
    assert list(now.vocabularies) == ["sha256:3"]


@pytest.mark.parametrize(
    ("old", "new"), [('"rows": 100,', '"rows": 99,'), ('"sha256:2": "', '"sha256:2": "?'), ('"safe"', "null")]
)
def test_a_damaged_file_is_named_with_its_cure(tmp_path, old, new):
    kept = [("safe", REFERENCE, "sha256:1")]
    summary = summed(drawn(np.random.default_rng(0), 100))
    save_summaries(tmp_path, CalibrationSummaries().with_summaries([summary], Vocabulary.of(["a"], None), kept))
    file = tmp_path / "monitoring.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ModelFolderError, match=r"monitoring.json is damaged .*; delete it, and run 'offramp tune'"):
        read_summaries(tmp_path)
