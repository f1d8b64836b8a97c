"""Each remark, at figures where its rule applies and at others where it does not."""

from dataclasses import replace

import pytest

from helpers import evaluations
from helpers.evaluations import DROP, SAFE, evaluation
from offramp.benchmark import Kind
from offramp.evaluation import Group, Overthinking
from offramp.policy import Interval
from offramp.report.advice import advise
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.tables import facts
from offramp.words import WordsTrial

QUIET = evaluation(rows=4000)


def point(made, **changes):
    return replace(made, focus=replace(made.focus, point=replace(made.focus.point, **changes)))


def data(made, **changes):
    return replace(made, data=replace(made.data, **changes))


NOTHING = Interval(0.0, 0.0, 0.0)


def named(promise, agreement=1.0, difference=NOTHING):
    made = evaluation(promises=(("safe", promise),), rows=4000)
    (here,) = made.operating_points
    changed = evaluations.here(here, promise, 4000, agreement=agreement, accuracy_difference=difference)
    return replace(made, operating_points=(changed,))


def remark(made, words, speeds=None):
    (found,) = [one for one in advise(made, speeds).remarks if words in one.rule]
    return found


TRIAL = WordsTrial(
    kept=False,
    against="labels",
    seconds=1.0,
    alone=0.96,
    full_right=0.968,
    exits_right=0.966,
    exits_speedup=3.0,
    words_right=0.966,
    words_speedup=3.1,
)


def tried(trial):
    return replace(QUIET, model=replace(QUIET.model, words=trial))


@pytest.mark.parametrize(
    ("trial", "applies"),
    [
        (TRIAL, True),
        (replace(TRIAL, alone=0.957), False),
        (replace(TRIAL, kept=True), False),
        (replace(TRIAL, against="model", full_right=1.0), False),
        (None, False),
    ],
)
def test_words_that_were_left_out_and_would_do(trial, applies):
    first = advise(tried(trial), None).remarks[0]
    assert first.applies is applies
    assert "--exits words,1,2,4,6 --output DIR" in first.advice
    if applies:
        assert first.figures.replace("\u202f", " ") == (
            "words alone are right on 96.00 % of the dev texts, full depth on 96.80 %"
        )


def test_what_words_got_is_told_among_the_facts():
    assert "Words when it was made" not in dict(facts(QUIET))
    told = dict(facts(tried(replace(TRIAL, against="model"))))["Words when it was made"]
    assert told.replace("\u202f", " ") == "words alone answer 96.00 % of the dev texts as full depth does"


def group(name, won, lost):
    return Group(name, 100, (50, 50, 0, 0), 0, 80, won, lost, 90)


CALM = {"speedup": 2.0, "bound_speedup": 2.1, "speedup_spread": (1.95, 2.05), "efficiency": 0.95}
KNOWN = {"accuracy_difference": Interval(-0.001, -0.003, 0.001)}

CASES = [
    ("setting in focus loses", point(QUIET, accuracy_difference=Interval(-0.02, -0.03, -0.011)), point(QUIET, **KNOWN)),
    ("no operating point", evaluation(), evaluation(promises=(("safe", SAFE),))),
    ("does not keep its promise", named(SAFE, agreement=0.98), named(SAFE, agreement=0.9895)),
    ("does not keep its promise", named(DROP, difference=Interval(-0.02, -0.03, -0.011)), named(DROP)),
    (
        "uncertain by more than",
        point(QUIET, accuracy_difference=Interval(0.0, -0.02, 0.02)),
        point(QUIET, **KNOWN),
    ),
    (
        "calibration error",
        replace(QUIET, calibration=(replace(QUIET.calibration[0], ece_after=0.06),)),
        replace(QUIET, calibration=(replace(QUIET.calibration[0], ece_after=0.04),)),
    ),
    ("used to make the model", data(QUIET, used_before={"training": 0.5}), data(QUIET, used_before={"x": 0.04})),
    (
        "class loses accuracy",
        replace(QUIET, focus=replace(QUIET.focus, classes=(group("x", 0, 12), group("y", 5, 5)))),
        replace(QUIET, focus=replace(QUIET.focus, classes=(group("x", 2, 6), group("y", 0, 0)))),
    ),
    (
        "calibration error",
        data(replace(QUIET, calibration=(replace(QUIET.calibration[0], ece_after=0.2),)), rows=200),
        data(replace(QUIET, calibration=(replace(QUIET.calibration[0], ece_after=0.2),)), rows=199),
    ),
    (
        "right and the last one wrong",
        data(replace(QUIET, overthinking=Overthinking((), overthought=0.03, ceiling=0.95)), rows=2000),
        data(replace(QUIET, overthinking=Overthinking((), overthought=0.03, ceiling=0.95)), rows=100),
    ),
    (
        "right and the last one wrong",
        replace(QUIET, overthinking=Overthinking((), overthought=0.03, ceiling=0.95)),
        replace(QUIET, overthinking=Overthinking((), overthought=0.01, ceiling=0.95)),
    ),
    ("highest possible speed-up is reached", point(QUIET, **(CALM | {"efficiency": 0.7})), point(QUIET, **CALM)),
    ("quartiles are apart by", point(QUIET, **(CALM | {"speedup_spread": (1.5, 2.5)})), point(QUIET, **CALM)),
    ("quartiles are apart by", data(point(QUIET, **CALM), timed_rows=99), data(point(QUIET, **CALM), timed_rows=100)),
    ("longer than the model reads", data(QUIET, truncated=300), data(QUIET, truncated=100)),
]


