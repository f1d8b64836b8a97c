from dataclasses import replace

import pytest

from offramp.data import LabeledTexts, Texts
from offramp.errors import DataError, OptionError
from offramp.policy import AtLeast, AtMost, Exactly, Limit, Method, Reference, Risk
from offramp.tuning.goals import check_known, check_labels, check_sets, goals_of

GPT = Reference("gpt")


def goals(method=None, **target):
    return goals_of(target, method, GPT if "reference_column" in target else None)


def test_a_mistyped_keyword_is_refused_as_of_any_function():
    with pytest.raises(TypeError, match=r"tune\(\) got an unexpected keyword argument 'max_disagrement'"):
        goals(max_disagrement=0.01)


def test_without_a_target_there_are_three_points():
    assert goals() == {
        "fast": AtMost((Limit(Risk.DISAGREEMENT, 0.05),), None, 0.95),
        "balanced": AtMost((Limit(Risk.DISAGREEMENT, 0.02),), None, 0.95),
        "safe": AtMost((Limit(Risk.DISAGREEMENT, 0.01),), None, 0.95),
    }
    assert {goal.method for goal in goals(method="crc").values()} == {Method.CONFORMAL}
    assert {goal.confidence for goal in goals(confidence=0.9).values()} == {0.9}


def test_each_target_is_one_point():
    assert goals(threshold=0.7) == {"tuned": Exactly(0.7)}
    assert goals(speedup=3, name="three") == {"three": AtLeast(3)}
    assert goals(max_disagreement=0.1) == {"tuned": AtMost((Limit(Risk.DISAGREEMENT, 0.1),), None, 0.95)}
    assert goals(max_accuracy_drop=0.1) == {"tuned": AtMost((Limit(Risk.ACCURACY_DROP, 0.1),), None, 0.95)}
    drop = goals(max_accuracy_drop=0.1, method="empirical", confidence=0.5)
    assert drop == {"tuned": AtMost((Limit(Risk.ACCURACY_DROP, 0.1),), Method.EMPIRICAL, 0.5)}
    assert goals(threshold=0.0) == {"tuned": Exactly(0.0)}


def test_limits_go_together():
    both = goals(
        max_disagreement=0.02, min_precision={"spam": 0.75, "ham": 0.5}, each_exit=True, reference_column="gpt"
    )
    limits = (
        Limit(Risk.DISAGREEMENT, 0.02, reference=GPT),
        Limit(Risk.PRECISION, 0.25, label="spam"),
        Limit(Risk.PRECISION, 0.5, label="ham"),
    )
    assert both == {"tuned": AtMost(limits, None, 0.95, each_exit=True)}
    assert both["tuned"].limits_at(("words", "layer 2", "layer 4")) == [
        *(replace(limits[0], exit=name) for name in ("words", "layer 2")),
        *limits,
    ]
    assert [goal.each_exit for goal in goals(each_exit=True).values()] == [True] * 3
    assert {limit.reference for goal in goals(reference_column="gpt").values() for limit in goal.limits} == {GPT}


def test_where_texts_may_be_handed_over_limits_are_about_the_answered():
    assert goals(max_error=0.02) == {"tuned": AtMost((Limit(Risk.ERROR, 0.02),), None, 0.95)}
    limits = (Limit(Risk.ERROR, 0.02, answered=True), Limit(Risk.RECALL, 0.25, label="spam", answered=True))
    found = goals(max_error=0.02, min_recall={"spam": 0.75}, abstain=True, min_coverage=0.8)
    assert found == {"tuned": AtMost(limits, None, 0.95, coverage=0.8)}
    assert goals(max_error=0.02, abstain=True)["tuned"].coverage == 0
    referred = goals(max_disagreement=0.02, reference_column="gpt", abstain=True)["tuned"]
    assert referred.limits == (Limit(Risk.DISAGREEMENT, 0.02, reference=GPT, answered=True),)


@pytest.mark.parametrize(
    ("given", "option", "message"),
    [
        ({"abstain": True}, "abstain", "needs to know what is allowed among the answered texts; add `max_error`"),
        ({"abstain": True, "max_disagreement": 0.02}, "abstain", "nothing would have to be handed over"),
        ({"abstain": True, "max_accuracy_drop": 0.02}, "abstain", "nothing would have to be handed over"),
        ({"min_coverage": 0.5, "max_error": 0.02}, "min_coverage", "add `abstain`"),
        ({"min_coverage": 1.5, "max_error": 0.02, "abstain": True}, "min_coverage", "use a share from 0 to 1"),
        ({"abstain": True, "threshold": 0.9}, "abstain", "`threshold` and `abstain` are given"),
    ],
)
def test_what_abstaining_does_not_go_with(given, option, message):
    with pytest.raises(OptionError, match=message) as caught:
        goals(**given)
    assert caught.value.option == option


def test_an_error_takes_labels():
    with pytest.raises(DataError, match="has no labels, which bounding an accuracy drop, an error"):
        check_labels(goals(max_error=0.02, abstain=True), Texts(["a"], None, 0, "texts.csv"))


def test_limits_are_about_labels_of_the_model():
    wanted = goals(min_recall={"urgant": 0.9})
    check_known(wanted, ["urgant"])
    with pytest.raises(OptionError, match=r"no label 'urgant' \(did you mean 'urgent'\?\), whose recall"):
        check_known(wanted, ["calm", "urgent"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"threshold": 0.5, "speedup": 2},
            "`threshold` and `speedup` are given; choose one target at a time, or several limits",
        ),
        ({"speedup": 2, "max_disagreement": 0.1}, "`speedup` and `max_disagreement` are given; choose one target"),
        ({"threshold": 0.5, "min_recall": {"a": 0.9}}, "`threshold` and `min_recall` are given"),
        ({"speedup": 2, "each_exit": True}, "`speedup` and `each_exit` are given"),
        ({"max_accuracy_drop": 0.0, "max_disagreement": 0.1}, "max_accuracy_drop is 0.0; use a share above 0"),
        ({"min_precision": {"spam": 1.0}}, "min_precision of 'spam' is 1.0; use a share above 0 and below 1"),
        ({"min_recall": {"spam": 98}}, "min_recall of 'spam' is 98; use a share"),
        ({"min_recall": {"spam": 0.9}, "each_exit": True}, "`each_exit` is about disagreement or a drop of accuracy"),
        ({"min_recall": {"spam": 0.9}, "reference_column": "gpt"}, "the reference 'gpt' is given, but nothing is"),
        ({"threshold": 0.9, "reference_column": "gpt"}, "`threshold` and `reference_column` are given"),
        ({"max_disagreement": 0.1, "each_exit": True, "method": "crc"}, "method crc bounds a mean over all rows"),
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


def test_a_share_of_labels_is_for_sets_of_labels():
    wanted = goals(max_labels_changed=0.01)
    assert wanted == {"tuned": AtMost((Limit(Risk.LABELS_CHANGED, 0.01),), None, 0.95)}
    check_sets(wanted, multi_label=True)
    check_sets(goals(), multi_label=False)
    with pytest.raises(OptionError, match="this one gives one"):
        check_sets(wanted, multi_label=False)


def test_limits_on_labels_that_are_no_mapping_are_refused():
    with pytest.raises(OptionError, match=r"min_precision is 'spam=0.9'; use a mapping .* \{'spam': 0.98\}"):
        goals_of({"min_precision": "spam=0.9"}, None, None)  # type: ignore[typeddict-item]
