"""What stands first in a report speaks of one setting."""

import re
import shlex
from dataclasses import replace

import pytest

from helpers.evaluations import SAFE, at_target, evaluation
from offramp.evaluation import ConstantAnswer, Standing
from offramp.report import make_report
from offramp.report.summary import summarize
from offramp.report.verdict import recommended

ROWS = 4000


def plain(text):
    return text.replace("\u202f", " ").replace("\u2212", "-")


def of(made, place):
    """The same evaluation with another setting in focus: thresholds, points, cut networks, full depth."""
    ways = (*made.points, *(here.point for here in made.operating_points), *made.truncated, made.full)
    return replace(made, focus=replace(made.focus, point=ways[place]))


def in_folder(made, folder="my models/m", **changes):
    return replace(made, model=replace(made.model, folder=folder, **changes))


MADE = in_folder(evaluation(promises=(("safe", at_target(0.5)),), rows=ROWS))


def test_speed_and_accuracy_are_those_of_the_setting_in_focus():
    point, full = MADE.operating_points[0].point, MADE.full
    summary = summarize(of(MADE, 5))
    assert summary.heading == "Use --at safe"
    speed, accuracy = plain(summary.speed), plain(summary.accuracy)
    assert speed == (
        f"{point.texts_per_second:,.0f} texts a second instead of {full.texts_per_second:,.0f}: "
        f"{point.speedup:.1f}× as fast."
    )
    assert f"Right on {100 * point.accuracy:.2f} % of 4,000 texts instead of {100 * full.accuracy:.2f} %" in accuracy
    low, high = point.accuracy_difference.low, point.accuracy_difference.high
    assert f"(95 % interval {100 * low:+.2f} to {100 * high:+.2f})" in accuracy


def test_a_setting_that_hands_over_says_how_many_are_answered_and_how_many_of_these_are_right():
    made = in_folder(evaluation(promises=(("sure", at_target(0.5)),), rows=ROWS, focus=5, answer_from=0.8))
    handing, summary = made.operating_points[0].handing_over, summarize(made)
    assert 0 < handing.handed_over < ROWS
    accuracy = plain(summary.accuracy)
    share = f"{100 * handing.coverage:.2f}"
    assert f"Answers {handing.answered:,} of 4,000 texts ({share} %)" in accuracy
    assert f"hands over {handing.handed_over:,}." in accuracy
    right, full = (f"{100 * share:.2f} %" for share in (handing.accuracy.value, handing.full_accuracy))
    assert f"Right on {right} of those answered" in accuracy
    assert f"full depth on {full} of the same" in accuracy
    assert summary.command.endswith("--at sure --handed-over FILE")
    assert "It answers every text, whereas this one hands some over" in summary.otherwise


@pytest.mark.parametrize(
    ("target", "standing", "mark"), [(0.5, Standing.KEPT, "✓"), (0.0001, Standing.BROKEN, "✗"), (None, None, None)]
)
def test_a_promise_has_a_tick_where_it_holds(target, standing, mark):
    promise = None if target is None else at_target(target)
    kept = summarize(evaluation(promises=(("safe", promise),), rows=ROWS, focus=5)).kept
    assert (None if kept is None else (kept.standing, kept.mark)) == (None if mark is None else (standing, mark))


@pytest.mark.parametrize(
    ("place", "words", "python"),
    [
        (3, "--threshold 0.9", "threshold=0.9"),
        (5, "--at safe", "at='safe'"),
        (9, "--threshold 1.01", "threshold=1.01"),
    ],
)
def test_the_command_uses_the_setting(place, words, python):
    summary = summarize(of(MADE, place))
    assert summary.command == f"offramp predict 'my models/m' --input FILE --output FILE {words}"
    assert summary.python == f"offramp.load('my models/m').predict(texts, {python})"


def test_the_command_of_a_cut_network_trains_one():
    summary = summarize(of(MADE, 7))
    assert summary.heading == "End the network after layer 2"
    assert summary.command == "offramp train TRAIN --model BACKBONE --layers 2 --exits 2 --output DIR"
    assert summary.python is None


