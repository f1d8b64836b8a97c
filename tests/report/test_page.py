import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from helpers.evaluations import SAFE, at_target, evaluation
from helpers.problems import PROBLEMS
from offramp.benchmark import Kind
from offramp.calibration import Problem
from offramp.report import Report, make_report, render
from offramp.report.accuracy_chart import speed_chart
from offramp.report.bench_file import BenchSpeed, BenchSpeeds
from offramp.report.page import exit_style

VOID = {"meta", "br", "wbr"}
NASTY = "<script>alert('x')</script>&amp;\"\x00\x0b\ud800\u202e"
BENCH = BenchSpeeds(
    "A <fast> GPU",
    "texts & more.csv",
    "sha256:b",
    20.0,
    100,
    10,
    (
        BenchSpeed(
            "torch fp32, full depth", Kind.FULL, "torch", "fp32", 1, 0.9, 50.0, 49.0, 51.0, 100, 20.0, 30.0, None
        ),
        BenchSpeed(
            "torch fp32, exits at 0.9",
            Kind.EARLY_EXIT,
            "torch",
            "fp32",
            1,
            None,
            2000.0,
            1900.0,
            2100.0,
            1000,
            5.0,
            9.0,
            30.0,
        ),
    ),
)


class Checker(HTMLParser):
    """Knows which tags are open, and collects names, references and text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.names, self.references, self.tags, self.text = [], [], [], set(), []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), attrs
        self.names += [attributes["id"]] if "id" in attributes else []
        self.references += attributes.get("aria-labelledby", "").split()
        self.references += [attributes["href"].removeprefix("#")] if "href" in attributes else []
        self.references += re.findall(r"url\(#([^)]+)\)", attributes.get("clip-path", ""))
        assert not {"src", "onclick", "onload"} & attributes.keys()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check(page):
    """What must hold of any page; gives its text."""
    found = Checker(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(found.names) == len(set(found.names))
    assert set(found.references) <= set(found.names)
    assert not {"script", "img", "link", "iframe", "object"} & found.tags
    assert "http" not in page
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", page)
    assert len(page.encode()) < 1_000_000
    return "".join(found.text)


KINDS = {
    "usual": {"promises": (("safe", SAFE), ("plain", None)), "focus": 5},
    "handing over": {"promises": (("sure", SAFE),), "focus": 5, "answer_from": 0.8},
    "handing everything over": {"promises": (("sure", None),), "focus": 5, "answer_from": 1.01},
    "one exit": {"layers": (6,)},
    "many exits": {"layers": tuple(range(1, 25)), "rows": 60},
    "one text": {"rows": 1},
    "150 classes": {"labels": tuple(f"class_{index:03}" for index in range(150)), "rows": 600},
    "multi-label": {"problem": Problem.MULTI_LABEL, "texts": "a text"},
    "one label of many": {"problem": Problem.MULTI_LABEL, "labels": ("a",)},
    "nasty": {"labels": (NASTY, "b" * 300, ""), "texts": NASTY, "name": NASTY},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_pages_are_sound(options):
    check(render(make_report(evaluation(**options), BENCH)))


@settings(max_examples=15)
@given(
    st.sets(st.integers(1, 24), min_size=1, max_size=12),
    st.integers(1, 60),
    st.lists(st.text(max_size=30), min_size=1, max_size=20, unique=True),
    st.sampled_from(PROBLEMS),
    st.text(max_size=50),
    st.integers(0, 2**32 - 1),
)
def test_any_model_and_data_make_a_sound_page(layers, rows, labels, problem, texts, seed):
    made = evaluation(tuple(sorted(layers)), rows, tuple(labels), problem, texts=texts, seed=seed)
    check(render(make_report(made)))


def test_the_page_comes_from_the_json_alone():
    report = make_report(evaluation(promises=(("safe", SAFE),), texts="a text"), BENCH)
    read = TypeAdapter(Report).validate_json(json.dumps(report.to_dict()))
    assert read == report
    assert render(read) == render(report)


def test_what_others_wrote_is_text():
    text = check(render(make_report(evaluation(labels=("<b>bold</b>", "b"), texts="<i>&amp;"))))
    assert "<b>bold</b>" in text
    assert "<i>&amp;" in text


def test_texts_that_are_handed_over_count_as_neither_right_nor_wrong():
    made = evaluation(promises=(("sure", None),), focus=5, answer_from=0.8)
    handing = made.operating_points[0].handing_over
    text = check(render(make_report(made)))
    assert f"{handing.handed_over} of 400 texts handed over" in text
    assert f"{made.focus.disagreeing} of {handing.answered} texts answered differ" in text
    assert sum(one.right for one in made.focus.exits) == round(handing.accuracy.value * handing.answered)


def test_texts_show_only_if_they_may():
    assert "secret words" in render(make_report(evaluation(texts="secret words")))
    shown = check(render(make_report(evaluation())))
    assert "secret words" not in shown
    assert "--show-texts" in shown


def test_all_parts_are_there():
    text = check(render(make_report(evaluation(promises=(("safe", SAFE),)), BENCH)))
    for words in (
        "Early exit: model",
        "Measured speed-up (times)",
        "The line joins the settings",
        "By exit",
        "Operating points and what they promise",
        "By length",
        "By class",
        "Overthinking",
        "After layer 4",
        "2,000",
        "Agreement with full depth",
        "Rules that do not apply",
        "sha256:d",
    ):
        assert words in text


def first_screen(made):
    page = render(make_report(made))
    check(page)
    return "".join(Checker(page[: page.index("<main>")] + "</body></html>").text)


def test_the_first_screen_says_what_to_do_and_whether_the_promise_holds():
    made = evaluation(promises=(("safe", at_target(0.5)),), rows=4000, focus=5)
    made = replace(made, model=replace(made.model, folder="m"), data=replace(made.data, source="data/r8-test.csv"))
    point, text = made.focus.point, first_screen(made)
    for words in (
        "Use --at safe",
        "offramp predict m --input FILE --output FILE --at safe",
        "r8-test.csv, 4,000 texts; 2026-01-31",
        "✓ disagreement at most 50.0\u202f%",
        f"{point.texts_per_second:,.0f} texts a second instead of 100",
        f"{1000 / point.texts_per_second:.2f}\u202fms a text; 100 (10.0\u202fms) at full depth",
    ):
        assert words in text


def test_where_texts_leave_is_one_bar_with_its_figures():
    made = evaluation(rows=400)
    page = render(make_report(made))
    part = page[page.index("<h3>By exit</h3>") : page.index("<h3>By length</h3>")]
    assert part.count('class="bars"') == 1
    for exit_ in made.focus.exits:
        if texts := exit_.right + exit_.wrong:
            assert f"<td>{texts:,}</td><td>{100 * texts / 400:.1f}</td><td>{100 * exit_.right / texts:.1f}</td>" in part


def test_never_more_is_reached_than_is_possible():
    made = evaluation(promises=(("safe", SAFE),), focus=5)
    point = replace(made.focus.point, speedup=5.08, bound_speedup=5.08, efficiency=1.0)
    text = first_screen(replace(made, focus=replace(made.focus, point=point)))
    assert "all that is possible, within the noise" in text
    assert "possible" not in text.replace("all that is possible", "")


def test_the_first_screen_of_full_depth_compares_it_with_nothing():
    text = first_screen(evaluation(rows=4000, focus=8))
    assert "Stay at full depth" in text
    assert "instead of" not in text.split("Recommended instead")[0]
    assert "Speed-up" not in text


def test_very_long_names_are_cut():
    text = check(render(make_report(evaluation(labels=("b" * 300, "a")))))
    assert "b" * 59 + "…" in text
    assert "b" * 60 not in text


def test_what_lies_below_the_charts_is_told():
    made = evaluation(layers=tuple(range(1, 25)), labels=tuple("abcdefgh"), rows=1000)
    unseen = speed_chart(made).unseen
    assert len(unseen) > 8
    text = check(render(make_report(made)))
    assert f"Below the chart: {unseen[0].name} ({unseen[0].y:.1f}\u202f%, " in text
    assert f" and {len(unseen) - 8} more." in text


def test_parts_without_figures_are_left_out():
    text = check(render(make_report(evaluation(layers=(6,)))))
    assert "Operating points" not in text
    assert "Latency and throughput" not in text
    assert "Each exit against the last" not in text


def test_many_classes_are_folded():
    made = evaluation(labels=tuple(f"c{index}" for index in range(150)), rows=900)
    classes = len(made.focus.classes)
    assert classes > 100
    text = check(render(make_report(made)))
    assert f"{classes - 15} other classes" in text
    assert f"all {classes} are in report.json" in text


def luminance(color):
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("n_exits", [1, 2, 6, 24])
def test_ink_can_be_read_and_later_exits_are_darker(n_exits):
    rules = re.findall(r"\.x(\d+) \{ background: (#\w{6}); color: (#\w+); \}", exit_style(n_exits))
    assert [int(index) for index, _, _ in rules] == list(range(n_exits))
    for _, background, ink in rules:
        assert contrast(background, {"#fff": "#ffffff", "#000": "#000000"}[ink]) >= 4.5
    lights = [luminance(background) for _, background, _ in rules]
    assert lights == sorted(lights, reverse=True)
