import pytest

from offramp.data import LabeledTexts, Texts
from offramp.errors import DataError, OptionError
from offramp.policy import AtLeast, AtMost, Exactly, Limit, Method, Risk
from offramp.tuning.goals import check_labels, goals_of

NOTHING = {
    "threshold": None,
    "speedup": None,
    "max_accuracy_drop": None,
    "max_disagreement": None,
    "confidence": 0.95,
    "method": None,
    "name": None,
}


def goals(**given):
    return goals_of(**NOTHING | given)


def test_without_a_target_there_are_three_points():
    assert goals() == {
        "fast": AtMost((Limit(Risk.DISAGREEMENT, 0.05),), Method.LTT, 0.95),
        "balanced": AtMost((Limit(Risk.DISAGREEMENT, 0.02),), Method.LTT, 0.95),
        "safe": AtMost((Limit(Risk.DISAGREEMENT, 0.01),), Method.LTT, 0.95),
    }
    assert {goal.method for goal in goals(method="crc").values()} == {Method.CONFORMAL}
    assert {goal.confidence for goal in goals(confidence=0.9).values()} == {0.9}


def test_each_target_is_one_point():
    assert goals(threshold=0.7) == {"tuned": Exactly(0.7)}
    assert goals(speedup=3, name="three") == {"three": AtLeast(3)}
    assert goals(max_disagreement=0.1) == {"tuned": AtMost((Limit(Risk.DISAGREEMENT, 0.1),), Method.LTT, 0.95)}
    assert goals(max_accuracy_drop=0.1) == {"tuned": AtMost((Limit(Risk.ACCURACY_DROP, 0.1),), Method.UCB, 0.95)}
    drop = goals(max_accuracy_drop=0.1, method="empirical", confidence=0.5)
    assert drop == {"tuned": AtMost((Limit(Risk.ACCURACY_DROP, 0.1),), Method.EMPIRICAL, 0.5)}
    assert goals(threshold=0.0) == {"tuned": Exactly(0.0)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"threshold": 0.5, "speedup": 2}, "`threshold` and `speedup` are given; choose one target at a time"),
        ({"max_accuracy_drop": 0.0, "max_disagreement": 0.1}, "`max_accuracy_drop` and `max_disagreement` are given"),
        ({"name": "safe"}, "the name 'safe' needs a target; add one of `threshold`, `speedup`, `max_"),
        ({"name": " ", "threshold": 1}, "the name is empty"),
        ({"name": "0.9", "threshold": 1}, "the name '0.9' looks like a threshold; give one that is not a number"),
        ({"name": "1e-1 ", "speedup": 2}, "the name '1e-1 ' looks like a threshold"),
        ({"method": "magic"}, "method 'magic' is not known; valid: empirical, crc, ltt, ucb"),
        ({"speedup": 1}, "speedup is 1; use a number above 1"),
    ],
)
def test_what_cannot_be_meant(given, message):
    with pytest.raises(OptionError, match=message):
        goals(**given)


def test_only_a_drop_in_accuracy_needs_labels():
    plain, labeled = Texts(["a"], None, 0, "here.csv"), LabeledTexts(["a"], None, ["b"], 0, "here.csv")
    for wanted in (goals(), goals(speedup=2), goals(threshold=0.5), goals(max_disagreement=0.1)):
        check_labels(wanted, plain)
    check_labels(goals(max_accuracy_drop=0.1), labeled)
    with pytest.raises(DataError, match=r"here.csv has no labels, .*bound the disagreement"):
        check_labels(goals(max_accuracy_drop=0.1), plain)