def test_the_command_of_words_alone_lets_all_texts_leave_there():
    names = ("words", "layer 1", "layer 2", "layer 6")
    summary = summarize(in_folder(evaluation(layers=(0, 1, 2, 6), names=names, focus=5)))
    assert summary.heading == "Words are enough here"
    assert summary.command == "offramp predict 'my models/m' --input FILE --output FILE --threshold 0"
    assert summary.python == "offramp.load('my models/m').predict(texts, threshold=0)"


def test_a_model_of_a_chain_alone_has_a_folder_of_its_own():
    names = ("layer 1 of model 1", "layer 2 of model 1", "layer 1 of model 2", "layer 2 of model 2")
    summary = summarize(in_folder(evaluation(names=names, focus=6)))
    assert summary.heading == "Model 1 alone is enough here"
    assert (summary.command, summary.python) == (None, None)


def test_names_are_quoted_for_the_shell():
    made = in_folder(evaluation(promises=(("a b;c", SAFE),), focus=5), "-m $x")
    assert shlex.split(summarize(made).command)[-2:] == ["--at", "a b;c"]
    assert "-m $x" in shlex.split(summarize(made).command)


def test_a_backend_that_was_asked_for_is_asked_for_again():
    made = in_folder(of(MADE, 5), automatic=False, backend="openvino", precision="int8")
    assert summarize(made).command.endswith("--at safe --backend openvino --precision int8")
    assert "backend='openvino', precision='int8'" in summarize(made).python


def test_a_classifier_in_memory_has_no_command():
    summary = summarize(evaluation(promises=(("safe", SAFE),), focus=5))
    assert summary.command is None
    assert summary.python == "classifier.predict(texts, at='safe')"


def test_a_threshold_says_what_it_does_not_promise():
    caveat = summarize(of(MADE, 3)).caveat
    assert "looks better on toy.csv than elsewhere" in caveat
    assert "--at safe (1.4× as fast as full depth) was chosen on other texts, with a guarantee" in caveat
    assert "offramp tune" in summarize(of(evaluation(rows=ROWS), 3)).caveat
    assert summarize(of(MADE, 5)).caveat is None
    assert summarize(of(evaluation(rows=100), 3)).caveat.startswith("100 texts cannot settle this")


def test_what_is_recommended_instead_is_told():
    best = recommended(MADE).point
    ways = (*MADE.points, *(here.point for here in MADE.operating_points), *MADE.truncated, MADE.full)
    told = [summarize(of(MADE, place)) for place in range(len(ways))]
    assert [one.recommended for one in told] == [point == best for point in ways]
    assert all((one.otherwise is None) == one.recommended for one in told)
    (heading,) = {one.heading for one in told if one.recommended}
    assert all(heading in one.otherwise for one in told if not one.recommended)


def test_headline_tiles_and_advice_speak_of_the_recommended_setting():
    ways = (*MADE.points, *(here.point for here in MADE.operating_points), *MADE.truncated, MADE.full)
    report = make_report(of(MADE, ways.index(recommended(MADE).point)))
    assert report.summary.recommended
    assert report.evaluation.focus.point.setting.split()[-1].strip("'") in report.advice.verdict.advice


def test_a_model_that_knows_nothing_is_not_to_be_used():
    made = replace(MADE, data=replace(MADE.data, constant=ConstantAnswer((), 1 - 1e-3)))
    summary = summarize(of(made, 9))
    assert summary.recommended
    assert summary.heading == "Do not use this model yet"
    assert summary.caveat.startswith("The model has learned nothing that shows on these texts")
    assert "most frequent answer (no label) is right on 99.90%" in summary.caveat
    assert (summary.command, summary.python) == (None, None)
    asked = summarize(of(made, 7))
    assert asked.otherwise.startswith("Do not use this model yet. The model has learned nothing")


@pytest.mark.parametrize("place", range(9))
def test_the_printed_rates_have_the_printed_ratio(place):
    speed = plain(summarize(of(MADE, place)).speed)
    fast, full, factor = (float(one.replace(",", "")) for one in re.findall(r"\d[\d,.]*\d", speed))
    assert fast / full == pytest.approx(factor, abs=0.06)
