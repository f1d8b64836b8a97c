import json

import pytest

from helpers.evaluations import evaluation
from helpers.toys import names
from offramp.errors import ModelFolderError, OptionError, StorageError
from offramp.report import check_report, make_report, render, write_report

REPORT = make_report(evaluation())


def test_page_figures_and_card_are_written(tmp_path):
    (tmp_path / "model").mkdir()
    written = write_report(REPORT, tmp_path / "new" / "report", tmp_path / "model")
    assert [path.name for path in written] == ["report.html", "report.json", "README.md", "curve.svg"]
    assert (tmp_path / "new" / "report" / "report.html").read_text(encoding="utf-8") == render(REPORT)
    content = json.loads((tmp_path / "new" / "report" / "report.json").read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(REPORT.to_dict()))
    assert "## Speed and accuracy" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_without_a_card_the_model_stays_as_it_is(tmp_path):
    (tmp_path / "model").mkdir()
    write_report(REPORT, tmp_path, None)
    assert names(tmp_path / "model") == []
    assert names(tmp_path) == ["model", "report.html", "report.json"]


def test_another_report_takes_its_place(tmp_path):
    for _ in range(2):
        write_report(REPORT, tmp_path, None)
    assert names(tmp_path) == ["report.html", "report.json"]


def test_a_report_is_written_where_links_lead(tmp_path):
    (tmp_path / "page.html").write_text("old")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").symlink_to("../page.html")
    check_report(tmp_path / "report", None)
    write_report(REPORT, tmp_path / "report", None)
    assert (tmp_path / "report" / "report.html").is_symlink()
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render(REPORT)


def test_places_are_checked_before_the_work(tmp_path):
    check_report(tmp_path / "new", tmp_path)
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="cannot write"):
        check_report(tmp_path / "file", None)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OptionError, match=r"report\.html is not a file"):
        check_report(tmp_path, None)


def test_a_card_that_cannot_take_a_section_is_refused_before_the_work(tmp_path):
    (tmp_path / "README.md").write_text("<!-- offramp report: start -->")
    with pytest.raises(ModelFolderError, match="remove the marks"):
        check_report(tmp_path / "report", tmp_path)
    assert names(tmp_path) == ["README.md"]


def test_what_stands_in_the_way_of_the_cards_picture_is_told_before_the_work(tmp_path):
    (tmp_path / "curve.svg").mkdir()
    with pytest.raises(OptionError, match=r"curve\.svg is not a file"):
        check_report(tmp_path / "report", tmp_path)
