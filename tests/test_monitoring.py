"""A file of texts through the detectors of the server."""

import json

import numpy as np
import pytest

import offramp
from helpers.keywords import Keywords
from helpers.serving_models import classifier_of
from helpers.toys import write_jsonl, write_model
from helpers.watched import MINE, foreign, home, watched_classifier
from offramp.calibration import Calibration
from offramp.drift import read_summaries
from offramp.errors import CheckFailed, DataError, ModelFolderError, OptionError
from offramp.monitoring import check, monitor
from offramp.tuning import Selection


@pytest.fixture(scope="module")
def model():
    return watched_classifier()


def test_texts_like_the_calibration_texts_raise_nothing(model):
    found = monitor(model, home(600, seed=5), audit_share=1.0)
    check(found)
    assert found.raised == ()
    assert found.point == "mine"
    assert sum(found.exits.values()) == found.rows == 600
    assert list(found.exits.values()) == np.bincount(model.predict(home(600, seed=5)).exits, minlength=3).tolist()
    assert {alarm.name: alarm.looked for alarm in found.alarms} == {"promise at risk": 600, "texts have changed": 600}
    assert found.standing == "nothing was promised"
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == found.to_dict()


def test_other_texts_raise_an_alarm_at_their_row(model):
    found = monitor(model, home(200, seed=6) + foreign(200))
    (alarm,) = found.raised
    assert alarm.name == "texts have changed"
    assert 200 < alarm.row <= 300
    with pytest.raises(CheckFailed, match=f"texts have changed, at row {alarm.row}: .* expected at most"):
        check(found)


def test_early_answers_that_differ_put_the_promise_at_risk(model, monkeypatch):
    """Every answer of full depth is made another one."""
    full = type(model).predict_full

    def turned(self, texts, pairs=None):
        predictions = full(self, texts, pairs)
        predictions.probabilities[:] = np.roll(model.predict(texts, at="mine").probabilities, 1, axis=1)
        return predictions

    monkeypatch.setattr(type(model), "predict_full", turned)
    found = monitor(model, home(400, seed=7), audit_share=0.5)
    (alarm,) = found.raised
    assert alarm.name == "promise at risk"
    assert alarm.row <= 200
    assert "answers compared with full depth" in alarm.cause
    assert found.standing.startswith("nothing was promised; promise at risk: ")


def test_a_folder_a_stage_of_words_and_pairs(tmp_path):
    folder = write_model(tmp_path / "model")
    texts = home(300, seed=1)
    offramp.tune(folder, texts, **MINE)
    assert [summary.point for summary in read_summaries(folder).summaries] == ["mine"]
    assert "w1" not in (folder / "monitoring.json").read_text()
    assert (folder / "monitoring.json").stat().st_size < 60_000
    found = monitor(folder, write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in foreign(200)]))
    assert [alarm.name for alarm in found.raised] == ["texts have changed"]
    for longer, data in (
        (classifier_of().with_first(Keywords()), home),
        (classifier_of(text_pair=True), lambda rows, seed: list(zip(home(rows, seed), home(rows, seed), strict=True))),
    ):
        offramp.tune(longer, data(300, 1), **MINE)
        assert monitor(longer, data(300, 2)).raised == ()


def test_what_is_wrong_is_said_in_one_sentence(model, tmp_path):
    untuned = classifier_of()
    with pytest.raises(OptionError, match="no default operating point; run  offramp tune"):
        monitor(untuned, home(3))
    with pytest.raises(OptionError, match="there is no operating point 'none'"):
        monitor(model, home(3), at="none")
    with pytest.raises(OptionError, match="audit_share is 2"):
        monitor(model, home(3), audit_share=2)
    with pytest.raises(DataError, match="trained on single texts"):
        monitor(model, [("a", "b")])
    folder = write_model(tmp_path / "model")
    offramp.tune(folder, home(300, seed=1), threshold=0.7, name="mine", selection=Selection(seconds=0.01))
    with pytest.raises(OptionError, match="no default operating point; name one of mine"):
        monitor(folder, home(3))
    Calibration((2.0, 1.0, 1.0), "", 0, ()).save(folder)
    with pytest.raises(ModelFolderError, match="was tuned for other weights or temperatures"):
        monitor(folder, home(3), at="mine")
    (folder / "monitoring.json").unlink()
    with pytest.raises(ModelFolderError, match="nothing is known of the calibration texts"):
        monitor(folder, home(3), at="mine")
