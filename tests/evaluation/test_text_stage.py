"""An exit before tokenizing is evaluated as the others are, and called by its name."""

from dataclasses import replace

import pytest

import offramp
from conftest import tiny_model
from helpers.evaluations import evaluation
from helpers.keywords import Keywords
from helpers.toys import single, write_csv
from offramp.calibration import Calibration
from offramp.cli.evaluate import print_report
from offramp.data import LabeledTexts
from offramp.engine import answers_of, torch_classifier
from offramp.evaluation import Way
from offramp.report import make_report, render
from offramp.words import WordsTrial


@pytest.fixture(scope="module")
def classifier():
    model = tiny_model()
    return torch_classifier(model, Calibration.neutral(model.network.config.exits)).with_first(Keywords())


@pytest.fixture(scope="module")
def found(classifier, tmp_path_factory):
    data = write_csv(tmp_path_factory.mktemp("data") / "rows.csv", single(60))
    return offramp.evaluate(classifier, str(data), thresholds=[0.5, 0.9], seconds=0.01)


def test_a_text_stage_is_evaluated(classifier, found):
    assert found.model.exits == (0, 1, 2, 4)
    assert found.model.exit_names == ("keywords", "layer 1", "layer 2", "layer 4")
    early = next(point for point in found.points if point.threshold == 0.9)
    taken = classifier.predict([row["text"] for row in single(60)], threshold=0.9).exits
    assert early.exits[0] == (taken == 0).mean() > 0


def test_alone_it_runs_no_layer(found):
    first, second = found.truncated[:2]
    assert (first.setting, first.rule, first.mean_layers) == ("keywords alone", "keywords alone", 0)
    assert (first.way, first.end) == (Way.ALONE, "keywords")
    assert (second.setting, second.mean_layers) == ("cut after layer 1", 1)
    assert first.bound_speedup > second.bound_speedup > 0


def test_its_report_calls_it_by_its_name(found):
    page = render(make_report(found))
    assert "After keywords" in page
    assert "after keywords" in page
    assert "layer 0" not in page.lower()
    assert "Left after 0" not in page


def test_its_tables_call_it_by_its_name(found, capsys):
    print_report(make_report(found), wide=True)
    printed = capsys.readouterr().out
    for words in ("keywords alone", "exit keywords", "exit layer 4", "exit after  "):
        assert words in printed
    assert "layer 0" not in printed
    assert "exit after layer" not in printed


def test_a_doubt_about_its_temperature_names_it(classifier):
    texts = [row["text"] for row in single(60)]
    rows = LabeledTexts(texts, None, [row["label"] for row in single(60)], 0, "toy")
    calibration = answers_of(classifier, rows).calibration(rows.fingerprint)
    assert [one.name for one in calibration.exits] == ["keywords", "layer 1", "layer 2", "layer 4"]
    assert calibration.doubt is not None
    assert "layer 0" not in calibration.doubt


@pytest.mark.parametrize(("alone", "enough"), [(0.91, True), (0.8, False)])
def test_what_words_got_is_told_where_the_model_has_none(capsys, alone, enough):
    found = evaluation(rows=4000)
    trial = WordsTrial(False, "labels", 1.0, alone, 0.915, 0.91, 3.0, 0.91, 3.1)
    print_report(make_report(replace(found, model=replace(found.model, words=trial))))
    printed = capsys.readouterr().out.replace("\u202f", " ")
    told = f"when the model was made, words alone are right on {alone:.2%}".replace("%", " %")
    assert printed.index(told) < printed.index("full depth: accuracy")
    assert ("Words alone may be enough: train with --exits words," in printed) is enough


def test_what_is_enough_alone_is_said_before_any_table(found, capsys):
    first, *others = found.truncated
    quick = replace(first, accuracy=1.0, speedup=900.0, speedup_spread=(890.0, 910.0), computed=False)
    print_report(make_report(replace(found, truncated=(quick, *others))))
    printed = capsys.readouterr().out
    told = "60 texts cannot settle this"
    assert printed.index(told) < printed.index("full depth: accuracy")
    assert printed.count("Keywords alone is enough here") == 1
    assert "keywords alone: 100.00" in printed
