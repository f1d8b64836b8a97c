"""The model of words that train and attach put before the encoder where it pays."""

import json
import shutil

import numpy as np
import pytest
import torch

import offramp
from conftest import tiny_classifier, tiny_tokenizer, write_encoder
from helpers.replaying import assert_replayed_at
from helpers.toys import EXITS, LABELS, grouped, multi, names, pairs, single, write_jsonl, write_model
from offramp.calibration import Calibration, Problem
from offramp.data import Columns
from offramp.engine.full_pass import predict_at, predict_full
from offramp.errors import ModelFolderError, OptionError
from offramp.folder import WORDS
from offramp.training import Architecture, ExitFit
from offramp.words import fit

TEXTS = [row["text"] for row in single(40, seed=9)]


def trained(folder, encoder, rows, **options):
    data = write_jsonl(folder / "rows.jsonl", rows)
    return offramp.train(str(encoder), data, output=folder / "model", **grouped(epochs=1, **options))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    write_encoder(folder / "encoder")
    trained(folder, folder / "encoder", single(300), exits="words,1,2", columns=Columns())
    return folder / "model"


@pytest.mark.parametrize(
    ("exits", "words", "layers"),
    [
        (None, None, None),
        ("all", False, "all"),
        ("words,all", True, "all"),
        ("words", True, None),
        ("words, 1,2", True, "1,2"),
        ((1, 2), False, (1, 2)),
        (("words", 1, 2), True, (1, 2)),
    ],
)
def test_what_the_exits_ask_for(exits, words, layers):
    architecture = Architecture(exits=exits)
    assert (architecture.words, architecture.layer_exits) == (words, layers)
    assert architecture.network["exits"] == layers


def test_words_among_the_exits_are_there_in_any_case(model):
    classifier = offramp.load(model)
    assert classifier.exit_names == ("words", "layer 1", "layer 2", "layer 4")
    assert WORDS in names(model)
    assert classifier.runner.cascade.sources == (-1, 0, 0, 0)
    content = json.loads((model / "training.json").read_text())
    assert content["words_wanted"] is True
    record = content["words"]
    assert record["kept"] is True
    assert record["alone"] > 0.8
    assert "| words |" in (model / "README.md").read_text()


def test_the_engine_does_what_replay_does(model):
    classifier = offramp.load(model)
    for threshold in (0.3, 0.8, 0.95, 1.1):
        assert_replayed_at(classifier, TEXTS, threshold, 64)


def test_full_depth_is_the_same_whatever_way_is_taken(model):
    classifier = offramp.load(model)
    answers = classifier.exit_answers(TEXTS)
    for found in (predict_full(classifier.runner, TEXTS, None), predict_at(classifier.runner, 3, TEXTS, None)):
        np.testing.assert_allclose(found.probabilities, answers.full, atol=1e-5)
    np.testing.assert_allclose(
        predict_at(classifier.runner, 0, TEXTS, None).probabilities, answers.probabilities[0], atol=1e-12
    )


