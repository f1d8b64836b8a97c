import re
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from helpers.evaluations import SAFE, evaluation
from offramp.errors import ModelFolderError
from offramp.report import card_section, make_report
from offramp.report.card import splice, with_results, write_card
from offramp.report.writing import check_report

REPORT = make_report(evaluation(promises=(("safe", SAFE),)))
prose = st.text("ab# |\n", max_size=40)


@given(prose, prose, prose)
def test_the_section_is_replaced_and_the_rest_stays(before, section, other):
    once = splice(before, section)
    assert splice(once, section) == once
    assert splice(splice(before, other), section) == once
    assert once.startswith(before.rstrip() if before.strip() else "<!--")
    framed = splice(f"{once}more\n", other)
    assert framed.startswith(before.rstrip() if before.strip() else "<!--")
    assert framed.endswith("\nmore\n")


@pytest.mark.parametrize(
    "broken",
    [
        "<!-- offramp report: start -->",
        "<!-- offramp report: end -->",
        "<!-- offramp report: end --> <!-- offramp report: start -->",
        splice("", "a") * 2,
    ],
)
def test_damaged_marks_are_refused(broken):
    with pytest.raises(ModelFolderError, match="remove the marks"):
        splice(broken, "section")


def test_the_section_says_the_essentials():
    section = card_section(REPORT)
    assert section.startswith("## Speed and accuracy\n\nUse --threshold 0. ")
    assert " texts a second instead of 100: " in section
    assert "Recommended instead: " in section
    assert "Measured on 2026-01-31 on 400 texts of toy.csv" in section
    assert "| safe (operating point, default) |" in section
    assert "disagreement at most 1.0 %, with 95 % confidence" in section
    assert "`sha256:d`" in section
    tables = [line for line in section.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables}) == 2


def test_texts_that_made_the_model_are_told():
    found = evaluation()
    used = replace(found, data=replace(found.data, used_before={"training": 1.0}))
    told = "evaluate on texts that were not used to make the model. Used before: 100 % for training."
    assert told in card_section(make_report(used))
    assert "Used before" not in card_section(make_report(found))


def test_names_cannot_break_the_table():
    section = card_section(make_report(evaluation(promises=(("a|b\n<c>", SAFE),))))
    assert "a\\|b &lt;c&gt;" in section


def test_a_card_is_written_or_made(tmp_path):
    write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_text().startswith("<!-- offramp report: start -->\n## Speed")
    (tmp_path / "README.md").write_bytes(b"# Mine\r\n\r\nmy words\r\n")
    write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_bytes().startswith(b"# Mine\r\n\r\nmy words\n\n<!-- offramp")


def test_the_picture_that_a_card_shows_lies_beside_it(tmp_path):
    write_card(tmp_path, REPORT)
    shown = re.findall(r"!\[[^]]+\]\((.*?)\)", (tmp_path / "README.md").read_text())
    assert shown == ["curve.svg"]
    assert (tmp_path / "curve.svg").read_text().startswith("<svg ")


def test_a_card_that_is_no_text_is_left_alone(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFolderError, match=r"README\.md is not UTF-8 text"):
        write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_bytes() == b"\xff\xfe"


FRONT = "---\nlicense: mit # mine\ntags: [a]   # kept\n---\n\n# Mine\n"
OTHERS = """model-index:
- name: mine
  results:
  - task:
      type: text-classification
    dataset:
      name: Other
      type: owner/other
    metrics:
    - type: accuracy
      value: 0.5
      name: Accuracy
"""


def results(text):
    return ModelCard(text).data.eval_results


def test_results_go_into_the_front_matter(tmp_path):
    (tmp_path / "README.md").write_text(FRONT)
    write_card(tmp_path, REPORT)
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("---\nlicense: mit # mine\ntags: [a]   # kept\nmodel-index:\n")
    evaluation, found = REPORT.evaluation, results(text)
    assert [one.metric_name for one in found] == [
        "Accuracy, threshold 0",
        "Macro-F1, threshold 0",
        "Accuracy, full depth",
        "Macro-F1, full depth",
    ]
    assert [one.metric_type for one in found] == ["accuracy", "f1"] * 2
    assert found[0].metric_value == pytest.approx(evaluation.focus.point.accuracy, abs=1e-6)
    assert found[3].metric_value == pytest.approx(evaluation.full.macro_f1, abs=1e-6)
    assert {(one.dataset_name, one.dataset_type) for one in found} == {("toy.csv", "csv")}
    assert ModelCard(text).data.to_dict()["model-index"][0]["name"] == "model"


def test_a_data_set_of_the_hub_is_named_as_there():
    made = REPORT.evaluation
    found = results(with_results(FRONT, replace(made, data=replace(made.data, source="owner/data:config:test"))))
    assert {(one.dataset_type, one.dataset_config, one.dataset_split) for one in found} == {
        ("owner/data", "config", "test")
    }


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["", "extra:\n- b\n", "# a comment\nextra: c\n"])
def test_results_of_others_and_all_other_lines_stay(newline, after):
    before = f"---\nlicense: mit\n{OTHERS}{after}---\n# Mine\n".replace("\n", newline)
    once = with_results(before, REPORT.evaluation)
    assert len(results(once)) == 5
    assert results(once)[0].metric_name == "Accuracy"
    assert with_results(once, REPORT.evaluation) == once
    assert after.replace("\n", newline) in once
    assert once.endswith(f"{newline}---{newline}# Mine{newline}")
    assert ModelCard(once).data.license == "mit"
    assert newline == "\n" or "\n" not in once.replace("\r\n", "")


def test_a_card_without_front_matter_gets_none():
    assert with_results("# Mine\n", REPORT.evaluation) == "# Mine\n"


@pytest.mark.parametrize("front", ["{broken", "- a list", "model-index: much", "model-index:\n- name: x"])
def test_front_matter_that_the_hub_would_refuse_is_refused_before_the_work(front, tmp_path):
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\n")
    with pytest.raises(ModelFolderError, match=r"cannot read the front matter of README\.md"):
        check_report(tmp_path / "report", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
