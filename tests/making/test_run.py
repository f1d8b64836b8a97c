import json
from dataclasses import replace

import pytest

import offramp
from conftest import write_classifier, write_encoder
from helpers.making import make_quickly
from helpers.toys import QUICK, single
from offramp.errors import DataError, OptionError
from offramp.making import Made, make, run
from offramp.policy import read_operating_points
from offramp.training import Architecture


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patched:
        make_quickly(patched)
        yield


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def whole(encoder, tmp_path_factory):
    """A model that was made in one go, and what was told of it."""
    told = []
    return made_of(encoder, tmp_path_factory.mktemp("whole") / "model", say=told.append), told


def rows(number: int = 600) -> dict[str, list[str]]:
    made = single(number, seed=3)
    return {name: [row[name] for row in made] for name in ("text", "label")}


def made_of(encoder, output, **options) -> Made:
    # Whether words pay is decided by measured times, which for a tiny encoder are all noise.
    architecture = Architecture(exits=(1, 2, 4))
    return make(
        rows(),
        model=encoder,
        output=output,
        recipe=replace(QUICK, epochs=1),
        architecture=architecture,
        **{"max_disagreement": 0.1, **options},
    )


def test_labeled_texts_become_a_model_with_a_promise_and_a_report(whole):
    made, told = whole
    assert made.point is not None
    assert made.point.promises[0].limit.target == 0.1
    assert read_operating_points(made.folder).default == run.POINT
    assert made.evaluation.data.rows == 120
    assert (made.folder / "report" / "report.html").is_file()
    assert [line.split(":")[0] for line in made.summary] == ["You gain", "You may lose", "Use it"]
    assert "disagreement at most 10" in made.summary[1]
    assert len(told) == 4
    assert all("about" in line for line in told)
    assert list(made.seconds) == ["exits", "export", "tuning", "evaluation"]
    assert [path.name for path in made.folder.parent.iterdir()] == ["model"]
    predicted = offramp.load(made.folder).predict(rows()["text"][:3])
    assert set(predicted.label) <= {"a", "b", "c"}


def test_exits_are_put_on_a_classifier_without_labels(tmp_path):
    folder = write_classifier(tmp_path / "classifier")
    made = make(str(folder), {"text": rows()["text"]}, output=tmp_path / "model", max_disagreement=0.1)
    assert made.evaluation is None
    assert made.summary[1].startswith("You may lose: ")
    with pytest.raises(OptionError, match="leave one out"):
        make(str(folder), rows(), output=tmp_path / "other", model="encoder")


@pytest.mark.parametrize("step", ["_tune", "evaluate"])
def test_what_was_killed_goes_on_and_comes_to_the_same(whole, encoder, tmp_path, monkeypatch, step):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, step, killed)
        with pytest.raises(KeyboardInterrupt):
            made_of(encoder, tmp_path / "model")
    again = made_of(encoder, tmp_path / "model")
    assert again.point == whole[0].point
    assert again.evaluation.full.accuracy == whole[0].evaluation.full.accuracy
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_unfinished_run_of_another_kind_is_not_gone_on_with(encoder, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "measure_durations", killed)
    with pytest.raises(KeyboardInterrupt):
        made_of(encoder, tmp_path / "model")
    with pytest.raises(OptionError, match=r"seed \(0, now 1\)"):
        made_of(encoder, tmp_path / "model", seed=1)
    with pytest.raises(OptionError, match=r"another confidence \(0.95, now 0.9\); resume"):
        made_of(encoder, tmp_path / "model", confidence=0.9)
    # More rows choose then, which changes every part of the same data.
    with pytest.raises(OptionError, match=r"another max_disagreement \(0.1, now 0.03\); resume"):
        made_of(encoder, tmp_path / "model", max_disagreement=0.03)


def test_an_interruption_tells_how_to_go_on(encoder, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_tune", killed)
    with pytest.raises(KeyboardInterrupt) as caught:
        made_of(encoder, tmp_path / "model")
    assert caught.value.__notes__ == [
        f"what is done lies in {tmp_path / 'model.making'}: the same command goes on from there"
    ]


def test_a_model_without_texts_is_no_data(tmp_path):
    folder = write_classifier(tmp_path / "classifier")
    with pytest.raises(OptionError, match="is a model, and no texts are given; give some"):
        make(folder, output=tmp_path / "model")


def test_what_was_killed_before_it_wrote_anything_is_in_nobodys_way(whole, encoder, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            made_of(encoder, tmp_path / "model")
    monkeypatch.setattr(run, "_made", lambda *_: whole[0])
    assert made_of(encoder, tmp_path / "model") is whole[0]


def test_too_few_rows_are_refused_with_what_they_are_enough_for(encoder, tmp_path):
    with pytest.raises(DataError, match=r"240 rows beside those of the test.* takes 373 rows.* or allow 0.04"):
        make(rows(300), model=encoder, output=tmp_path / "model")
    with pytest.raises(DataError, match=r"has 2 rows beside those of the test"):
        make(rows(2), model=encoder, output=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_without_an_encoder_it_says_which_to_name(tmp_path, monkeypatch):
    monkeypatch.setattr("offramp.making.encoder.importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match="no encoder is named"):
        make(rows(), output=tmp_path / "model")


def test_an_unknown_label_is_told_before_anything_is_made(tmp_path):
    folder = write_classifier(tmp_path / "classifier", id2label={0: "x", 1: "y", 2: "z"})
    with pytest.raises(DataError, match="the model has no label"):
        make(str(folder), rows(), output=tmp_path / "model")


def test_the_report_tells_the_folder_that_people_will_use(whole):
    folder = whole[0].folder
    report = json.loads((folder / "report" / "report.json").read_text())
    assert str(folder) in report["summary"]["command"]
    assert ".making" not in json.dumps(report)
