"""Exits on classifiers that were fine-tuned before."""

import json

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import AutoModelForSequenceClassification

import offramp
from conftest import tiny_classifier, tiny_tokenizer
from helpers.toys import LABELS, grouped, multi, names, pairs, single, write_jsonl
from offramp.calibration import Calibration
from offramp.data import Columns, read_texts, uses_of
from offramp.data.seen import fitted_rows
from offramp.errors import BackboneError, DataError, OptionError
from offramp.training import ExitFit

FIT = ExitFit(epochs=12, learning_rate=1e-2)


def fine_tuned(folder, rows, problem_type="single_label_classification", labels=LABELS):
    """A classifier as transformers leaves one, quickly trained on toy rows."""
    torch.manual_seed(0)
    model, tokenizer = tiny_classifier(labels=labels, problem_type=problem_type), tiny_tokenizer()
    several = problem_type.startswith("multi")
    inputs = tokenizer([row["text"] for row in rows], return_tensors="pt", padding=True)
    loss_of = binary_cross_entropy_with_logits if several else cross_entropy
    targets = torch.tensor(
        [[label in row["label"] for label in LABELS] if several else LABELS.index(row["label"]) for row in rows]
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = loss_of(model(**inputs).logits, targets.float() if several else targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.4
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.classifier = fine_tuned(folder / "classifier", single(240, seed=1))
        self.fresh = single(300, seed=2)
        self.labeled = write_jsonl(folder / "labeled.jsonl", self.fresh)
        self.texts = write_jsonl(folder / "texts.jsonl", [{"text": row["text"]} for row in self.fresh])

    def attach(self, output, **options):
        settings = {"model": self.classifier, "data": self.texts, "exits": (1, 2), "fit": FIT, **options}
        return offramp.attach(output=output, **grouped(**settings))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def finished(stage):
    heard = []
    summary = stage.attach(stage.folder / "finished", on_progress=lambda *told: heard.append(told))
    return summary, heard


def test_at_full_depth_nothing_changes(stage, finished):
    theirs = AutoModelForSequenceClassification.from_pretrained(stage.classifier).eval()
    ours = AutoModelForSequenceClassification.from_pretrained(finished[0].folder).eval()
    inputs = tiny_tokenizer()([row["text"] for row in stage.fresh], return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = theirs(**inputs).logits
        assert torch.equal(ours(**inputs).logits, expected)
    full = offramp.load(finished[0].folder).predict([row["text"] for row in stage.fresh], threshold=2, top_k=None)
    np.testing.assert_allclose(full.probabilities, expected.softmax(1), atol=1e-5)


def test_the_exits_learn_without_labels(stage, finished):
    summary, _ = finished
    calibration = summary.calibration
    assert calibration.against == "model"
    assert [one.layers for one in calibration.exits] == [1, 2, 4]
    assert min(one.accuracy for one in calibration.exits) > 0.75
    assert calibration.temperatures[-1] == 1
    assert Calibration.load(summary.folder) == calibration
    rows = single(60, seed=9)
    early = offramp.load(summary.folder).predict([row["text"] for row in rows], threshold=0)
    assert np.mean([one.label == row["label"] for one, row in zip(early, rows, strict=True)]) > 0.75


@pytest.mark.parametrize(("targets", "head"), [("labels", "linear"), ("both", "mlp")])
def test_the_exits_learn_from_labels(stage, tmp_path, targets, head):
    summary = stage.attach(tmp_path / "model", data=stage.labeled, targets=targets, head=head)
    assert summary.calibration.against == "labels"
    assert min(one.accuracy for one in summary.calibration.exits) > 0.75
    assert offramp.load(summary.folder).config.head == head


def test_what_is_written_and_told(stage, finished):
    summary, heard = finished
    assert names(summary.folder) == [
        "README.md",
        "calibration.json",
        "config.json",
        "model.safetensors",
        "seen_rows.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    ]
    assert not [name for name in names(stage.folder) if name.startswith(".")]
    record = json.loads((summary.folder / "training.json").read_text())
    assert record["attached_to"] == stage.classifier
    assert record["rows"] == {"train": summary.rows, "dev": summary.dev_rows} == {"train": 270, "dev": 30}
    assert (record["targets"], record["head"], record["fit"]["epochs"]) == ("model", "linear", 12)
    assert record["data"]["dev"] == summary.calibration.fitted_on
    assert summary.exit_parameters == 2 * (32 * 3 + 3) + 3
    whats = [what for what, *_ in heard]
    assert whats == sorted(whats, key="loading the classifier|running texts|fitting exits|calibrating".find)
    assert [told for told in heard if told[0] == "running texts"][-1][1:] == (300, 300)
    assert [told for told in heard if told[0] == "fitting exits"][-1][1:] == (60, 60)


def test_the_seed_decides_everything(stage, finished, tmp_path):
    again = stage.attach(tmp_path / "again")
    assert again.calibration == finished[0].calibration


def test_exits_learn_from_texts_that_the_classifier_makes_itself(stage, tmp_path, monkeypatch):
    monkeypatch.setattr("offramp.training.attaching.SELF_MADE", 300)
    summary = stage.attach(tmp_path / "model", data="self:3-10", dev=stage.texts)
    assert (summary.rows, summary.dev_rows) == (300, 300)
    classifier = offramp.load(summary.folder)
    answers = classifier.exit_answers([row["text"] for row in stage.fresh])
    agreeing = classifier.problem.agree(answers.probabilities, answers.full).mean(axis=1)
    assert agreeing[1] > 0.6  # of three labels
    record = json.loads((summary.folder / "training.json").read_text())
    assert len(record["lengths"]) == 11
    assert 3 <= record["lengths"][0] <= record["lengths"][-1] <= 12
    assert record["self_made"] is True
    uses = uses_of(summary.folder, read_texts(stage.texts, Columns()))
    assert "training" not in uses


def test_several_labels(tmp_path):
    rows, kind = multi(300, seed=3), "multi_label_classification"
    classifier = fine_tuned(tmp_path / "classifier", rows, kind)
    options = {"data": write_jsonl(tmp_path / "data.jsonl", multi(200, seed=4)), "fit": FIT}
    options["architecture"] = offramp.Architecture(exits=(3,))
    without = offramp.attach(classifier, output=tmp_path / "without", **options).calibration
    labeled = offramp.attach(classifier, output=tmp_path / "with", targets="both", **options).calibration
    assert without.exits[0].accuracy > 0.4  # all three labels at once; chance is 1 in 8
    assert labeled.against == "labels"
    assert offramp.load(tmp_path / "with").problem.type == kind


def test_exits_of_a_model_are_replaced(stage, finished, tmp_path):
    more = write_jsonl(tmp_path / "more.jsonl", [{"text": row["text"]} for row in single(200, seed=5)])
    first = str(finished[0].folder)
    summary = stage.attach(tmp_path / "model", model=first, data=more, exits=(3,), head="mlp")
    assert summary.exits == (3, 4)
    texts = [row["text"] for row in stage.fresh]
    full = [offramp.load(folder).exit_answers(texts).logits[-1] for folder in (first, summary.folder)]
    np.testing.assert_array_equal(*full)
    assert len(fitted_rows(summary.folder)) == 2
    seen = uses_of(summary.folder, read_texts(stage.texts, Columns()))
    assert seen["training"] == pytest.approx(0.9, abs=0.05)
    with pytest.raises(DataError, match=r"dev rows are among those that .* was trained on: .* are; give other rows"):
        stage.attach(tmp_path / "other", model=first, data=more, dev=stage.texts)
    assert names(tmp_path) == ["model", "more.jsonl"]


def test_pairs_and_a_dev_set(stage, tmp_path):
    data, dev = (write_jsonl(tmp_path / f"{seed}.jsonl", pairs(50, seed=seed)) for seed in (1, 2))
    columns = Columns(text="first", text_pair="second")
    summary = stage.attach(tmp_path / "model", data=data, dev=dev, columns=columns)
    assert (summary.rows, summary.dev_rows) == (50, 50)
    assert offramp.load(summary.folder).config.text_pair


def test_labels_can_be_named(tmp_path):
    classifier = fine_tuned(tmp_path / "classifier", single(240, seed=1), labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    options = {"data": write_jsonl(tmp_path / "data.jsonl", single(60)), "targets": "labels", "fit": ExitFit(epochs=1)}
    with pytest.raises(DataError, match="the model has no label") as caught:
        offramp.attach(classifier, output=tmp_path / "model", **options)
    assert caught.value.__notes__ == ["or name the classifier's outputs as the data do, in `labels`"]
    summary = offramp.attach(classifier, output=tmp_path / "model", labels=LABELS, **options)
    assert offramp.load(summary.folder).labels == LABELS


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"targets": "luck"}, OptionError, "targets 'luck' are not known; valid: labels, model, both"),
        ({"exits": (4,)}, OptionError, r"exits are \[4\]: the classifier itself; name at least one layer before it"),
        ({"exits": (9,)}, OptionError, "no exit fits after layer 9"),
        ({"exits": (2, 1, 2)}, OptionError, "exits name layer 2 more than once"),
        ({"max_length": 99}, OptionError, "max_length is 99, .* take at most 48 tokens"),
        (
            {"data": "self"},
            OptionError,
            "dev is 0.1, a share of the texts that the classifier makes itself; dev",
        ),
        ({"data": "self", "dev": "self"}, DataError, "that the model makes itself, 'self', cannot tell how sure it"),
        ({"data": "self", "dev": "x.jsonl", "targets": "labels"}, OptionError, "targets 'labels' take labels, and"),
        ({"data": "self:9-3"}, DataError, "self:9-3 asks for texts of 9 to 3 tokens"),
        ({"fit": {"epochs": 1}}, OptionError, "fit is {'epochs': 1}, of type dict; give an offramp.ExitFit"),
        ({"head": "deep"}, OptionError, "head 'deep' is not known"),
        ({"pooling": "max"}, OptionError, "pooling 'max' is not known"),
        ({"dev": 0.0}, OptionError, "the dev fraction is 0"),
        ({"seed": -1}, OptionError, "seed is -1"),
        ({"targets": "labels"}, DataError, "has no column 'label'"),
        ({"labels": ["a"]}, OptionError, "the classifier has 3 outputs"),
        ({"model": "no/such-model"}, BackboneError, "cannot load the classifier 'no/such-model'"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(stage, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        stage.attach(tmp_path / "model", **options)
    assert names(tmp_path) == []


@pytest.mark.parametrize("labels", [LABELS, ("no", "yes"), (0, 1, 2)])
def test_pairs_of_texts_and_labels_are_not_taken_for_pairs_of_texts(stage, tmp_path, labels):
    data = [(row["text"], labels[place % len(labels)]) for place, row in enumerate(single(30))]
    message = r"data is a list of 30 pairs whose second parts are .*: labels, it seems, .* as in \(texts, labels\)"
    for options in ({"data": data}, {"dev": data}):
        with pytest.raises(DataError, match=message):
            stage.attach(tmp_path / "model", **options)
    assert names(tmp_path) == []


def test_few_second_texts_are_texts_where_somebody_says_so(stage, tmp_path):
    texts = [row["text"] for row in single(60)]
    data = offramp.Texts.of(texts, [("food", "service")[place % 2] for place in range(60)])
    summary = stage.attach(tmp_path / "model", data=data, fit=ExitFit(epochs=1))
    assert offramp.load(summary.folder).takes_pairs


def test_an_output_that_is_taken_is_left_alone(stage, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OptionError, match="choose another output"):
            stage.attach(tmp_path / "model", overwrite=overwrite)
    assert names(tmp_path / "model") == ["thesis.txt"]


def test_dev_texts_are_kept_apart_from_the_others(stage, tmp_path):
    with pytest.raises(DataError, match=r"100% of the dev rows in .* are among the rows in .* that the model will be"):
        stage.attach(tmp_path / "model", dev=stage.texts)
    assert names(tmp_path) == []