@pytest.mark.parametrize(("words", "applies", "does_not"), CASES)
def test_rules_apply_where_they_should(words, applies, does_not):
    found, other = remark(applies, words), remark(does_not, words)
    assert found.applies
    assert found.advice
    assert found.figures
    assert not other.applies
    assert other.figures


def test_the_figures_are_told():
    assert remark(data(QUIET, used_before={"training": 0.5}), "used to make").figures == "50\u202f% for training"
    (pays,) = [remark(made, words) for words, made, _ in CASES if words == "class loses accuracy"]
    assert "12 lost and 0 won" in pays.figures
    assert "'x'" in pays.advice
    assert "safe: 2.00\u202f%" in remark(named(SAFE, agreement=0.98), "does not keep its promise").figures


def test_more_texts_are_asked_for_in_proportion():
    found = remark(
        data(point(QUIET, accuracy_difference=Interval(0, -0.01, 0.01)), rows=1000), "uncertain by more than"
    )
    assert "about 4,000" in found.advice


def test_risks_are_those_that_were_promised():
    difference = Interval(-0.02, -0.03, -0.01)
    figures = [
        remark(named(promise, 0.97, difference), "does not keep its promise").figures.replace("\u202f", " ")
        for promise in (SAFE, DROP, None)
    ]
    assert figures == [
        "safe: 3.00 %, promised disagreement at most 1.0 %, with 95 % confidence",
        "safe: 2.00 %, promised accuracy drop at most 1.0 %, with 95 % confidence",
        "no promises",
    ]


def speed(kind, texts, accuracy=0.9, threads=1, precision="fp32"):
    name, spread = f"{kind} {texts}", (texts, 0.98 * texts, 1.02 * texts)
    return BenchSpeed(name, kind, "torch", precision, threads, accuracy, *spread, 100, 1.0, 2.0, None)


def bench(*rows):
    return BenchSpeeds("A", "toy", "sha256:b", 20.0, 100, 10, rows)


@pytest.mark.parametrize(
    ("rival", "applies"),
    [
        (speed(Kind.FULL, 200.0), True),
        (speed(Kind.FULL, 101.0), False),  # within the quartiles
        (speed(Kind.TRUNCATED, 200.0, accuracy=0.89), False),  # less accurate
        (speed(Kind.TRUNCATED, 200.0, accuracy=0.90), True),
        (speed(Kind.FULL, 200.0, threads=2), False),  # more threads
        (speed(Kind.EARLY_EXIT, 90.0), False),
    ],
)
def test_what_a_benchmark_says(rival, applies):
    early = speed(Kind.EARLY_EXIT, 100.0)
    assert remark(QUIET, "something without early exit", bench(early, rival)).applies == applies


def test_another_engine_may_be_faster():
    here, there = speed(Kind.EARLY_EXIT, 100.0), speed(Kind.EARLY_EXIT, 200.0, precision="bf16")
    found = remark(QUIET, "another backend or precision", bench(here, there))
    assert found.applies
    assert "torch bf16" in found.advice
    assert not remark(QUIET, "another backend or precision", bench(here)).applies
    assert not remark(QUIET, "another backend or precision", bench(there)).applies


def test_a_benchmark_without_labels_compares_speed_alone():
    rows = [replace(speed(kind, texts), accuracy=None) for kind, texts in [(Kind.EARLY_EXIT, 100), (Kind.FULL, 200)]]
    assert remark(QUIET, "something without early exit", bench(*rows)).applies
    assert not any("benchmark" in one.rule for one in advise(QUIET, None).remarks)