def test_temperatures_are_fitted_anew_with_the_weights(model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    before = offramp.load(folder)
    again = offramp.calibrate(folder, write_jsonl(tmp_path / "fresh.jsonl", single(200, seed=7)))
    after = offramp.load(folder)
    assert after.calibration == again.after != before.calibration
    assert after.fingerprint != before.fingerprint


def test_no_words_where_exits_are_named_without_them(tmp_path, encoder_folder):
    summary = trained(tmp_path, encoder_folder, single(60), exits=(1, 2))
    assert summary.words is None
    assert WORDS not in names(summary.folder)
    assert offramp.load(summary.folder).exit_names[0] == "layer 1"


def test_by_default_dev_rows_decide(tmp_path, encoder_folder):
    summary = trained(tmp_path, encoder_folder, single(400), exits=None)
    assert summary.words is not None
    assert summary.words.kept is (WORDS in names(summary.folder)) is (len(summary.calibration.temperatures) == 5)
    if summary.words.kept:
        assert summary.words.words_right >= summary.words.exits_right


def test_words_that_say_nothing_are_left_out(tmp_path, encoder_folder):
    rows = [
        {"text": " ".join(row["text"].split()), "label": LABELS[number % 3]} for number, row in enumerate(single(200))
    ]
    summary = trained(tmp_path, encoder_folder, rows, exits=None)
    assert summary.words is not None
    assert summary.words.alone < 0.7


@pytest.mark.parametrize(
    ("rows", "columns"), [(multi(300), Columns()), (pairs(300), Columns(text="first", text_pair="second"))]
)
def test_sets_of_labels_and_pairs(tmp_path, encoder_folder, rows, columns):
    summary = trained(tmp_path, encoder_folder, rows, exits="words,1", columns=columns)
    classifier = offramp.load(summary.folder)
    texts = [row.get("text", row.get("second")) for row in rows[:8]]
    second = texts if classifier.takes_pairs else None
    answers = classifier.exit_answers(texts, second)
    assert answers.names[0] == "words"
    taken = classifier.predict(texts, second, threshold=0, top_k=None)
    np.testing.assert_array_equal(taken.probabilities, answers.probabilities[0])


def test_attached_words_leave_full_depth_alone(tmp_path):
    torch.manual_seed(0)
    classifier, tokenizer = tiny_classifier(labels=LABELS), tiny_tokenizer()
    classifier.save_pretrained(tmp_path / "classifier")
    tokenizer.save_pretrained(tmp_path / "classifier")
    data = write_jsonl(tmp_path / "texts.jsonl", [{"text": row["text"]} for row in single(200)])
    summary = offramp.attach(
        tmp_path / "classifier",
        data,
        output=tmp_path / "model",
        architecture=Architecture(exits="words,1,2"),
        fit=ExitFit(epochs=2),
    )
    found = offramp.load(summary.folder)
    assert not any(found.calibration.evidence[-1:])
    with torch.no_grad():
        expected = classifier(**tokenizer(TEXTS, return_tensors="pt", padding=True)).logits.softmax(-1).numpy()
    np.testing.assert_allclose(predict_full(found.runner, TEXTS, None).probabilities, expected, atol=1e-5)


def test_a_folder_whose_words_are_gone_or_damaged_says_so(model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    (folder / WORDS).write_bytes(b"no weights")
    with pytest.raises(ModelFolderError, match=r"words\.safetensors is damaged"):
        offramp.load(folder)
    (folder / WORDS).unlink()
    with pytest.raises(ModelFolderError, match=r"has lost its words\.safetensors"):
        offramp.load(folder)


def test_words_of_another_model_are_refused(model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    texts, targets = ["w1", "w2"] * 10, np.array([0, 1] * 10)
    fit(texts, targets, labels=("x", "y"), problem=Problem.SINGLE_LABEL).save(folder)
    with pytest.raises(ModelFolderError, match=r"belongs to another model \(its labels are x, y\)"):
        offramp.load(folder)


def test_what_an_export_gets_right_is_what_the_model_does(graphs_once, tmp_path):
    folder = write_model(tmp_path / "model")
    texts, targets = [row["text"] for row in single(40)], np.array([LABELS.index(row["label"]) for row in single(40)])
    fit(texts, targets, labels=LABELS, problem=Problem.SINGLE_LABEL).save(folder)
    Calibration.neutral(EXITS, words=True).save(folder)
    rows = write_jsonl(tmp_path / "fresh.jsonl", single(60, seed=8))
    exported = offramp.export(folder, rows, backend="onnxruntime", precision="fp32")
    found = offramp.load(folder, backend="onnxruntime", precision="fp32")
    truth = np.array([row["label"] for row in single(60, seed=8)])
    full = predict_full(found.runner, [row["text"] for row in single(60, seed=8)], None)
    assert exported.accuracy_after[-1] == (np.array(full.label) == truth).mean()


def test_words_in_the_wrong_place(tmp_path, encoder_folder):
    with pytest.raises(OptionError, match="words,1,2,4"):
        trained(tmp_path, encoder_folder, single(20), exits="wordz,1")


def test_neutral_temperatures_hold_words(tmp_path):
    neutral = Calibration.neutral((1, 2), words=True)
    assert neutral.temperatures == (1, 1, 1)
    assert neutral.evidence == ()


def test_a_record_that_cannot_be_read_keeps_no_model_from_its_work(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / "training.json").write_text("{")
    assert offramp.load(folder).exit_names[0] == "layer 1"
