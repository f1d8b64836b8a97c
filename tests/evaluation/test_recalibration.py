import json

import pytest

import offramp
from helpers.damage import forbid_writing
from helpers.toys import multi, names, pairs, quick, single, write_jsonl, write_model
from offramp.calibration import Calibration, fit_temperatures
from offramp.data import Columns, encode_labels, read_labeled, remember
from offramp.data.seen import EPOCH, FITTING
from offramp.errors import DataError, ModelFolderError, OptionError, StorageError
from offramp.evaluation import calibrate
from offramp.model.windows import LongTexts
from offramp.policy import read_operating_points
from offramp.tuning import tune


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    return write_jsonl(tmp_path / "data.jsonl", single(60))


def content(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_temperatures_are_refitted(folder, data):
    classifier, rows = offramp.load(folder), read_labeled(data, Columns())
    targets = encode_labels(rows, classifier.labels, multi_label=False)
    result = calibrate(folder, data)
    assert result.before.temperatures == (1, 1, 1)
    expected = fit_temperatures(classifier.exit_answers(rows.texts).logits, targets, classifier.problem)
    assert result.after.temperatures == pytest.approx(expected)
    assert result.after.fitted_on == rows.fingerprint
    assert result.after.rows == 60
    assert Calibration.load(folder) == result.after
    assert calibrate(folder, data).before == result.after


def test_points_of_other_temperatures_are_void(folder, data, tmp_path):
    calibrate(folder, data)
    unseen = write_jsonl(tmp_path / "unseen.jsonl", single(40, seed=1))
    for precision in ("fp32", "bf16"):
        tune(folder, unseen, **quick(threshold=0.5, backend="torch", precision=precision))
    assert calibrate(folder, data).void == ()
    more = write_jsonl(tmp_path / "more.jsonl", single(60, seed=2))
    assert calibrate(folder, more).void == read_operating_points(folder).points
    for precision in ("fp32", "bf16"):
        with pytest.raises(ModelFolderError, match="void"):
            offramp.load(folder, precision=precision).operating_point("tuned")


def test_only_the_calibration_changes(folder, data):
    before = content(folder)
    calibrate(folder, data)
    after = content(folder)
    assert {name for name in after if after[name] != before.get(name)} == {"calibration.json", "seen_rows.json"}


@pytest.mark.parametrize("there", [None, "{", "{}", '{"schema": 1}'])
def test_a_calibration_that_is_missing_or_damaged_is_mended(folder, data, there):
    path = folder / "calibration.json"
    path.unlink() if there is None else path.write_text(there)
    with pytest.raises(ModelFolderError):
        offramp.load(folder)
    result = calibrate(folder, data)
    assert result.before.temperatures == (1, 1, 1)
    assert offramp.load(folder).calibration == result.after


def test_a_calibration_of_another_number_of_exits_is_mended(folder, data):
    Calibration.neutral((1, 4)).save(folder)
    with pytest.raises(ModelFolderError, match="2 temperatures for 3 exits; run 'offramp calibrate' again"):
        offramp.load(folder)
    calibrate(folder, data)
    assert len(offramp.load(folder).calibration.temperatures) == 3


def test_models_of_pairs_and_of_several_labels(tmp_path):
    folder = write_model(tmp_path / "pairs", text_pair=True)
    source = write_jsonl(tmp_path / "pairs.jsonl", pairs(40))
    assert calibrate(folder, source, columns=Columns(text="first", text_pair="second")).after.rows == 40
    folder = write_model(tmp_path / "multi", problem_type="multi_label_classification")
    assert calibrate(folder, write_jsonl(tmp_path / "multi.jsonl", multi(40))).after.rows == 40


def test_what_cannot_be_used_changes_nothing(folder, data, tmp_path):
    before = content(folder)
    unknown = write_jsonl(tmp_path / "unknown.jsonl", [*single(5), {"text": "w1", "label": "bb"}])
    with pytest.raises(DataError, match=r"row 6: the model has no label 'bb' \(did you mean 'b'\?\)"):
        calibrate(folder, unknown)
    with pytest.raises(DataError, match="leave `text_pair` out"):
        calibrate(folder, data, columns=Columns(text_pair="text"))
    with pytest.raises(ModelFolderError, match="there is no folder"):
        calibrate(tmp_path / "none", data)
    assert content(folder) == before


def test_outputs_without_names_have_a_cure(folder, data, tmp_path):
    numbered = write_model(tmp_path / "numbered", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(DataError, match="the model has no label") as caught:
        calibrate(numbered, data)
    assert caught.value.__notes__ == ["or run  offramp attach  again with labels that name the outputs in their order"]


def test_rows_of_the_training_are_refused(folder, data, tmp_path):
    remember(folder, read_labeled(data, Columns()), FITTING)
    before = content(folder)
    with pytest.raises(
        DataError,
        match=r"100% of the rows in .* were used to make .* \(for training\): it is surer .*; use other",
    ):
        calibrate(folder, data)
    assert content(folder) == before
    dev = write_jsonl(tmp_path / "dev.jsonl", single(60, seed=1))
    remember(folder, read_labeled(dev, Columns()), EPOCH)
    assert calibrate(folder, dev).after.rows == 60


@pytest.mark.parametrize("rows", [[{"text": "", "label": "a"}] * 100, single(29, seed=1), single(12) * 20])
def test_texts_that_are_too_few_or_alike_are_refused(folder, tmp_path, rows):
    before = content(folder)
    with pytest.raises(DataError, match=r"takes at least 30 different texts, .* and .* has \d+; give more"):
        calibrate(folder, write_jsonl(tmp_path / "few.jsonl", rows))
    assert content(folder) == before


def test_the_file_holds_finite_numbers_only(folder, data):
    calibrate(folder, data)
    text = (folder / "calibration.json").read_text()
    json.loads(text, parse_constant=pytest.fail)


def test_a_folder_that_may_not_be_written_is_told_before_the_data_are_read(folder, monkeypatch):
    forbid_writing(monkeypatch)
    with pytest.raises(StorageError, match=r"cannot write .*model: Permission denied"):
        calibrate(folder, "missing.csv")


@pytest.fixture
def long(tmp_path):
    """Rows of which half are longer than the model reads at once."""
    rows = single(80)
    folder = write_model(tmp_path / "short-model", max_length=8)
    longer = [{**row, "text": " ".join([row["text"]] * 4)} if number % 2 else row for number, row in enumerate(rows)]
    return folder, write_jsonl(tmp_path / "long.jsonl", longer)


def test_a_model_that_cuts_long_texts_reads_on_from_then_on_and_cuts_them_again(long):
    folder, data = long
    before, in_memory = content(folder), offramp.load(folder)
    result = calibrate(folder, data, long=LongTexts(long="read-on", windows=3, overlap=1))
    names_of_windows = tuple(f"layer {layer} of window {window}" for window in (1, 2, 3) for layer in (1, 2, 4))
    assert result.names == (("layer 1", "layer 2", "layer 4"), names_of_windows)
    assert result.read_on.windows == 3
    loaded = offramp.load(folder)
    assert loaded.exit_names == names_of_windows
    assert loaded.calibration == result.after
    assert loaded.fingerprint != in_memory.fingerprint
    again = calibrate(folder, data)  # which leaves it as it is
    assert (again.read_on, again.after) == (result.read_on, result.after)
    assert calibrate(folder, data, long=LongTexts(long="cut")).read_on is None
    assert offramp.load(folder).exit_names == ("layer 1", "layer 2", "layer 4")
    changed = {name for name, bytes_ in content(folder).items() if bytes_ != before.get(name)}
    assert changed <= {"calibration.json", "seen_rows.json", "config.json"}
    assert json.loads(before["config.json"]) == json.loads((folder / "config.json").read_text())


def test_a_loaded_classifier_reads_on_together_with_its_folder(long):
    folder, data = long
    for model in (folder, None):
        classifier = offramp.load(folder)
        classifier.folder = model
        calibrate(classifier, data, long=LongTexts(long="read-on"))
        assert len(classifier.exit_names) == len(classifier.exits) == 12
        texts = read_labeled(data, Columns()).texts
        found, expected = classifier.predict(texts), classifier.exit_answers(texts)
        rule = classifier.exit_rule()
        assert found.exits.tolist() == expected.replay(rule).exits.tolist()
        calibrate(classifier, data, long=LongTexts(long="cut"))


def test_each_window_is_calibrated_on_the_rows_that_come_to_it(long):
    folder, data = long
    calibrate(folder, data, long=LongTexts(long="read-on", windows=3, overlap=1))
    classifier, rows = offramp.load(folder), read_labeled(data, Columns())
    answers, targets = classifier.exit_answers(rows.texts), encode_labels(rows, classifier.labels, multi_label=False)
    came = answers.reads > 0
    for exit_index in (0, 2, 3, 5):
        here = came[exit_index]
        (expected,) = fit_temperatures(answers.logits[exit_index][None, here], targets[here], classifier.problem)
        assert classifier.calibration.temperatures[exit_index] == pytest.approx(expected)


def test_it_is_told_whether_reading_on_would_help_where_rows_are_cut(long, data):
    folder, cut = long
    trial = calibrate(folder, cut).long
    assert trial.rows == 80
    assert 0.5 <= trial.cut < 1
    classifier, rows = offramp.load(folder), read_labeled(cut, Columns())
    targets = encode_labels(rows, classifier.labels, multi_label=False)
    right = [classifier.problem.right(classifier.predict_full(rows.texts).probabilities, targets).mean()]
    calibrate(folder, cut, long=LongTexts(long="read-on"))
    reading = offramp.load(folder)
    right.append(classifier.problem.right(reading.predict_full(rows.texts).probabilities, targets).mean())
    assert (trial.accuracy, trial.read_on) == (pytest.approx(right[0]), pytest.approx(right[1]))


def test_pairs_cannot_be_read_on(tmp_path):
    folder = write_model(tmp_path / "model", text_pair=True)
    data = write_jsonl(tmp_path / "pairs.jsonl", pairs(60))
    with pytest.raises(OptionError, match="cannot be read window by window"):
        calibrate(folder, data, columns=Columns(text="first", text_pair="second"), long=LongTexts(long="read-on"))
    assert offramp.load(folder).runner.cascade.read_on is None
