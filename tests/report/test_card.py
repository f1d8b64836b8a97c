from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluations import SAFE, evaluation
from offramp.errors import ModelFolderError
from offramp.report import card_section, make_report
from offramp.report.card import splice, write_card

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
    told = "evaluate on texts that were used for nothing before. These were: 100 % for training."
    assert told in card_section(make_report(used))
    assert "flatter" not in card_section(make_report(found))


def test_names_cannot_break_the_table():
    section = card_section(make_report(evaluation(promises=(("a|b\n<c>", SAFE),))))
    assert "a\\|b &lt;c&gt;" in section


def test_a_card_is_written_or_made(tmp_path):
    write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_text().startswith("<!-- offramp report: start -->\n## Speed")
    (tmp_path / "README.md").write_bytes(b"# Mine\r\n\r\nmy words\r\n")
    write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_bytes().startswith(b"# Mine\r\n\r\nmy words\n\n<!-- offramp")


def test_a_card_that_is_no_text_is_left_alone(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFolderError, match=r"README\.md is not UTF-8 text"):
        write_card(tmp_path, REPORT)
    assert (tmp_path / "README.md").read_bytes() == b"\xff\xfe"
