"""Alarms on other texts, in the report and on the card."""

import json
from dataclasses import replace

import pytest

import offramp
from helpers.evaluations import SAFE, evaluation
from helpers.toys import write_model
from helpers.watched import MINE, foreign, home
from offramp.backends import Runtime
from offramp.errors import DataError, OptionError
from offramp.monitoring import monitor
from offramp.report import MonitoredTexts, card_section, make_report, read_monitored, render
from offramp.report.tables import promises

QUIET = MonitoredTexts("week.jsonl", 600, "safe", {}, "safe promises disagreement at most 1 %, and no alarm was raised")
ALARM = MonitoredTexts(
    "dir/week.jsonl",
    1600,
    "safe",
    {"texts have changed": 1214},
    "suspended: safe promises disagreement at most 1 %; texts have changed: longer than 95 % of the calibration texts",
)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = write_model(tmp_path_factory.mktemp("monitored") / "model")
    offramp.tune(folder, home(300, seed=1), **MINE)
    return folder


def write(path, monitored):
    path.write_text(json.dumps(monitored.to_dict()))
    return path


def test_what_the_monitor_wrote_is_read(tuned, tmp_path):
    quiet = read_monitored(write(tmp_path / "quiet.json", monitor(tuned, home(300, seed=5))), tuned, Runtime())
    assert (quiet.source, quiet.rows, quiet.point, quiet.alarms) == ("texts in memory", 300, "mine", {})
    found = monitor(tuned, foreign(200))
    alarm = read_monitored(write(tmp_path / "alarm.json", found), tuned, Runtime())
    assert alarm.alarms == {"texts have changed": found.raised[0].row}
    assert alarm.standing == found.standing
    other = replace(found, model=found.model | {"fingerprint": "sha256:other"})
    with pytest.raises(OptionError, match="is about another model"):
        read_monitored(write(tmp_path / "other.json", other), tuned, Runtime())
    (tmp_path / "bench.json").write_text('{"schema": 1}')
    with pytest.raises(DataError, match="is not what 'offramp monitor' writes as JSON"):
        read_monitored(tmp_path / "bench.json", tuned, Runtime())
    with pytest.raises(DataError, match="cannot read the result of the monitor"):
        read_monitored(tmp_path / "nowhere.json", tuned, Runtime())


def test_an_alarm_suspends_the_promise_in_words():
    made = evaluation(promises=(("safe", SAFE), ("plain", None)))
    report = make_report(made, watched=ALARM)
    safe, plain = promises(made, ALARM)
    assert (safe.suspended, plain.suspended) == ("texts have changed (week.jsonl)", None)
    said = "Alarm on 1,600 texts of week.jsonl at safe: texts have changed, at row 1,214. In full: suspended: safe prom"
    for shown in (render(report), card_section(report)):
        assert said in shown
        assert "suspended: texts have changed (week.jsonl)" in shown
    (remark,) = [one for one in report.advice.remarks if "'offramp monitor'" in one.rule]
    assert remark.applies
    assert remark.advice.startswith("Do not rely on what safe promises for texts such as those of week.jsonl")


def test_no_alarm_is_told_as_well():
    made = evaluation(promises=(("safe", SAFE),))
    report = make_report(made, watched=QUIET)
    for shown in (render(report), card_section(report)):
        assert "No alarm on 600 texts of week.jsonl at safe." in shown
        assert "suspended" not in shown
    assert not any(one.applies for one in report.advice.remarks if "'offramp monitor'" in one.rule)
    assert "monitor" not in card_section(make_report(made))
