from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.evaluations import SAFE, evaluation
from offramp.benchmark import Kind
from offramp.evaluation import Group, PromiseHere, Standing, fastest_within
from offramp.policy import Reference
from offramp.report import make_report
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.card import card_section
from offramp.report.page import render
from offramp.report.tables import choices, facts, fold, promises, speed_groups
from offramp.report.words import percent

counts = st.integers(0, 50)


@st.composite
def groups(draw):
    exits = draw(st.tuples(counts, counts, st.integers(1, 50)))
    rows = sum(exits)
    won, lost = draw(st.integers(0, rows)), draw(st.integers(0, rows))
    right = draw(st.integers(0, rows))
    return Group(draw(st.text(max_size=9)), rows, exits, 0, right, won, lost, draw(st.integers(0, rows)))


@given(st.lists(groups(), min_size=1, max_size=40), st.integers(2, 20))
def test_folding_loses_no_text(several, most):
    folded = fold(several, (1, 2, 4), most)
    assert len(folded) == min(len(several), most)
    for count in ("rows", "right", "won", "lost", "agree"):
        assert sum(getattr(one, count) for one in folded) == sum(getattr(one, count) for one in several)
    assert (
        np.sum([one.exits for one in folded], axis=0).tolist()
        == np.sum([one.exits for one in several], axis=0).tolist()
    )
    shown = folded[: most - 1]
    assert [one.rows for one in shown] == sorted((one.rows for one in shown), reverse=True)
    if len(several) > most:
        assert folded[-1].name == f"{len(several) - most + 1} other classes"


def test_groups_as_large_come_by_depth():
    deep, shallow = Group("deep", 10, (0, 10), 0, 5, 0, 0, 10), Group("shallow", 10, (10, 0), 0, 5, 0, 0, 10)
    assert [one.name for one in fold([shallow, deep], (1, 6))] == ["deep", "shallow"]


def test_every_way_to_run_the_model_is_a_choice():
    made = evaluation(promises=(("safe", SAFE), ("plain", None)), focus=2)
    shown = choices(made)
    names = [one.name for one in shown]
    assert names[0] == "full depth"
    assert {"safe", "plain", "threshold 0.7"} <= set(names)
    assert names[-3:] == ["cut after layer 4", "cut after layer 2", "cut after layer 1"]
    assert len(set(names)) == len(names)
    asides = {one.name: one.aside for one in shown}
    assert asides["safe"].startswith("operating point, default")
    assert "in focus" in asides["threshold 0.7"]
    assert [one.name for one in shown if one.chosen] == ["threshold 0.7"]
    fastest = fastest_within(made.points, made.full, 0.01)
    assert "fastest threshold within 1 point" in asides[f"threshold {fastest.threshold:g}"]


def test_an_operating_point_in_focus_is_there_once():
    shown = choices(evaluation(promises=(("safe", SAFE),), focus=5))
    assert [one.aside for one in shown if one.name == "safe"] == ["operating point, default; in focus"]


def test_promises_stand_beside_what_is_seen():
    made = evaluation(promises=(("safe", SAFE), ("plain", None)))
    safe, plain = promises(made)
    assert (safe.name, safe.method) == ("safe (default)", "Learn-then-Test")
    assert (safe.operating_point.promises[0].promise, safe.operating_point.point.rule) == (
        SAFE,
        "confidence at least 0.8",
    )
    assert safe.here == safe.kept.seen == pytest.approx(1 - made.operating_points[0].point.agreement)
    assert safe.kept.standing is Standing.BROKEN
    assert (plain.name, plain.promise, plain.method, plain.kept) == ("plain", "none", "", None)
    assert safe.stated == f"{safe.promise}: {percent(safe.here)} here (broken)"
    assert plain.stated == "no promise"


def test_a_promise_about_a_reference_that_is_not_given_says_so():
    made = evaluation(promises=(("safe", SAFE),))
    limit = replace(SAFE.limit, reference=Reference("original", "sha256:1"))
    unknown = PromiseHere(replace(SAFE, limit=limit), 0, None)
    made = replace(made, operating_points=(replace(made.operating_points[0], promises=(unknown,)),))
    (safe,) = promises(made)
    assert safe.promise.startswith("disagreement with the model original (sha256:1) at most 1.0")
    assert (safe.here, safe.uncompared) == (None, "the model original (sha256:1)")
    assert safe.stated == f"{safe.promise}; not compared with the model original (sha256:1)"
    for shown in (card_section(make_report(made)), render(make_report(made))):
        assert "not compared with the model original (sha256:1)" in shown


def speed(name, kind, texts, accuracy, threads=1):
    return BenchSpeed(name, kind, "torch", "fp32", threads, accuracy, texts, texts, texts, 100, 1.0, 2.0, None)


def test_benchmarks_come_by_threads_and_speed_without_cut_networks_that_are_worse():
    rows = (
        speed("pipeline", Kind.PIPELINE, 5.0, 0.9),
        speed("full", Kind.FULL, 10.0, 0.9),
        speed("bad cut", Kind.TRUNCATED, 50.0, 0.5),
        speed("good cut", Kind.TRUNCATED, 20.0, 0.95),
        speed("early", Kind.EARLY_EXIT, 30.0, 0.89),
        speed("full", Kind.FULL, 15.0, 0.9, threads=2),
    )
    one, two = speed_groups(BenchSpeeds("A", "toy", "sha256:b", 20.0, 100, 10, rows))
    assert (one[0], [row.name for row in one[1]]) == (1, ["early", "good cut", "full", "pipeline"])
    assert (two[0], [row.name for row in two[1]]) == (2, ["full"])
    unlabeled = tuple(replace(row, accuracy=None) for row in rows)
    assert len(speed_groups(BenchSpeeds("A", "toy", "sha256:b", 20.0, 100, 10, unlabeled))[0][1]) == 5


def test_facts_name_model_data_and_machine():
    told = dict(facts(evaluation()))
    assert "sha256:m" in told["Model"]
    assert "sha256:d" in told["Data"]
    assert "2.13.0" in told["Versions"]
    assert "openvino" not in told["Versions"]
    assert "in memory" in told["Model"]
